"""Behind ``polyreel data build how2``: caption files, videos or both -> one table and a report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from polyreel.datasets.how2.building.collecting import VideoSource, listed_videos
from polyreel.datasets.how2.building.pipeline import (
    BuildProgress,
    BuildReport,
    Plugins,
    build_captions,
    build_videos,
)
from polyreel.datasets.how2.reader import How2Files, find_how2
from polyreel.datasets.records import Record
from polyreel.datasets.store.manifest import DataSource, Manifest
from polyreel.datasets.store.table_writer import write_table
from polyreel.errors import DatasetError, UsageError
from polyreel.languages import STUDY_LANGUAGES
from polyreel.problems import Missing

__all__ = ["REPORT_FILE", "How2Plan", "build_how2", "how2_records"]

REPORT_FILE = "build.json"
"""In the folder of the table: coverage by language, what was dropped, what went wrong."""

_WORK = "work"
_CAPTIONS_LICENCE = "captions: the terms of their authors and platform; HowTo100M: research use"
_ORIGIN = "Huang et al., Multi-HowTo100M, NAACL 2021"

Labels = Literal["name", "detected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class How2Plan:
    """What to build from.

    Attributes:
        captions: folder of ``how2_[lang].json``.
        videos: files, folders, ``.txt`` lists and platform ids. A video that the caption files know is not
        searched
            for subtitles: it gives its clips their pictures.
        languages: BCP-47 tags; the first is the anchor of the alignment.
        labels: what decides the language of a caption file: its name, or what is detected in it.
        plugins: what fills the gaps of videos, and the languages that are missing in caption files.
    """

    captions: Path | None = None
    videos: Sequence[Path] = ()
    languages: tuple[str, ...] = STUDY_LANGUAGES
    labels: Labels = "name"
    plugins: Plugins = field(default_factory=Plugins)


def build_how2(
    out: Path,
    plan: How2Plan,
    *,
    on_progress: Callable[[BuildProgress], None] | None = None,
) -> tuple[Manifest, BuildReport]:
    """Build the table; one that is there is replaced once the new one is complete.

    Finished videos are noted in ``out/work``, so that a run that was stopped goes on; the folder can be
    deleted.

    Args:
        out: folder of the table.
        plan: what to build from.
        on_progress: told after each video.

    Raises:
        UsageError: the plan names neither captions nor videos.
        DatasetError: a file cannot be read, something is no video, or no clip comes out.
    """
    if plan.captions is None and not plan.videos:
        raise UsageError(
            "there is nothing to build from",
            remedy="Name a folder of how2_[lang].json with --captions, or videos with --videos",
        )
    report = BuildReport()
    records = _records(plan, out / _WORK, report, on_progress)
    try:
        manifest = write_table(out, records, name="how2", sources=_sources(plan))
    except DatasetError as error:
        if report.alignment.clips or not report.problems.examples:
            raise
        # Why there is nothing is known better here than where the table is written.
        first = report.problems.examples[0]
        raise DatasetError("not one clip came out", value=first) from error
    partial = out / f".{REPORT_FILE}.partial"
    partial.write_text(json.dumps(report.document(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    partial.replace(out / REPORT_FILE)
    return manifest, report


def how2_records(folder: Path) -> Iterator[Record | Missing]:
    """Clips of the caption files in ``folder``, as ``build_how2`` makes them by default.

    Raises:
        DatasetError: there are none.
    """
    return _records(How2Plan(captions=folder), folder, BuildReport(), None)


def _records(
    plan: How2Plan, work: Path, report: BuildReport, on_progress: Callable[[BuildProgress], None] | None
) -> Iterator[Record | Missing]:
    sources = {source.video: source for source in listed_videos(plan.videos, report.problems)}
    if plan.captions is not None:
        files = How2Files(find_how2(plan.captions, report.problems), report.problems)
        other = files.detected()
        if plan.labels == "detected":
            files.relabel(other)
        yield from build_captions(
            files.videos(),
            report,
            languages=plan.languages,
            translator=plan.plugins.translator,
            media=_files_of(sources),
            on_progress=on_progress,
            total=len(files),
        )
        sources = {video: source for video, source in sources.items() if video not in files}
    if sources:
        yield from build_videos(
            list(sources.values()),
            work,
            report,
            languages=plan.languages,
            plugins=plan.plugins,
            on_progress=on_progress,
        )


def _files_of(sources: Mapping[str, VideoSource]) -> dict[str, Path]:
    return {video: source.path for video, source in sources.items() if source.path is not None}


def _sources(plan: How2Plan) -> list[DataSource]:
    sources = []
    if plan.captions is not None:
        sources.append(
            DataSource(name=str(plan.captions.absolute()), licence=_CAPTIONS_LICENCE, origin=_ORIGIN)
        )
    if plan.videos:
        given = ", ".join(map(str, plan.videos[:3])) + (", .." if len(plan.videos) > 3 else "")
        sources.append(
            DataSource(name=given, licence="videos: the terms of their authors", origin="subtitles")
        )
    return sources
