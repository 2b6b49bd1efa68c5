"""Edit decision lists in the form of CMX 3600."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from anyascii import anyascii

from polyreel.errors import UsageError
from polyreel.library.exchange.moments import FilmMoment, common_rate, in_frames
from polyreel.media.frame_rates import drops_frames, timecode
from polyreel.units import printable

__all__ = ["as_edl"]

_REEL_CHARS = 8
_MOST_EVENTS = 999
_HOUR_S, _DAY_S = 3_600, 86_400


def as_edl(moments: Sequence[FilmMoment], title: str) -> str:
    """Moments one after the other, from 01:00:00:00 on.

    All is counted at the rate of most films, because a list knows one; drop-frame at 29.97 and 59.94,
    unless a film says otherwise in its own time code.

    Args:
        moments: the events.
        title: of the list.

    Raises:
        UsageError: there are more events than a list numbers, or one lies behind the end of a day.
    """
    if len(moments) > _MOST_EVENTS:
        raise UsageError(
            "an edit decision list holds no more events",
            value=f"{len(moments)} of {_MOST_EVENTS}",
            remedy="Give a smaller --top",
        )
    rate = common_rate(moments)
    stated = [moment.film.timecode for moment in moments if moment.film.timecode]
    drop = drops_frames(rate) and not any(code[-3] == ":" for code in stated)
    record = _frames(_HOUR_S, rate, drop=drop)
    reels = _reels(moments)
    lines = [f"TITLE: {_line(title)}", f"FCM: {'DROP FRAME' if drop else 'NON-DROP FRAME'}", ""]
    for number, moment in enumerate(moments, start=1):
        source, length = _at_rate(moment, rate)
        spans = []
        for begins, what in ((source, "film"), (record, "list")):
            if (begins + length) / rate > _DAY_S:
                raise UsageError(
                    f"time codes of this {what} go beyond a day, which an edit decision list cannot say",
                    item=moment.path,
                    remedy="Export otio or fcpxml",
                )
            spans += [timecode(begins + add, rate, drop=drop) for add in (0, length)]
        track = "AA/V" if moment.film.channels else "V"
        lines.append(f"{number:03}  {reels[moment.path]:<8} {track:<5} C        {' '.join(spans)}")
        lines += [f"* FROM CLIP NAME: {_line(moment.name)}", f"* SOURCE FILE: {_line(str(moment.path))}"]
        if moment.hit.evidence.subtitle is not None:
            lines.append(f"* COMMENT: {_line(moment.hit.evidence.subtitle.text)}")
        lines.append("")
        record += length
    return "\n".join(lines)


def _at_rate(moment: FilmMoment, rate: Fraction) -> tuple[int, int]:
    """First frame with the film's time code, and length."""
    if moment.film.rate == rate:
        return moment.begins_at + moment.first, moment.length
    first, length = in_frames(moment.hit.start_s, moment.hit.end_s, rate)
    return round(moment.begins_at * rate / moment.film.rate) + first, length


def _frames(seconds: int, rate: Fraction, *, drop: bool) -> int:
    """Number of the frame whose time code says so many whole hours."""
    return round(seconds * rate) if drop else seconds * round(rate)


def _reels(moments: Sequence[FilmMoment]) -> dict[Path, str]:
    """A name of eight letters and digits for each film, none twice."""
    reels: dict[Path, str] = {}
    for path in dict.fromkeys(moment.path for moment in moments):
        letters = re.sub(r"[^A-Z0-9]", "", anyascii(path.stem).upper())[:_REEL_CHARS] or "FILM"
        name, taken, number = letters, set(reels.values()), 2
        while name in taken:
            name = f"{letters[: _REEL_CHARS - len(str(number))]}{number}"
            number += 1
        reels[path] = name
    return reels


def _line(text: str) -> str:
    return " ".join(printable(text).split())
