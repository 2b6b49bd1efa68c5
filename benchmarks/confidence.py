"""``python benchmarks/confidence.py``: what the bundle's two thresholds of "matches well" are worth.

Clips: for captions of MSR-VTT dev, how often does the best of 60 videos reach the threshold although the
caption's own video is not among them (false alarm), and how often with it among them (detection)? And how
often does it for a news sentence, which describes none of them?

Subtitles: the same with NTREX sentences in eight languages against English lines, one's own translation and
the best of the others.

Strength: of what is shown with a hit, the probability that it is right, how much is true? Two halves of NTREX
and of MSR-VTT dev: on one the curves of ``library/search/evidence.py`` were fitted (``--fit`` does it again),
on the other is measured, in a library that holds the lines or videos of half of its queries. For each
language: the expected calibration error over ten bins, which of the queries whose line is there pass for a
good match, and which of 200 whose line is not.

The area under the curve is the chance that a query with its own item scores higher than one without: 0.5
tells nothing, 1.0 everything.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from common import Report, interval, options, work_dir
from hybrid import lines_of
from polyreel.encoders.card import EncoderCard
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.encoders.text_roles import against_lines
from polyreel.languages import STUDY_LANGUAGES
from polyreel.library.results import FAIR
from polyreel.library.search.background import Background, load_background
from polyreel.library.search.calibration import Closeness, Scale, closeness_between, scale_of
from polyreel.library.search.evidence import LINES, PICTURES, UNSURE, Curve, LineCurve, Weights
from research_data import frame_features, msrvtt_dev, ntrex, text_vectors

OTHER_VIDEOS = 60
DRAWS = 20
ABSENT = 200
FEW_LINES = (1, 2, 3, 4, 5, 12, 25, 40)
TOO_FEW = (1, 2, 3, 4)
PHRASES, PHRASED, SHARE_OF_PHRASES = (3, 6), 160, 0.15
"""Queries of so many words, of how many sentences, and what part of the fit they are."""

Vectors = Mapping[str, NDArray[np.float32]]

_scales: dict[tuple[int, str], Scale] = {}


def main() -> int:
    """Measure both thresholds and their neighbours."""
    parser = options(__doc__)
    parser.add_argument("--fit", action="store_true", help="fit the curves on their half and show them")
    arguments = parser.parse_args()
    report = Report("confidence", arguments)
    bundle = Bundle(locate_bundle())
    clips(report, bundle)
    subtitles(report, bundle)
    strength(report, bundle, fit=arguments.fit)
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
        scores = text_vectors(gallery.captions[tag], bundle) @ videos.T
        without[tag] = best_of(scores, others)
        among[tag] = np.maximum(without[tag], np.diag(scores)[:, None])
        off_topic[tag] = best_of(text_vectors(news[tag], bundle)[:count] @ videos.T, others)
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
    vectors = {tag: text_vectors(lines, bundle) for tag, lines in ntrex().items()}
    shipped, count = bundle.card.confidence.subtitle, len(vectors["en"])
    own, best_other, any_other = {}, {}, {}
    for tag in STUDY_LANGUAGES[1:]:
        scores = against_lines(bundle.card, vectors[tag]) @ vectors["en"].T
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


def strength(report: Report, bundle: Bundle, *, fit: bool) -> None:
    """How much of what is shown with a hit is true, and what passes."""
    background = load_background(bundle, work_dir())
    of_lines = asking_lines(bundle.card, background)
    texts = closeness_between(of_lines, background)
    gallery = msrvtt_dev()
    videos = bundle.encode_video(frame_features(gallery, bundle))
    news = {tag: text_vectors(lines, bundle) for tag, lines in ntrex().items()}
    lines, _ = lines_of(len(gallery.items), ntrex()["en"])
    distractors = text_vectors(lines, bundle)[len(gallery.items) :]
    captions = {tag: text_vectors(gallery.captions[tag], bundle) for tag in STUDY_LANGUAGES}
    middle = len(videos) // 2
    if fit:
        share_in_lines(report, bundle, news)
        asking = asking_lines(bundle.card, news)
        phrases = [phrase_vectors(bundle, words) for words in PHRASES]
        fit_lines(report, news, asking, phrases, distractors[:1_000], of_lines, texts)
        fit_unknown(report, news, asking, of_lines, texts)
        fit_pictures(report, news, captions, videos[:middle], background)
    rows, there, absent, seen = [], [], [], []
    for tag in STUDY_LANGUAGES:
        asking = asking_lines(bundle.card, news)
        read = asked_of_lines(tag, news, asking, slice(500, 1_000), distractors[1_000:], of_lines)
        told = told_of_lines(read, texts)
        there.append(told[read.there])
        absent.append(told[~read.there][:ABSENT])
        seen_here = asked_of_pictures(
            captions[tag][middle:], np.arange(len(videos) - middle), videos[middle:], background
        )
        seen.append(seen_here)
        nowhere = np.full(middle, -1)
        off_topic = asked_of_pictures(news[tag][-middle:], nowhere, videos[middle:], background)
        shown = 1 - np.exp(-PICTURES.weigh(seen_here.bare))
        off = calibration_error(told, read.right), calibration_error(shown, seen_here.right)
        rows.append(
            [
                tag,
                f"{off[0]:.3f} ({error_by_chance(told, report.arguments.seed):.3f})",
                f"{100 * told.mean():.0f}, {100 * read.right.mean():.0f}",
                share(there[-1] >= FAIR, report.arguments.seed),
                share(absent[-1] >= FAIR, report.arguments.seed),
                f"{off[1]:.3f} ({error_by_chance(shown, report.arguments.seed):.3f})",
                f"{100 * seen_here.right[seen_here.there].mean():.0f}",
                share(shown[seen_here.there] >= FAIR, report.arguments.seed),
                share(shown[~seen_here.there] >= FAIR, report.arguments.seed),
                f"{100 * (seen_here.bare > UNSURE).mean():.0f}",
                f"{100 * (seen_here.bare[seen_here.right] > UNSURE).mean():.0f}",
                f"{100 * (off_topic.bare > UNSURE).mean():.0f}",
            ]
        )
        report.target(f"calibration error of lines, {tag}", off[0], "<=", 0.05)
        report.target(f"calibration error of pictures, {tag}", off[1], "<=", 0.05)
    columns = [
        "query",
        "lines: calibration error (by chance)",
        "told, right, %",
        "there, pass, %",
        "not there, pass, %",
        "pictures: calibration error (by chance)",
        "there, first, %",
        "there, pass, %",
        "not there, pass, %",
        "captions: cannot tell, %",
        "those that find theirs first, %",
        "news: cannot tell, %",
    ]
    report.table(f"What a strength says; a match passes from {FAIR:.0%} on", columns, rows)
    report.note(
        f"Lines: 250 queries there, {ABSENT} that are not, among {250 + len(distractors[1_000:]):,} lines, "
        "English but for English queries. Pictures: captions of every second video of "
        f"{len(videos) - middle} are there."
    )
    few_lines(report, news, asking_lines(bundle.card, news), of_lines, texts)
    picture_curve(report, joined(seen))
    report.target("queries whose line is there that pass, %", 100 * passing(there), ">=", 95)
    report.target("queries whose line is not there that pass, %", 100 * passing(absent), "<=", 20)


def few_lines(
    report: Report, news: Vectors, asking: Vectors, background: Background, texts: Closeness
) -> None:
    """What strengths are worth in libraries of few lines, whose own mean and covariance are of few."""
    rows = []
    for lines in FEW_LINES:
        every = asked_of_few(lines, range(500, 1_000), news, asking, background)
        told = told_of_lines(every, texts)
        loss = log_losses(told, every.right)
        low, high = interval(loss, report.arguments.seed, resamples=2_000)
        rows.append(
            [
                lines,
                len(told),
                share(told[every.there] >= FAIR, report.arguments.seed),
                share(told[~every.there] >= FAIR, report.arguments.seed),
                f"{loss.mean():.2f} [{low:.2f}, {high:.2f}]",
                f"{calibration_error(told, every.right):.3f}",
            ]
        )
    columns = ["lines", "queries", "there, pass, %", "not there, pass, %", "log loss", "calibration error"]
    report.table("Libraries of few lines", columns, rows)


def asked_of_few(
    lines: int, sentences: range, news: Vectors, asking: Vectors, background: Background
) -> Asked:
    """Ask up to twenty libraries of so few lines in each language; half of the lines asked for are there."""
    starts = range(sentences.start, sentences.stop + 1 - 2 * lines, max(2 * lines, 25))
    return joined(
        asked_of_lines(tag, news, asking, slice(start, start + 2 * lines), news[tag][:0], background)
        for tag in STUDY_LANGUAGES
        for start in starts
    )


def told_of_lines(asked: Asked, texts: Closeness, curve: LineCurve = LINES) -> NDArray[np.float64]:
    """Probabilities, (queries,), that the best line is the query's own."""
    return -np.expm1(-curve.weigh(asked.bare, asked.own, texts.of(asked.cosines)))


def log_losses(told: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of each query, in nats."""
    return -np.log(np.clip(np.where(right, told, 1 - told), 1e-9, 1))


def picture_curve(report: Report, asked: Asked) -> None:
    """How many of the best pictures are right by how far they stand out, of captions of all languages."""
    rows = []
    for low, high in pairwise((-np.inf, *UNSURE + np.array([0, 1, 2, 3, 5]), np.inf)):
        within = (asked.bare > low) & (asked.bare <= high)
        told = -np.expm1(-PICTURES.weigh(asked.bare[within]))
        right = 100.0 * asked.right[within]
        span = f"{low:.1f} to {high:.1f}"
        at_least, at_most = interval(right, report.arguments.seed, resamples=2_000)
        rows.append(
            [
                span,
                len(right),
                f"{100 * told.mean():.0f}",
                f"{right.mean():.0f} [{at_least:.0f}, {at_most:.0f}]",
                f"{100 * asked.right[within & asked.there].mean():.0f}",
            ]
        )
    columns = ["stands out by", "captions", "told, %", "right, %", "right where it is there, %"]
    report.table("Pictures: the best one of a caption", columns, rows)


def asking_lines(card: EncoderCard, vectors: Vectors) -> Vectors:
    """Queries as they are compared with lines."""
    return {tag: against_lines(card, each) for tag, each in vectors.items()}


def share_in_lines(report: Report, bundle: Bundle, news: Vectors) -> None:
    """What share of a line's cosine the trained part should have: the first half of the sentences says it."""
    width = bundle.card.dim // 2
    rows = []
    for share in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0):
        right: list[float] = []
        margins: list[float] = []
        others: list[float] = []
        for tag in STUDY_LANGUAGES[1:]:
            for half in (slice(500), slice(500, 1_000)):
                prior, trained = (
                    unit(news[tag][half, part]) @ unit(news["en"][half, part]).T
                    for part in (slice(width), slice(width, None))
                )
                scores = (1 - share) * prior + share * trained
                own = np.diag(scores).copy()
                np.fill_diagonal(scores, -1)
                found = 100 * float((own > scores.max(axis=1)).mean())
                if half.start:
                    others.append(found)
                else:
                    right.append(found)
                    margins.append(area(own, scores.max(axis=1)))
        means = f"{np.mean(right):.1f}", f"{np.mean(margins):.3f}", f"{np.mean(others):.1f}"
        rows.append([f"{share:.1f}", *(f"{value:.1f}" for value in right), *means])
    report.table(
        "Lines by the share of what was trained: nearest is the own one, %",
        ["share", *STUDY_LANGUAGES[1:], "mean", "area under the curve", "mean of the second half"],
        rows,
    )


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def phrase_vectors(bundle: Bundle, words: int) -> Vectors:
    """So many words from the middle of each of the first sentences, as queries of lines."""
    found = {}
    for tag, sentences in ntrex().items():
        texts = [middle(sentence, words, tag) for sentence in sentences[:PHRASED]]
        found[tag] = bundle.encode_text(texts, languages=[tag] * len(texts))
    return asking_lines(bundle.card, found)


def middle(sentence: str, words: int, tag: str) -> str:
    """So many words from the middle of a sentence; of Chinese, two characters for each."""
    parts, count = (list(sentence), 2 * words) if tag == "zh" else (sentence.split(), words)
    start = max(0, (len(parts) - count) // 2)
    return ("" if tag == "zh" else " ").join(parts[start : start + count])


def fit_lines(
    report: Report,
    news: Vectors,
    asking: Vectors,
    phrases: Sequence[Vectors],
    distractors: NDArray[np.float32],
    background: Background,
    texts: Closeness,
) -> None:
    """Fit the curve of lines on the first 500 sentences, in libraries of 50, 125 and 1,125 lines.

    Args:
        report: takes it, and what it and others tell of the other half of those sentences.
        news: vectors of all sentences by language.
        asking: the same as queries of lines.
        phrases: parts of the first of them, likewise; in libraries of 40 and 1,040 lines.
        distractors: other lines of the largest library.
        background: of the scales.
        texts: how close a query and a line are.
    """
    halves = []
    for start in (0, 250):
        whole, some = slice(start, start + 250), slice(start, start + 100)
        further = slice(start + 100, start + 200)  # small libraries count as much as large ones
        libraries = (
            (whole, distractors),
            *((part, distractors[:0]) for part in (whole, some, further)),
        )
        halves.append(
            joined(
                asked_of_lines(tag, news, asking, *library, background)
                for tag in STUDY_LANGUAGES
                for library in libraries
            )
        )

    def passed_by(others: float) -> Tells:
        def tells(asked: Asked, weights: NDArray[np.float64]) -> NDArray[np.float64]:
            intercept, own, *close = weights
            curve = LineCurve(intercept, own, *close, *[0.0] * (1 - len(close)), LINES.unknown, others)
            return curve.weigh(asked.bare, asked.own, texts.of(asked.cosines))

        return tells

    for place, start in enumerate((0, PHRASED // 2)):
        part = slice(start, start + PHRASED // 2)
        shorter = joined(
            asked_of_lines(tag, news, asked, part, others, background)
            for tag in STUDY_LANGUAGES
            for asked in phrases
            for others in (distractors[:0], distractors)
        )
        count = SHARE_OF_PHRASES / (1 - SHARE_OF_PHRASES) * len(halves[place].right) / len(shorter.right)
        shorter = replace(shorter, counts=count * shorter.counts)
        halves[place] = joined([halves[place], shorter])
    both, one = np.array([-10.0, 1.0, 18.0]), np.array([-4.0, 1.0])
    name = "own scale and closeness"
    show_fit(
        report,
        "Lines",
        halves,
        {
            f"{name}, passed by {LINES.others:g} (as searches do)": (passed_by(LINES.others), both),
            **{f"{name}, passed by {others}": (passed_by(others), both) for others in (0, 1, 4, 50)},
            "own scale, passed by 16 (as searches did)": (passed_by(16), one),
            "own scale": (lambda asked, weights: Curve(*weights).weigh(asked.own), one),
            "closeness": (lambda asked, weights: Curve(*weights).weigh(texts.of(asked.cosines)), one),
            "bare scale": (lambda asked, weights: Curve(*weights).weigh(asked.bare), one),
        },
    )


def fit_unknown(
    report: Report, news: Vectors, asking: Vectors, background: Background, texts: Closeness
) -> None:
    """What to take for a line's own scale where there are too few lines to tell: the first half says it."""
    asked = [asked_of_few(lines, range(500), news, asking, background) for lines in TOO_FEW]
    rows = []
    for unknown in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0):
        curve = replace(LINES, unknown=unknown)
        told = [told_of_lines(each, texts, curve) for each in asked]
        losses = [log_losses(those, each.right).mean() for those, each in zip(told, asked, strict=True)]
        rows.append([f"{unknown:.1f}", *(f"{loss:.3f}" for loss in losses), f"{np.mean(losses):.3f}"])
    title = "Libraries of 1 to 4 lines of the first half: log loss by what is taken for their own scale"
    report.table(title, ["taken for it", *(f"{lines} lines" for lines in TOO_FEW), "mean"], rows)


def fit_pictures(
    report: Report,
    news: Vectors,
    captions: Vectors,
    videos: NDArray[np.float32],
    background: Background,
) -> None:
    """Fit the curve of pictures on the first half of the videos.

    Args:
        report: takes it, and what other scales would tell.
        news, captions: vectors by language.
        videos: that half. The library holds those at even places, and for the other fold those at odd ones.
        background: of the scales.
    """
    count = len(videos)
    halves = []
    for first in (0, 1):
        news_rows = slice(600 + 100 * first, 600 + 100 * first + count // 2)
        asked = {
            tag: (
                (captions[tag][first:count], np.arange(count - first)),
                (news[tag][news_rows], np.full(count // 2, -1)),
            )
            for tag in STUDY_LANGUAGES
        }
        halves.append(
            joined(
                asked_of_pictures(texts, truth, videos[first:], background)
                for parts in asked.values()
                for texts, truth in parts
            )
        )
    start = np.array([-4.0, 1.0])
    show_fit(
        report,
        "Pictures",
        halves,
        {
            "bare scale (as searches do)": (lambda asked, weights: Curve(*weights).weigh(asked.bare), start),
            "own scale": (lambda asked, weights: Curve(*weights).weigh(asked.own), start),
            "the mean of both": (
                lambda asked, weights: Curve(*weights).weigh((asked.bare + asked.own) / 2),
                start,
            ),
            "bare scale, under a ceiling": (
                lambda asked, weights: (
                    -np.log1p(-np.clip(weights[2], 0, 1) * -np.expm1(-Curve(*weights[:2]).weigh(asked.bare)))
                ),
                np.array([-3.0, 0.5, 0.5]),
            ),
        },
    )


def show_fit(
    report: Report, kind: str, halves: Sequence[Asked], curves: Mapping[str, tuple[Tells, Weights]]
) -> None:
    """A table of curves: fitted on both halves, and the log loss of each half by the other's fit.

    Args:
        report: takes it.
        kind: of what is told.
        halves: of the queries that they are fitted on.
        curves: name -> what makes queries and its numbers into weights of evidence, and where to begin.
    """

    def loss(asked: Asked, tells: Tells, weights: Weights) -> float:
        losses = log_losses(-np.expm1(-tells(asked, weights)), asked.right)
        return float(np.average(losses, weights=asked.counts))

    def fitted(asked: Asked, tells: Tells, start: Weights) -> Weights:
        return minimize(lambda weights: loss(asked, tells, weights), start, method="Nelder-Mead").x

    rows = []
    for name, (tells, start) in curves.items():
        best = fitted(joined(halves), tells, start)
        others = [loss(told, tells, fitted(known, tells, start)) for known, told in (halves, halves[::-1])]
        rows.append([name, ", ".join(f"{each:.2f}" for each in best), f"{np.mean(others):.3f}"])
    share = np.mean([each.right.mean() for each in halves])
    rows.append(
        [
            "the share that is right",
            "",
            f"{-(share * np.log(share) + (1 - share) * np.log1p(-share)):.3f}",
        ]
    )
    queries = sum(len(each.right) for each in halves)
    report.table(
        f"{kind}, fitted on {queries:,} queries",
        ["", "intercept, slopes", "log loss of the other half"],
        rows,
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """Queries of a library.

    Attributes:
        cosines: (queries,) of the best match.
        bare, own: (queries,) how far it stands out.
        right: (queries,) whether it is the query's own.
        there: (queries,) whether that is in the library.
        counts: (queries,) how much it counts in a fit.
    """

    cosines: NDArray[np.float32]
    bare: NDArray[np.float32]
    own: NDArray[np.float32]
    right: NDArray[np.bool_]
    there: NDArray[np.bool_]
    counts: NDArray[np.float64]


def joined(parts: Iterable[Asked]) -> Asked:
    """Queries of several libraries."""
    every = list(parts)
    return Asked(*(np.concatenate([getattr(each, one.name) for each in every]) for one in fields(Asked)))


Tells = Callable[[Asked, Weights], Weights]


def asked_of(
    asked: NDArray[np.float32], truth: NDArray[np.int64], rows: NDArray[np.float32], background: Background
) -> Asked:
    """Ask a library.

    Args:
        asked: (queries, dim).
        truth: (queries,) row of each query's own item, -1 where it is not there.
        rows: (rows, dim) the library.
        background: of its scale.
    """
    scale = scale_among(rows, background)
    scores = asked @ rows.T
    best, found = scores.max(axis=1), scores.argmax(axis=1)
    stands_out = scale.deviations(best), scale.own_deviations(asked, best)
    return Asked(best, *stands_out, found == truth, truth >= 0, np.ones(len(best)))


def scale_among(rows: NDArray[np.float32], background: Background) -> Scale:
    """The scale of a library, which queries of several languages ask."""
    key = id(background), hashlib.sha256(np.ascontiguousarray(rows)).hexdigest()
    if key not in _scales:
        scale, _ = scale_of(rows, background)
        assert scale is not None
        _scales[key] = scale
    return _scales[key]


def asked_of_lines(
    tag: str,
    news: Vectors,
    asking: Vectors,
    rows: slice,
    distractors: NDArray[np.float32],
    background: Background,
) -> Asked:
    """Ask sentences of a library that holds the first half of them in another language.

    Args:
        tag: of the queries; the lines are English, or German if the queries are English.
        news: vectors of all sentences by language.
        asking: the same, or parts of them, as queries of lines.
        rows: the sentences to ask.
        distractors: other lines of the library.
        background: of its scale.
    """
    asked, lines = asking[tag][rows], news["de" if tag == "en" else "en"][rows]
    held = len(asked) // 2
    truth = np.where(np.arange(len(asked)) < held, np.arange(len(asked)), -1)
    return asked_of(asked, truth, np.concatenate([lines[:held], distractors]), background)


def asked_of_pictures(
    asked: NDArray[np.float32], own: NDArray[np.int64], videos: NDArray[np.float32], background: Background
) -> Asked:
    """Ask texts of a library that holds every second video.

    Args:
        asked: (queries, dim).
        own: (queries,) each query's own video, -1 if it has none.
        videos: (videos, dim) of which the library holds those at even places.
        background: of its scale.
    """
    truth = np.where((own >= 0) & (own % 2 == 0), own // 2, -1)
    return asked_of(asked, truth, videos[::2], background)


def calibration_error(told: NDArray[np.float64], right: NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error: in bins of equal width, what was told against what was right."""
    place = np.minimum((told * bins).astype(int), bins - 1)
    return float(sum(abs((told - right)[place == each].sum()) for each in range(bins)) / max(len(told), 1))


def error_by_chance(told: NDArray[np.float64], seed: int, draws: int = 1_000) -> float:
    """Error that one draw in twenty of what was told exceeds, were it told truly."""
    rng = np.random.default_rng(seed)
    found = [calibration_error(told, rng.random(len(told)) < told) for _ in range(draws)]
    return float(np.percentile(found, 95))


def passing(told: list[NDArray[np.float64]]) -> float:
    """Share of all that are at least a fair match."""
    return float((np.concatenate(told) >= FAIR).mean())


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
