"""Where a line comes from: subtitles, speech that was recognised, or text that was read on the screen.

The column ``source`` of a library's lines says so: ``SPEECH`` or ``SCREEN`` for what was recognised, else
where the subtitles stand, such as the name of the file beside the video or "track 2". The name of a subtitle
file has an ending, so that none is one of these words.
"""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["LINE_KINDS", "SCREEN", "SPEECH", "LineKind", "line_kind"]

LineKind = Literal["subtitles", "speech", "screen"]
LINE_KINDS: tuple[LineKind, ...] = get_args(LineKind)
SPEECH: LineKind = "speech"
SCREEN: LineKind = "screen"


def line_kind(source: str) -> LineKind:
    """The kind of a line, given its ``source``."""
    return SPEECH if source == SPEECH else SCREEN if source == SCREEN else "subtitles"
