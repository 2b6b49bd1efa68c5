"""Lines of a video as WebVTT, the subtitles of browsers (https://www.w3.org/TR/webvtt1/)."""

from __future__ import annotations

from collections.abc import Iterable

from polyreel.library.results import LibraryLine

__all__ = ["webvtt"]

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def webvtt(lines: Iterable[LibraryLine], *, shift_s: float = 0.0) -> str:
    """A WebVTT file of lines.

    Args:
        lines: by time.
        shift_s: second of the video at which the stream begins that the file is for; what ends before it is
            left out.
    """
    cues = ["WEBVTT\n"]
    for line in lines:
        start_s, end_s = max(0.0, line.start_s - shift_s), line.end_s - shift_s
        # An empty row would end the cue.
        rows = [row.strip().translate(_ESCAPES) for row in line.text.splitlines() if row.strip()]
        if rows and end_s > start_s:
            cues.append(f"{_stamp(start_s)} --> {_stamp(end_s)}\n" + "\n".join(rows) + "\n")
    return "\n".join(cues)


def _stamp(seconds: float) -> str:
    minutes, rest = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
