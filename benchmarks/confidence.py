"""``python benchmarks/confidence.py``: what the bundle's two thresholds of "matches well" are worth.

Clips: for captions of MSR-VTT dev, how often does the best of 60 videos reach the threshold although the
caption's own video is not among them (false alarm), and how often with it among them (detection)? And how
often does it for a news sentence, which describes none of them?

Subtitles: the same with NTREX sentences in eight languages against English lines, one's own translation and
the best of the others.

Good matches: in a library, what unrelated background queries reach is the scale. Which share may pass?

The area under the curve is the chance that a query with its own item scores higher than one without: 0.5
tells nothing, 1.0 everything.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from common import Report, interval, options, work_dir
from datasets import frame_features, msrvtt_dev, ntrex
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.languages import STUDY_LANGUAGES
from polyreel.library.search.calibration import FALSE_ALARM_RATE, load_background

OTHER_VIDEOS = 60
DRAWS = 20


def main() -> int:
    """Measure both thresholds and their neighbours."""
    arguments = options(__doc__).parse_args()
    report = Report("confidence", arguments)
    bundle = Bundle(locate_bundle())
    clips(report, bundle)
    subtitles(report, bundle)
    background(report, bundle)
    return report.close()


def clips(report: Report, bundle: Bundle) -> None:
    """The threshold on the cosine of a query and the best clip."""
    gallery = msrvtt_dev()
    videos = bundle.encode_video(frame_features(gallery, bundle))
    rng = np.random.default_rng(report.arguments.seed)
    count = len(gallery.items)
    # For every video, draws of others: numbers below its own stay, those from it on move up by one.
    others = rng.random((count, DRAWS, count - 1)).argsort(axis=2)[:, :, :OTHER_VIDEOS]
    others += others >= np.arange(count)[:, None, None]
    shipped = bundle.card.confidence.clip
    news = ntrex()
    without, among, off_topic = {}, {}, {}
    for tag in STUDY_LANGUAGES:
        scores = bundle.encode_text(gallery.captions[tag]) @ videos.T
        without[tag] = best_of(scores, others)
        among[tag] = np.maximum(without[tag], np.diag(scores)[:, None])
        off_topic[tag] = best_of(bundle.encode_text(news[tag][:count]) @ videos.T, others)
    rows = [
        [
            f"{language}, from {threshold:.2f} on",
            share(without[language] >= threshold, report.arguments.seed),
            share(among[language] >= threshold, report.arguments.seed),
            f"{area(among[language].ravel(), without[language].ravel()):.2f}",
            share(off_topic[language] >= threshold, report.arguments.seed),
        ]
        for language, threshold in [
            *((tag, shipped) for tag in STUDY_LANGUAGES),
            *(("en", value) for value in (0.15, 0.25, 0.30, 0.35, 0.40)),
        ]
    ]
    report.note(
        f"{count} captions a language, {DRAWS} random draws of {OTHER_VIDEOS} other videos for each. "
        "Intervals: 95% bootstrap over queries."
    )
    columns = [
        "query, threshold",
        "false alarms, %",
        "detections, %",
        "area under the curve",
        "news sentences that reach it, %",
    ]
    report.table(f"Clips; shipped is {shipped:.2f}", columns, rows)


def subtitles(report: Report, bundle: Bundle) -> None:
    """The threshold on the cosine of a query and a subtitle line."""
    vectors = {tag: bundle.encode_text(lines) for tag, lines in ntrex().items()}
    shipped, count = bundle.card.confidence.subtitle, len(vectors["en"])
    own, best_other, any_other = {}, {}, {}
    for tag in STUDY_LANGUAGES[1:]:
        scores = vectors[tag] @ vectors["en"].T
        own[tag] = np.diag(scores).copy()
        np.fill_diagonal(scores, -1.0)
        best_other[tag] = scores.max(axis=1)
        any_other[tag] = scores
    rows = [
        [
            f"{tag}, from {threshold:.2f} on",
            share(best_other[tag] >= threshold, report.arguments.seed),
            share(own[tag] >= threshold, report.arguments.seed),
            f"{area(own[tag], best_other[tag]):.2f}",
            f"{100 * (any_other[tag] >= threshold).sum() / (count * (count - 1)):.1f}",
        ]
        for tag, threshold in [
            *((tag, shipped) for tag in STUDY_LANGUAGES[1:]),
            *((tag, value) for tag in ("de", "zh", "sw") for value in (0.40, 0.45, 0.50, 0.60)),
        ]
    ]
    report.note(
        f"{count:,} sentences a language; the best of {count - 1:,} other English lines, and one's own."
    )
    columns = [
        "query, threshold",
        "best other line reaches it, %",
        "own line does, %",
        "area under the curve",
        "any other line does, %",
    ]
    report.table(f"Subtitle lines; shipped is {shipped:.2f}", columns, rows)


def background(report: Report, bundle: Bundle) -> None:
    """The share of background queries that may pass for a good match, in a library of MSR-VTT dev."""
    gallery = msrvtt_dev()
    videos = bundle.encode_video(frame_features(gallery, bundle))
    unrelated = np.concatenate(list(load_background(bundle, work_dir()).values()))
    best = (unrelated @ videos.T).max(axis=1)  # one scale for all languages, as libraries have it
    rows = []
    for tag in STUDY_LANGUAGES:
        scores = bundle.encode_text(gallery.captions[tag]) @ videos.T
        there = scores.max(axis=1)
        np.fill_diagonal(scores, -1.0)
        for rate in (0.05, 0.1, 0.2, 0.3):
            least = np.quantile(best, 1 - rate)
            rows.append(
                [
                    f"{tag}, {rate:.2f}",
                    share(there >= least, report.arguments.seed),
                    share(scores.max(axis=1) >= least, report.arguments.seed),
                ]
            )
    columns = ["query, false-alarm rate", "captions of videos that are there, %", "that are not, %"]
    report.table(f"What passes for a good match; shipped is {FALSE_ALARM_RATE:.2f}", columns, rows)


def best_of(scores: NDArray[np.float32], chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    """Highest score of each draw: scores (queries, items), chosen (queries, draws, items of a draw)."""
    drawn = np.take_along_axis(scores, chosen.reshape(len(chosen), -1), axis=1)
    return drawn.reshape(chosen.shape).max(axis=2)


def share(hits: NDArray[np.bool_], seed: int) -> str:
    """Percent and interval; several draws of one query are averaged first."""
    values = 100.0 * (hits.mean(axis=1) if hits.ndim == 2 else hits.astype(float))
    low, high = interval(values, seed, resamples=2_000)
    return f"{values.mean():.0f} [{low:.0f}, {high:.0f}]"


def area(higher: NDArray[np.floating], lower: NDArray[np.floating]) -> float:
    """Probability that a draw from ``higher`` exceeds one from ``lower``, ties counting half."""
    ordered = np.sort(lower)
    below, upto = (np.searchsorted(ordered, higher, side=side) for side in ("left", "right"))
    return float((below + upto).mean() / 2 / len(ordered))


if __name__ == "__main__":
    sys.exit(main())
