"""``python benchmarks/hybrid.py``: pictures and lines in one list of hits, by several rules.

A library of MSR-VTT dev clips. To each clip belong lines of news: one of NTREX in English, and distractors,
which are sentences of XNLI. Line queries ask for a clip's NTREX line in the other eight languages; picture
queries are captions of the clips in all nine. The sentences are of the half that no curve was fitted on
(``--fitted``: of the other one). A rule puts the cosine with the clip and with the best of its
lines into one score; it should lose nothing against the kind of evidence that has the answer (R@1 within
one point).

Searches take each kind of evidence through the curve of its scale (``library/search/evidence.py``) and put
them together as a noisy-or. Beside that: fused ranks, the sum of cosines, and rules on what unrelated queries
(names of emoji, ``library/search/calibration.py``) leave below a cosine. What was chosen by looking at this
table with ``--fitted``: the rule, and how many unrelated queries a line has to surpass.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from common import Report, options, recall, work_dir
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.encoders.text_roles import against_lines
from polyreel.languages import STUDY_LANGUAGES, clean
from polyreel.library.search.background import Background, load_background
from polyreel.library.search.calibration import Closeness, Scale, closeness_between, scale_of
from polyreel.library.search.evidence import LINES, PICTURES
from research_data import data_folder, frame_features, msrvtt_dev, ntrex, text_vectors

DISTRACTORS = 2_000
FITTED = 500
"""So many sentences are those that benchmarks/confidence.py fits the curve of lines on."""
_RRF = 60

Scores = NDArray[np.floating]
Rule = Callable[[Scores, Scores], Scores]
"""Strength of picture and of line, each (queries, clips), from 0 to 1, into one score."""

RULES: Mapping[str, Rule] = {
    "below, the stronger kind": np.maximum,
    "below, noisy-or": lambda picture, line: 1 - (1 - picture) * (1 - line),
    "below, sum of logits": lambda picture, line: logit(picture) + logit(line),
}
SHIPPED = "as searches do"


def main() -> int:
    """Measure each rule on both kinds of query."""
    parser = options(__doc__)
    parser.add_argument("--fitted", action="store_true", help="sentences that the curve was fitted on")
    report = Report("pictures and lines", parser.parse_args())
    bundle = Bundle(locate_bundle())
    gallery = msrvtt_dev()
    clips = bundle.encode_video(frame_features(gallery, bundle))
    first = 0 if report.arguments.fitted else FITTED
    news = {tag: sentences[first : first + len(clips)] for tag, sentences in ntrex().items()}
    lines, owner = lines_of(len(clips), news["en"])
    vectors = text_vectors(lines, bundle)
    background = load_background(bundle, work_dir())
    of_lines = {tag: against_lines(bundle.card, each) for tag, each in background.items()}
    scales = [required_scale(clips, background), required_scale(vectors, of_lines)]
    count = 10 if report.arguments.quick else len(clips)
    spoken = {tag: news[tag][:count] for tag in STUDY_LANGUAGES if tag != "en"}
    shown = {tag: gallery.captions[tag][:count] for tag in STUDY_LANGUAGES}
    for kind, queries in (("line", spoken), ("picture", shown)):
        rows, means = [], {}
        for tag, texts in queries.items():
            asked = text_vectors(texts, bundle)
            both = asked, against_lines(bundle.card, asked)
            found = ranked(both, (clips, vectors), scales, closeness_between(of_lines, background), owner)
            truth = np.arange(len(texts))
            right = {name: recall(scores, truth, [1])[1].mean() for name, scores in found.items()}
            rows.append([tag, *(f"{value:.1f}" for value in right.values())])
            for name, value in right.items():
                means.setdefault(name, []).append(value)
        rows.append(["mean", *(f"{np.mean(values):.1f}" for values in means.values())])
        report.table(f"R@1 of {kind} queries, {len(truth)} a language", ["", *means], rows)
        alone = np.mean(means[f"{kind} only"])
        over = float(np.mean(means[SHIPPED]) - alone)
        report.target(f"R@1 of {kind} queries {SHIPPED}, over {kind} only", over, ">=", -1)
    queries = sum(map(len, background.values()))
    report.note(f"{len(clips)} clips, {len(lines):,} lines, {queries:,} background queries.")
    return report.close()


def lines_of(clips: int, english: list[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Lines, and the clip of each: one of NTREX a clip, and the distractors in turn."""
    with gzip.open(data_folder("xnli") / "xnli.dev.parallel.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = map(json.loads, file)
        sentences = dict.fromkeys(
            clean(row[part]["en"]) for row in rows for part in ("premise", "hypothesis")
        )
    distractors = list(sentences)[:DISTRACTORS]
    owner = np.concatenate([np.arange(clips), np.arange(len(distractors)) % clips])
    return [*english[:clips], *distractors], owner


def best_line(scores: Scores, owner: NDArray[np.int64], clips: int) -> Scores:
    """Of the lines (queries, lines) the best of each clip, (queries, clips)."""
    best = np.full((len(scores), clips), -np.inf, scores.dtype)
    for clip in range(clips):
        best[:, clip] = scores[:, owner == clip].max(axis=1)
    return best


def required_scale(matrix: NDArray[np.float32], background: Background) -> Scale:
    """The scale of clips or lines, of which there are enough here."""
    scale, _ = scale_of(matrix, background)
    assert scale is not None
    return scale


def ranked(
    asked: Sequence[NDArray[np.float32]],
    matrices: Sequence[NDArray[np.float32]],
    scales: Sequence[Scale],
    texts: Closeness,
    owner: NDArray[np.int64],
) -> dict[str, Scores]:
    """Scores of each rule, (queries, clips).

    Args:
        asked: (queries, dim), of clips and of lines.
        matrices: of clips and of lines.
        scales: of both.
        texts: how close a query and a line are.
        owner: (lines,) the clip of each.
    """
    clips = len(matrices[0])
    picture, lines = (queries @ matrix.T for queries, matrix in zip(asked, matrices, strict=True))
    line = best_line(lines, owner, clips)
    below = [
        np.exp(-np.exp(-scale.deviations(each).astype(np.float64)))
        for scale, each in zip(scales, (picture, line), strict=True)
    ]
    own = np.stack([scales[1].own_deviations(*each) for each in zip(asked[1], lines, strict=True)])
    weights = LINES.weigh(scales[1].deviations(lines), own, texts.of(lines))
    return {
        "picture only": picture,
        "line only": line,
        "ranks fused (RRF)": fused(picture) + fused(line),
        "sum of cosines": picture + line,
        **{name: rule(*below) for name, rule in RULES.items()},
        SHIPPED: PICTURES.weigh(scales[0].deviations(picture)) + best_line(weights, owner, clips),
    }


def logit(share: Scores) -> Scores:
    """Log odds; shares so near 0 or 1 that they are equal keep their order by a tiny slope."""
    safe = np.clip(share, 1e-12, 1 - 1e-12)
    return np.asarray(np.log(safe / (1 - safe)))


def fused(scores: NDArray[np.float32]) -> Scores:
    """Reciprocal rank fusion's part of one kind of evidence, as the library does it."""
    places = (-scores).argsort(axis=1, kind="stable").argsort(axis=1)
    return (_RRF + 1) / (_RRF + 1.0 + places)


if __name__ == "__main__":
    sys.exit(main())
