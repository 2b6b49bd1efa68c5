"""Recognised lines as subtitles, which any player shows."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Protocol

from polyreel.errors import UsageError
from polyreel.files import write_atomically
from polyreel.languages import UNKNOWN
from polyreel.recognition.protocol import RecognisedLine
from polyreel.remote.address import in_bucket

__all__ = [
    "SubtitleFormat",
    "TimedText",
    "as_documents",
    "beside",
    "main_language",
    "require_disk",
    "require_place",
    "subtitle_text",
    "write_subtitles",
]

SubtitleFormat = Literal["srt", "vtt", "json"]
# A player drops a line that is shown for no time.
_SHORTEST_MS = 200


class TimedText(Protocol):
    """A line as subtitles need it: a recognised one, or one of a library."""

    @property
    def text(self) -> str:
        """The words."""

    @property
    def start_s(self) -> float:
        """When it begins, seconds from the start of the video."""

    @property
    def end_s(self) -> float:
        """When it ends, the same."""

    @property
    def language(self) -> str:
        """BCP-47 tag, "und" where unknown."""


def subtitle_text(lines: Sequence[TimedText], format_: Literal["srt", "vtt"]) -> str:
    """Lines as the text of a SubRip or WebVTT file.

    Args:
        lines: in the order of time.
        format_: of the file.
    """
    import pysubs2

    file = pysubs2.SSAFile()
    for line in lines:
        start_ms = round(line.start_s * 1000)
        event = pysubs2.SSAEvent(start_ms, max(round(line.end_s * 1000), start_ms + _SHORTEST_MS))
        # Of SubRip nobody says how to write such a sign, and players show it as it is.
        event.plaintext = html.escape(line.text, quote=False) if format_ == "vtt" else line.text
        file.append(event)
    text = file.to_string(format_)
    return text if text.endswith("\n") else text + "\n"


def as_documents(lines: Sequence[RecognisedLine]) -> list[Mapping[str, Any]]:
    """Lines as JSON has them, times in seconds."""
    return [
        {
            **asdict(line),
            "start_s": round(line.start_s, 3),
            "end_s": round(line.end_s, 3),
            "confidence": round(line.confidence, 3),
        }
        for line in lines
    ]


def main_language(lines: Sequence[TimedText]) -> str:
    """BCP-47 tag of the language that most letters are in."""
    letters: dict[str, int] = {}
    for line in lines:
        letters[line.language] = letters.get(line.language, 0) + len(line.text)
    return max(letters, key=letters.__getitem__, default=UNKNOWN)


def beside(video: Path, language: str, format_: SubtitleFormat) -> Path:
    """Where players look for subtitles: ``talk.de.srt`` beside ``talk.mp4``.

    Args:
        video: the file.
        language: BCP-47 tag.
        format_: of the subtitles.
    """
    return video.with_name(f"{video.stem}.{language}.{format_}")


def require_disk(video: Path) -> None:
    """That something can be written beside a video, before it is fetched and heard.

    Raises:
        UsageError: it lies in a bucket.
    """
    if in_bucket(str(video)):
        raise UsageError(
            "nothing is written into a bucket",
            item=video,
            remedy="Leave out --beside and redirect the output to a file",
        )


def require_place(path: Path, *, overwrite: bool = False) -> None:
    """That a file can be written there, before anything is heard.

    Args:
        path: the file.
        overwrite: whether one that is there may be replaced.

    Raises:
        UsageError: there is one, which somebody may have written by hand, or no folder for it.
    """
    if os.path.lexists(path) and (path.is_dir() or not overwrite):
        kind = "folder" if path.is_dir() else "file"
        raise UsageError(
            f"a {kind} of this name is there and was left as it was",
            item=path,
            remedy="Rename or remove it, and run the command again",
        )
    if not path.parent.is_dir():
        raise UsageError("no folder to write the subtitles into", item=path.parent, remedy="Make it first")


def write_subtitles(path: Path, text: str, *, overwrite: bool = False) -> None:
    """Write a file.

    Args:
        path: the file.
        text: what stands in it.
        overwrite: whether one that is there may be replaced.

    Raises:
        UsageError: as ``require_disk`` and ``require_place``, or the folder cannot be written.
    """
    require_disk(path)
    require_place(path, overwrite=overwrite)
    try:
        write_atomically(path, text.encode("utf-8", "backslashreplace"))  # of a name that is no text
    except OSError as error:
        raise UsageError(
            "the subtitles cannot be written",
            item=path,
            value=error.strerror,
            remedy="Let them be printed instead, and redirect the output to a file",
        ) from error
