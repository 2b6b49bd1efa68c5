"""``python benchmarks/hybrid.py``: pictures and lines in one list of hits, by several rules.

A library of MSR-VTT dev clips. To each clip belong lines of news: one of NTREX in English, and distractors,
which are sentences of XNLI. Line queries ask for a clip's NTREX line in the other eight languages; picture
queries are captions of the clips in all nine. A rule puts the cosine with the clip and with the best of its
lines into one score; it should lose nothing against the kind of evidence that has the answer (R@1 within
one point).

Calibrated rules take each cosine through the distribution of what unrelated queries reach at best in this
library (names of emoji, ``library/search/calibration.py``): Gumbel's, fitted by moments. Nothing is chosen
on these queries but the rule itself.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from common import Report, options, recall, work_dir
from datasets import data_folder, frame_features, msrvtt_dev, ntrex
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.languages import STUDY_LANGUAGES, clean
from polyreel.library.search.calibration import load_background

DISTRACTORS = 2_000
LINE_QUERIES = 100
_RRF = 60
_EULER = 0.5772156649

Scores = NDArray[np.float64]
Rule = Callable[[Scores, Scores], Scores]
"""Strength of picture and of line, each (queries, clips), from 0 to 1, into one score."""

RULES: Mapping[str, Rule] = {
    "calibrated, the stronger kind": np.maximum,
    "calibrated, noisy-or": lambda picture, line: 1 - (1 - picture) * (1 - line),
    "calibrated, sum of logits": lambda picture, line: logit(picture) + logit(line),
}


def main() -> int:
    """Measure each rule on both kinds of query."""
    report = Report("pictures and lines", options(__doc__).parse_args())
    bundle = Bundle(locate_bundle())
    gallery = msrvtt_dev()
    clips = bundle.encode_video(frame_features(gallery, bundle))
    news = ntrex()
    lines, owner = lines_of(len(clips), news["en"])
    vectors = bundle.encode_text(lines)
    unrelated = np.concatenate(list(load_background(bundle, work_dir()).values()))
    scales = [gumbel((unrelated @ each.T).max(axis=1)) for each in (clips, vectors)]
    count = 10 if report.arguments.quick else LINE_QUERIES
    spoken = {tag: news[tag][:count] for tag in STUDY_LANGUAGES if tag != "en"}
    shown = {
        tag: gallery.captions[tag][: count if report.arguments.quick else None] for tag in STUDY_LANGUAGES
    }
    for kind, queries in (("line", spoken), ("picture", shown)):
        rows, means = [], {}
        for tag, texts in queries.items():
            asked = bundle.encode_text(texts)
            found = ranked(asked @ clips.T, best_line(asked @ vectors.T, owner, len(clips)), scales)
            truth = np.arange(len(texts))
            right = {name: recall(scores, truth, [1])[1].mean() for name, scores in found.items()}
            rows.append([tag, *(f"{value:.1f}" for value in right.values())])
            for name, value in right.items():
                means.setdefault(name, []).append(value)
        rows.append(["mean", *(f"{np.mean(values):.1f}" for values in means.values())])
        report.table(f"R@1 of {kind} queries, {len(truth)} a language", ["", *means], rows)
        alone = np.mean(means[f"{kind} only"])
        for name in RULES:
            report.target(
                f"R@1 of {kind} queries, {name}, over {kind} only", np.mean(means[name]) - alone, ">=", -1
            )
    report.note(f"{len(clips)} clips, {len(lines):,} lines, {len(unrelated):,} background queries.")
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


def best_line(scores: NDArray[np.float32], owner: NDArray[np.int64], clips: int) -> NDArray[np.float32]:
    """Of the lines (queries, lines) the best of each clip, (queries, clips)."""
    best = np.full((len(scores), clips), -1.0, np.float32)
    for clip in range(clips):
        best[:, clip] = scores[:, owner == clip].max(axis=1)
    return best


def ranked(
    picture: NDArray[np.float32], line: NDArray[np.float32], scales: list[tuple[float, float]]
) -> dict[str, NDArray[np.floating]]:
    """Scores of each rule, (queries, clips)."""
    strength = [below(scores, *scale) for scores, scale in zip((picture, line), scales, strict=True)]
    return {
        "picture only": picture,
        "line only": line,
        "ranks fused (RRF)": fused(picture) + fused(line),
        "sum of cosines": picture + line,
        **{name: rule(*strength) for name, rule in RULES.items()},
    }


def gumbel(best: NDArray[np.float32]) -> tuple[float, float]:
    """Location and scale of Gumbel's distribution of maxima, by the method of moments."""
    scale = float(best.std()) * np.sqrt(6) / np.pi
    return float(best.mean()) - _EULER * scale, scale


def below(scores: NDArray[np.float32], location: float, scale: float) -> Scores:
    """Probability that the best of an unrelated query stays below each score."""
    return np.exp(-np.exp(-(scores.astype(np.float64) - location) / scale))


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
