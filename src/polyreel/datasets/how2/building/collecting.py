"""Which videos to build from, and the subtitle tracks that each of them has."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from polyreel.clips import Caption, SampleCreation
from polyreel.datasets.how2.building.downloading import is_platform_id
from polyreel.datasets.how2.building.plugins import Recogniser
from polyreel.datasets.how2.tracks import Track, tracks_of
from polyreel.datasets.reading import read_lines
from polyreel.errors import DatasetError, PolyreelError
from polyreel.media.subtitles import read_sidecars, read_subtitles, sidecars
from polyreel.media.suffixes import VIDEO_SUFFIXES
from polyreel.problems import Problems

__all__ = ["Downloader", "VideoSource", "collect", "listed_videos"]

_LIST_SUFFIX = ".txt"


class Downloader(Protocol):
    """Fetches subtitle files of a video on a platform: ``YtDlp``."""

    def fetch(self, video: str, folder: Path, *, languages: Sequence[str]) -> None:
        """Write ``<video>.<language>.vtt`` and the like into ``folder``, or raise ``DatasetError``.

        Args:
            video: its id on the platform.
            folder: where the files go.
            languages: BCP-47 tags of the subtitles that are wanted.
        """
        ...


@dataclass(frozen=True, slots=True)
class VideoSource:
    """A video to build from.

    Attributes:
        video: its id: a file's name without ending, or the id on its platform.
        path: the file, None if only the platform has it.
    """

    video: str
    path: Path | None

    def fingerprint(self) -> list[object]:
        """Changes when the video's file or a subtitle file beside it does."""
        files = [] if self.path is None else [self.path, *sidecars(self.path)]
        return [self.video, *([str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files)]


def listed_videos(given: Iterable[Path], problems: Problems) -> list[VideoSource]:
    """The videos that are meant: files, all in a folder and below it, those of a ``.txt`` list, platform ids.

    A list has a path (relative to the list's folder) or a platform id a line. Of two videos with one name the
    second is left out and reported.

    Raises:
        DatasetError: something is neither; the message names it.
    """
    found: dict[str, VideoSource] = {}
    for path in given:
        for source in _meant(path):
            first = found.setdefault(source.video, source)
            if first != source:
                problems.leave_out(
                    "two videos have the same name", item=source.path, value=first.path, remedy="Rename one"
                )
    return list(found.values())


def _meant(path: Path) -> Iterator[VideoSource]:
    if path.is_dir():
        files = (file for file in sorted(path.rglob("*")) if file.suffix.lower() in VIDEO_SUFFIXES)
        yield from (VideoSource(file.stem, file.absolute()) for file in files if file.is_file())
    elif path.is_file() and path.suffix.lower() == _LIST_SUFFIX:
        for number, line in enumerate(read_lines(path), 1):
            if text := line.strip():
                yield _one(path.parent / text, text, f"{path}, line {number}")
    else:
        yield _one(path, str(path), str(path))


def _one(path: Path, text: str, where: str) -> VideoSource:
    if path.is_file():
        return VideoSource(path.stem, path.absolute())
    if is_platform_id(text):
        return VideoSource(text, None)
    raise DatasetError(
        "neither a video file nor a platform's id",
        item=where,
        value=text,
        remedy="Name files, folders, ids of eleven characters, or a .txt with one of these a line",
    )


def collect(
    source: VideoSource,
    problems: Problems,
    *,
    languages: Sequence[str],
    downloader: Downloader | None = None,
    recogniser: Recogniser | None = None,
) -> dict[str, Track]:
    """Language -> track: what is beside the video, inside it, or on its platform; else what is heard in it.

    Regional variants count as their language. Of several tracks in one language the longest is taken.
    Speech is recognised only where there is no subtitle at all.

    Args:
        source: the video.
        problems: told of what cannot be read.
        languages: BCP-47 tags that are wanted.
        downloader: fetches subtitles of a video on a platform, where there is one.
        recogniser: takes down speech where there is no subtitle.
    """
    captions = _found(source, problems, languages, downloader)
    creation: SampleCreation = "found"
    if not captions and recogniser is not None and source.path is not None:
        try:
            captions, creation = [tuple(recogniser.transcribe(source.path))], "transcribed"
        except PolyreelError as error:
            problems.add("speech is not recognised", item=source.path, value=error)
    return {tag: track for tag, track in tracks_of(captions, creation).items() if tag in languages}


def _found(
    source: VideoSource, problems: Problems, languages: Sequence[str], downloader: Downloader | None
) -> list[tuple[Caption, ...]]:
    if source.path is not None:
        tracks, failures = read_subtitles(source.path)
        for failure in failures:
            problems.add("subtitles cannot be read", item=source.path, value=failure)
        return [track.captions for track in tracks]
    if downloader is None:
        problems.add("a video is on its platform only, and downloading is off", item=source.video)
        return []
    with tempfile.TemporaryDirectory(prefix="polyreel-subtitles-") as private:
        try:
            downloader.fetch(source.video, Path(private), languages=languages)
        except DatasetError as error:
            problems.add("subtitles cannot be downloaded", item=source.video, value=error)
            return []
        tracks, failures = read_sidecars(Path(private) / f"{source.video}.mp4")
    for failure in failures:
        problems.add("subtitles cannot be read", item=source.video, value=failure)
    return [track.captions for track in tracks]
