"""Build Multi-HowTo100M anew: tracks of many videos -> clips with a caption in each language.

The paper took uploaded subtitles where they existed, else recognised speech, and translated what was
missing. So does this, with what is at hand: subtitle tracks beside and inside videos, on their platform, or
in ``how2_[lang].json`` files; then boiler-plate and lines in another language are dropped, missing
languages are translated by a plug-in, and all is aligned by time.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from polyreel.datasets.how2.aligning import AlignmentReport, align_video
from polyreel.datasets.how2.building.collecting import Downloader, VideoSource, collect
from polyreel.datasets.how2.building.filtering import filtered
from polyreel.datasets.how2.building.plugins import Recogniser, Translator
from polyreel.datasets.how2.building.state import FinishedVideo, WorkFolder
from polyreel.datasets.how2.tracks import Track, VideoTracks
from polyreel.datasets.records import Record, VideoFile
from polyreel.errors import PolyreelError
from polyreel.languages import STUDY_LANGUAGES, in_study_order
from polyreel.problems import Missing, Problems

__all__ = ["BuildProgress", "BuildReport", "Plugins", "build_captions", "build_videos"]


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """How far a build is.

    Attributes:
        done, total: videos; the total is None where it is not known.
        video: the last one.
        left_s: seconds that the rest should take, None while that cannot be told.
    """

    done: int
    total: int | None
    video: str
    left_s: float | None


OnProgress = Callable[[BuildProgress], None]


@dataclass(slots=True)
class BuildReport:
    """What came of a build.

    Attributes:
        alignment: coverage and overlap of each language.
        dropped: language -> reason -> lines that were dropped before the alignment.
        lines: language -> how its lines came about -> how many.
        resumed: videos that an earlier run had finished.
        problems: what went wrong and was passed over.
    """

    alignment: AlignmentReport = field(default_factory=AlignmentReport)
    dropped: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    lines: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    resumed: int = 0
    problems: Problems = field(default_factory=Problems)

    def document(self) -> dict[str, object]:
        """The report as JSON has it."""
        return {
            "videos": self.alignment.videos,
            "clips": self.alignment.clips,
            "resumed": self.resumed,
            "languages": self.alignment.summary(),
            "dropped": {tag: dict(self.dropped[tag]) for tag in in_study_order(self.dropped)},
            "lines": {tag: dict(self.lines[tag]) for tag in in_study_order(self.lines)},
            "problems": dict(self.problems.counts),
            "examples": [str(problem) for problem in self.problems.examples],
        }

    def note(self, finished: FinishedVideo) -> None:
        """Add what came of one video."""
        for tag, reasons in finished.dropped.items():
            self.dropped[tag].update(reasons)
        for tag, track in finished.tracks.items():
            self.lines[tag][track.sample_creation] += len(track)


@dataclass(frozen=True, slots=True)
class Plugins:
    """What fills the gaps; none is needed.

    Attributes:
        translator: fills languages that a video lacks, from its anchor.
        recogniser: takes down the speech of videos without any subtitle.
        downloader: fetches subtitles of videos that only their platform has.
    """

    translator: Translator | None = None
    recogniser: Recogniser | None = None
    downloader: Downloader | None = None


def build_captions(
    videos: Iterable[VideoTracks],
    report: BuildReport,
    *,
    languages: Sequence[str] = STUDY_LANGUAGES,
    translator: Translator | None = None,
    media: Mapping[str, Path] | None = None,
    on_progress: OnProgress | None = None,
    total: int | None = None,
) -> Iterator[Record | Missing]:
    """Clips of videos whose tracks are known, such as those of ``how2.How2Files``.

    Args:
        videos: what is said in each.
        report: filled.
        languages: BCP-47 tags, others are passed over; the first is the anchor.
        translator: fills missing languages.
        media: video id -> its file, where it is there.
        on_progress: told after each video.
        total: how many videos there are.
    """
    clock = _Clock(on_progress, total)
    for video in videos:
        tracks = {tag: track for tag, track in video.tracks.items() if tag in languages}
        finished = _finish(video.video, tracks, report.problems, languages, translator)
        path = (media or {}).get(video.video)
        file = VideoFile(path) if path is not None else video.media
        yield from _clips(VideoTracks(video.video, finished.tracks, file), finished, report, languages)
        clock.finished(video.video)
    yield from report.problems.drain()


def build_videos(
    sources: Sequence[VideoSource],
    work: Path,
    report: BuildReport,
    *,
    languages: Sequence[str] = STUDY_LANGUAGES,
    plugins: Plugins = Plugins(),
    on_progress: OnProgress | None = None,
) -> Iterator[Record | Missing]:
    """Clips of the videos. Each is noted in ``work`` when it is finished, so a second run goes on from there.

    A video for which anything failed is used as far as it goes, and tried again by the next run.

    Args:
        sources: from ``listed_videos``.
        work: folder of what is finished; it can be deleted at any time.
        report: filled.
        languages: BCP-47 tags; the first is the anchor.
        plugins: what fills the gaps.
        on_progress: told after each video.
    """
    folder = WorkFolder(work, [languages, plugins])
    clock = _Clock(on_progress, len(sources))
    for source in sources:
        try:
            fingerprint = source.fingerprint()
        except OSError as error:
            report.problems.leave_out("a video cannot be read", item=source.path, value=error.strerror)
            continue
        finished = folder.load(source.video, fingerprint)
        if finished is not None:
            report.resumed += 1
            clock.passed()
        else:
            finished = _built(source, folder, fingerprint, report.problems, languages, plugins)
            clock.finished(source.video)
        file = VideoFile(source.path) if source.path is not None else None
        yield from _clips(VideoTracks(source.video, finished.tracks, file), finished, report, languages)
    yield from report.problems.drain()


def _built(
    source: VideoSource,
    folder: WorkFolder,
    fingerprint: Sequence[object],
    problems: Problems,
    languages: Sequence[str],
    plugins: Plugins,
) -> FinishedVideo:
    before = len(problems)
    tracks = collect(
        source,
        problems,
        languages=languages,
        downloader=plugins.downloader,
        recogniser=plugins.recogniser,
    )
    finished = _finish(source.video, tracks, problems, languages, plugins.translator)
    if len(problems) == before:  # nothing failed
        folder.store(source.video, fingerprint, finished)
    return finished


def _finish(
    video: str,
    tracks: Mapping[str, Track],
    problems: Problems,
    languages: Sequence[str],
    translator: Translator | None,
) -> FinishedVideo:
    """The tracks without useless lines, and missing ones translated."""
    kept, dropped = {}, {}
    for tag, track in tracks.items():
        rest, reasons = filtered(track, tag)
        if reasons:
            dropped[tag] = reasons
        if len(rest):
            kept[tag] = rest
    anchor = next((tag for tag in languages if tag in kept), None)
    if translator is not None and anchor is not None:
        for tag in languages:
            if tag in kept:
                continue
            try:
                track = _translated(kept[anchor], translator, source=anchor, target=tag)
            except PolyreelError as error:
                problems.add("a language is not translated", item=video, value=f"{tag}: {error}")
            else:
                kept[tag] = track
    return FinishedVideo({tag: track for tag, track in kept.items() if len(track)}, dropped)


def _translated(track: Track, translator: Translator, *, source: str, target: str) -> Track:
    texts = translator.translate(track.texts, source=source, target=target)
    given = Track(texts, track.starts_s, track.ends_s, "machine-translated")
    return given.keep(bool(text) for text in texts)


def _clips(
    video: VideoTracks, finished: FinishedVideo, report: BuildReport, languages: Sequence[str]
) -> Iterator[Record | Missing]:
    report.note(finished)
    records = align_video(video, report.alignment, anchor=languages[0])
    if not records:
        report.problems.leave_out("a video has no captions", item=video.video)
    yield from report.problems.drain()
    yield from records


class _Clock:
    """Tells how long the rest should take, from what the videos of this run took."""

    def __init__(self, on_progress: OnProgress | None, total: int | None) -> None:
        self._on_progress, self._total = on_progress, total
        self._began_s = time.monotonic()
        self._done = self._passed = 0

    def passed(self) -> None:
        """A video needed nothing."""
        self._done += 1
        self._passed += 1

    def finished(self, video: str) -> None:
        """A video was built."""
        self._done += 1
        if self._on_progress is None:
            return
        left_s = None
        if self._total is not None:
            each_s = (time.monotonic() - self._began_s) / (self._done - self._passed)
            left_s = each_s * max(0, self._total - self._done)
        self._on_progress(BuildProgress(self._done, self._total, video, left_s))
