"""What became of the videos of a library where lines were to be made of what is said or shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from polyreel.library.line_kinds import SPEECH, LineKind
from polyreel.library.results import LibraryResult, Seconds
from polyreel.library.store.tables import FAILED, OK, PARTIAL, SPARED
from polyreel.media.health import Health

__all__ = [
    "RECOGNISED_COLUMNS",
    "FileProblem",
    "RecognisedHealth",
    "VideoRecognition",
    "holds_sound",
    "recognised_health",
    "video_recognition",
]

RECOGNISED_COLUMNS = ["video", "source", "engine", "status", "until_s", "message"]
"""Columns of the table of what is recognised that these functions need."""

State = Literal["done", "spared", "half", "failed", "waiting", "silent"]
_STATES: Mapping[str, State] = {OK: "done", SPARED: "spared", PARTIAL: "half", FAILED: "failed"}


class FileProblem(LibraryResult):
    """A file that was left out, or read in part."""

    path: str
    status: str
    message: str


class RecognisedHealth(LibraryResult):
    """What was heard in the videos, or read in their pictures.

    Attributes:
        heard: engine -> videos that it heard to their end.
        lines: of it.
        spared: videos that were not heard to their end because their subtitles say the same.
        half_heard: paths of videos that a run did not hear to their end, and that the next one goes on with.
        unheard: paths of videos with sound, or that may have some, which nobody has listened to.
        failed: files that could not be heard; their pictures are searched.
    """

    heard: Mapping[str, int] = {}
    lines: int = 0
    spared: int = 0
    half_heard: tuple[str, ...] = ()
    unheard: tuple[str, ...] = ()
    failed: tuple[FileProblem, ...] = ()


class VideoRecognition(LibraryResult):
    """What was heard in one video, or read in its pictures.

    Attributes:
        source: which of the two.
        state: "done", "spared" because its subtitles say the same, "half" up to ``until_s``, "failed",
            "waiting" for a run that does it, or "silent" where there is no sound to hear.
        engine: what recognised it; empty where nothing has.
        until_s: up to where, seconds from the start of the video; 0 where nothing has.
        message: why it failed.
        lines: BCP-47 tag -> lines that were found.
    """

    source: LineKind
    state: State
    engine: str = ""
    until_s: Seconds = 0.0
    message: str = ""
    lines: Mapping[str, int] = {}


def recognised_health(
    source: LineKind,
    files: Iterable[Mapping[str, Any]],
    recognised: Iterable[Mapping[str, Any]],
    *,
    lines: int,
) -> RecognisedHealth:
    """What was heard or read in a library.

    Args:
        source: which of the two.
        files: rows of its files, by path.
        recognised: rows of what is recognised.
        lines: how many of this source there are.
    """
    rows = {row["video"]: row for row in recognised if row["source"] == source}
    # Of files with the same content the first one stands for all.
    first: dict[str, Mapping[str, Any]] = {}
    for file in files:
        if file["status"] == OK:
            first.setdefault(file["video"], file)
    videos: dict[State, list[str]] = {}
    for video, file in first.items():
        videos.setdefault(_state(source, file, rows.get(video)), []).append(video)

    def paths(state: State) -> tuple[str, ...]:
        return tuple(sorted(first[video]["path"] for video in videos.get(state, ())))

    return RecognisedHealth(
        heard=dict(Counter(rows[video]["engine"] for video in videos.get("done", ()))),
        lines=lines,
        spared=len(videos.get("spared", ())),
        half_heard=paths("half"),
        unheard=paths("waiting"),
        failed=tuple(
            FileProblem(path=first[video]["path"], status=FAILED, message=rows[video]["message"])
            for video in videos.get("failed", ())
        ),
    )


def holds_sound(files: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a video of a library is known to have sound.

    Args:
        files: rows of its files, with their ``status`` and ``health``.
    """
    return any(
        file["status"] == OK and (Health.model_validate_json(file["health"]).sound_tracks or 0) > 0
        for file in files
    )


def video_recognition(
    source: LineKind,
    file: Mapping[str, Any],
    row: Mapping[str, Any] | None,
    lines: Mapping[str, int],
) -> VideoRecognition:
    """What was heard or read in one video.

    Args:
        source: which of the two.
        file: the row of one of its files.
        row: of what is recognised of it from this source, if there is one.
        lines: BCP-47 tag -> its lines from this source.
    """
    state = _state(source, file, row)
    if row is None:
        return VideoRecognition(source=source, state=state)
    return VideoRecognition(
        source=source,
        state=state,
        engine=row["engine"],
        until_s=row["until_s"],
        message=row["message"],
        lines=lines,
    )


def _state(source: LineKind, file: Mapping[str, Any], row: Mapping[str, Any] | None) -> State:
    if row is not None:
        return _STATES[row["status"]]
    is_silent = source == SPEECH and Health.model_validate_json(file["health"]).sound_tracks == 0
    return "silent" if is_silent else "waiting"
