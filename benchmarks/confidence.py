"""What the two thresholds of confidence in the bundle ``small`` tell: false alarms and detections.

    python benchmarks/confidence.py

Clips: captions of our MSR-VTT dev split against 60 of its videos. "False alarm" is the share of queries whose
best cosine reaches the threshold although their own video is not among the 60; "detection" the same with it
among them. Subtitle lines: news sentences of NTREX in eight languages against English lines. "Own" is the
share of true translations that reach the threshold, "other" that of random pairs.
"""

from __future__ import annotations

import sys

import numpy as np

from common import Report, options
from datasets import frame_features, msrvtt_dev, ntrex
from polyreel.bundle import Bundle, locate_bundle
from polyreel.languages import STUDY_LANGUAGES

SHOWN, LINES = 60, 300


def main() -> int:
    """Measure both thresholds."""
    arguments = options(__doc__).parse_args()
    report = Report("confidence", arguments)
    bundle = Bundle(locate_bundle("small"))
    _clips(report, bundle, arguments.seed)
    _subtitles(report, bundle, 50 if arguments.quick else LINES)
    return report.close()


def _clips(report: Report, bundle: Bundle, seed: int) -> None:
    gallery = msrvtt_dev()
    videos = bundle.encode_video(frame_features(gallery, bundle))
    rng = np.random.default_rng(seed)
    others = np.stack([rng.choice(len(videos) - 1, SHOWN, replace=False) for _ in videos])
    others += others >= np.arange(len(videos))[:, None]  # every video but the query's own
    shipped = bundle.card.confidence.clip
    rows = []
    for tag in STUDY_LANGUAGES:
        scores = bundle.encode_text(gallery.captions[tag]) @ videos.T
        absent = np.take_along_axis(scores, others, axis=1).max(axis=1)
        present = np.maximum(absent, scores[np.arange(len(scores)), gallery.truth[tag]])
        cells = [(100 * (best >= cut).mean()) for cut in (0.15, shipped, 0.30) for best in (absent, present)]
        rows.append([tag, *map(float, cells)])
    heads = [
        f"{what} at {cut:.2f}" for cut in (0.15, shipped, 0.30) for what in ("false alarm %", "detection %")
    ]
    report.table(
        f"Best clip of {SHOWN}, {len(videos)} queries a language, seed {seed}; {shipped:.2f} is shipped.",
        ["language", *heads],
        rows,
    )


def _subtitles(report: Report, bundle: Bundle, lines: int) -> None:
    sentences = {tag: rows[:lines] for tag, rows in ntrex().items()}
    english = bundle.encode_text(sentences["en"])
    shipped = bundle.card.confidence.subtitle
    rows = []
    for tag in STUDY_LANGUAGES[1:]:
        scores = bundle.encode_text(sentences[tag]) @ english.T
        own = np.diag(scores)
        other = scores[~np.eye(len(scores), dtype=bool)]
        rows.append([tag, float(100 * (own >= shipped).mean()), float(100 * (other >= shipped).mean())])
    report.table(
        f"Subtitle lines: {lines} sentences a language against {lines} in English; {shipped:.2f} is shipped.",
        ["language", "own %", "other %"],
        rows,
    )


if __name__ == "__main__":
    sys.exit(main())
