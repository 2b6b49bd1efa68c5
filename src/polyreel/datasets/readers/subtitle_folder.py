"""Anyone's own subtitles: a folder of WebVTT, SubRip or ASS files, with or without the videos they belong to.

``talk.en.vtt`` and ``talk.de.srt`` are tracks of ``talk``, whether or not a ``talk.mp4`` lies beside them;
tracks inside a video count as well. All languages of a video are aligned by time (see ``aligning``). A
video is named by its path below the folder, without ending.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from polyreel.datasets.how2.aligning import AlignmentReport, align_video
from polyreel.datasets.how2.tracks import VideoTracks, tracks_of
from polyreel.datasets.records import Stream, VideoFile
from polyreel.errors import DatasetError
from polyreel.languages import parse_tag
from polyreel.media.subtitles import SIDECAR_SUFFIXES, read_sidecars, read_subtitles
from polyreel.media.suffixes import VIDEO_SUFFIXES
from polyreel.problems import Problems

__all__ = ["subtitle_records", "subtitle_videos"]

# What else stands between a video's name and the ending: "talk.en.forced.srt".
_FLAGS = {"auto", "cc", "default", "forced", "hi", "sdh"}


def subtitle_records(
    folder: Path, *, report: AlignmentReport | None = None, problems: Problems | None = None
) -> Stream:
    """Clips of all videos in the folder and below it, in order of their names.

    Args:
        folder: as described above.
        report: filled, if coverage and overlap are wanted.
        problems: told of files that cannot be read.

    Raises:
        DatasetError: there is no subtitle file and no video.
    """
    report, problems = report or AlignmentReport(), problems if problems is not None else Problems()
    for video in subtitle_videos(folder, problems):
        yield from problems.drain()
        yield from align_video(video, report)
    yield from problems.drain()


def subtitle_videos(folder: Path, problems: Problems) -> Iterator[VideoTracks]:
    """Every video with its tracks; ``problems`` is told of those that have none."""
    names = _names(folder)
    if not names:
        raise DatasetError(
            "there are no subtitles",
            item=folder,
            remedy=f"Put <video>.<language>.vtt, or one of {', '.join(SIDECAR_SUFFIXES)}, into the folder",
        )
    for name in sorted(names):
        path = names[name]
        nominal = path or folder / f"{name}.mp4"
        tracks, failures = read_subtitles(path) if path is not None else read_sidecars(nominal)
        for failure in failures:
            problems.leave_out("subtitles cannot be read", item=name, value=failure)
        found = tracks_of((track.captions for track in tracks), "found")
        if found:
            yield VideoTracks(name, found, VideoFile(path.absolute()) if path is not None else None)
        elif not failures:
            problems.leave_out("a video has no subtitles", item=name)


def _names(folder: Path) -> dict[str, Path | None]:
    """Name of a video -> its file, None if only subtitles are there."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    found: dict[str, Path | None] = {}
    for path in files:
        if path.suffix.lower() in VIDEO_SUFFIXES:
            found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
    for path in files:
        if path.suffix.lower() in SIDECAR_SUFFIXES:
            name = path.relative_to(folder).with_suffix("").as_posix()
            parts = name.split(".")
            owners = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
            if not any(owner in found and found[owner] is not None for owner in owners):
                found.setdefault(_without_marks(name), None)
    return found


def _without_marks(name: str) -> str:
    head, _, last = name.rpartition(".")
    marked = head and (last.lower() in _FLAGS or parse_tag(last) is not None)
    return _without_marks(head) if marked else name
