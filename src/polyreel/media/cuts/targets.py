"""Files that a cut can be written to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from polyreel.errors import UnknownNameError, UsageError

__all__ = ["CUT_SUFFIXES", "CutTarget", "target_of"]


@dataclass(frozen=True, slots=True)
class CutTarget:
    """A container.

    Attributes:
        muxer: FFmpeg's name of it.
        codecs: what it holds of pictures and sound; empty where FFmpeg knows.
        pictures: codec of pictures that it does not hold as they are.
        subtitles: codecs of subtitle text that it holds; the first is what others are turned into.
        trims: whether it can say that sound begins in the middle of a packet.
    """

    muxer: str
    codecs: frozenset[str] = frozenset()
    pictures: str = "h264"
    subtitles: tuple[str, ...] = ()
    trims: bool = False


_OF_TRANSPORT_STREAMS = frozenset(
    {"aac", "ac3", "eac3", "h264", "hevc", "mp2", "mp3", "mpeg1video", "mpeg2video", "mpeg4", "opus"}
)
_TARGETS: Mapping[str, CutTarget] = {
    ".m4v": CutTarget("mp4", subtitles=("mov_text",), trims=True),
    ".mkv": CutTarget("matroska", subtitles=("subrip", "ass", "webvtt")),
    ".mov": CutTarget("mov", subtitles=("mov_text",), trims=True),
    ".mp4": CutTarget("mp4", subtitles=("mov_text",), trims=True),
    ".ts": CutTarget("mpegts", _OF_TRANSPORT_STREAMS),
    ".webm": CutTarget("webm", pictures="vp9", subtitles=("webvtt",)),
}
CUT_SUFFIXES = frozenset(_TARGETS)
# AVI, program streams and others have no times, or none that all players read in the same way.
_WITHOUT_TIMES = frozenset({".avi", ".mpg", ".mpeg", ".vob", ".flv", ".wmv", ".asf", ".ogv", ".ogm", ".divx"})


def target_of(path: Path) -> CutTarget:
    """The container that the suffix of a file asks for.

    Raises:
        UsageError: polyreel writes no such file.
    """
    suffix = path.suffix.lower()
    if suffix in _WITHOUT_TIMES:
        raise UsageError(
            "a cut is not written to this kind of file, which does not keep exact times",
            item=path,
            value=suffix,
            remedy="Name it .mkv, which holds every codec, or .mp4",
        )
    if suffix not in _TARGETS:
        raise UnknownNameError("kind of file for a cut", suffix or path.name, CUT_SUFFIXES)
    return _TARGETS[suffix]
