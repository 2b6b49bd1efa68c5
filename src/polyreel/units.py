"""Times, sizes, counts and foreign text as people read them."""

from __future__ import annotations

import math
import re

__all__ = ["clock", "clock_span", "count", "duration", "parse_clock", "printable", "size", "videos_in_files"]

_CLOCK = re.compile(r"(?:\d{1,6}:[0-5]?\d|\d{1,8}):[0-5]?\d(?:\.\d+)?|\d{1,9}(?:\.\d+)?")

# Control characters, Unicode's line ends, changes of the writing direction, and halves of characters (a name
# that is not text). Marks of direction without an embedding stay: Arabic and Hebrew are written with them.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str, *, keep: str = "") -> str:
    """Text that cannot command a terminal: what is not to be shown becomes an escape such as ``\\x1b``.

    Args:
        text: from a file name, a subtitle, a model's card, another server.
        keep: control characters that stay, such as line feeds.
    """
    return _UNSAFE.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def _escape(character: str) -> str:
    return {"\n": r"\n", "\r": r"\r", "\t": r"\t"}.get(
        character, character.encode("unicode_escape", "backslashreplace").decode()
    )


def clock(seconds: float, *, digits: int = 0) -> str:
    """A time within a video, or how long one is: 0:07, 12:30, 1:02:03.

    Rounded to the nearest second, or to that many digits of one: the same wherever it is shown.
    """
    rounded = round(seconds, digits) if digits else math.floor(seconds + 0.5)
    minutes, rest = divmod(rounded, 60)
    hours, minutes = divmod(int(minutes), 60)
    shown = f"{rest:0{3 + digits}.{digits}f}" if digits else f"{rest:02d}"
    return f"{hours}:{minutes:02d}:{shown}" if hours else f"{minutes}:{shown}"


def clock_span(start_s: float, end_s: float) -> tuple[str, str]:
    """Start and end of a moment as ``clock`` has them; the end is a second later at least."""
    return clock(start_s), clock(max(end_s, math.floor(start_s + 0.5) + 1))


def parse_clock(text: str) -> float:
    """Seconds of a time within a video, as ``clock`` writes it or as a number: 1:02:03.5, 0:07, 12.25.

    Raises:
        ValueError: it is written in another way.
    """
    if not _CLOCK.fullmatch(text):
        raise ValueError(f"{text!r} is not a time")
    seconds = 0.0
    for part in text.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def duration(seconds: float) -> str:
    """How long something takes: 90 s, 12 min, 3.4 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size(size_bytes: float) -> str:
    """Bytes: 12.3 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """A number of things: no clips, 1 clip, 1,200 clips.

    Args:
        number: How many.
        noun: One of them.
        plural: Several of them; by default the noun with an s.
    """
    return f"{f'{number:,}' if number else 'no'} {noun if number == 1 else plural or noun + 's'}"


def videos_in_files(videos: int, files: int) -> str:
    """How many contents lie in how many files, which copies have in common: 17 videos in 18 files.

    Args:
        videos: contents.
        files: files of them.
    """
    return (
        count(videos, "video") if videos == files else f"{count(videos, 'video')} in {count(files, 'file')}"
    )
