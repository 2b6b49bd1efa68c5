"""Frame rates, and the time codes that count in them (SMPTE ST 12-1)."""

from __future__ import annotations

import re
from fractions import Fraction

__all__ = ["count_of_timecode", "drops_frames", "standard_rate", "timecode"]

_STANDARD = (
    *(Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60, 120)),
    *(Fraction(rate) for rate in (12, 15, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)),
)
_NEAR = 0.002  # 29.97 and 30 are half of this apart on either side of their middle
_TIMECODE = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)")
_DAY_S = 86_400


def standard_rate(stated: Fraction) -> Fraction:
    """The standard rate that a file means; its own, in whole frames, where none is near."""
    nearest = min(_STANDARD, key=lambda rate: abs(rate - stated))
    if abs(nearest / stated - 1) <= _NEAR:
        return nearest
    return Fraction(max(1, round(stated)))


def drops_frames(rate: Fraction) -> bool:
    """Whether time codes keep up with the clock by leaving numbers out: at 29.97 and its multiples."""
    return rate.denominator == 1001 and round(rate) % 30 == 0


def timecode(count: int, rate: Fraction, *, drop: bool) -> str:
    """The time code of a frame; a day later it begins anew.

    Args:
        count: number of the frame, 0 for the first of the day.
        rate: frames a second.
        drop: whether numbers are left out.
    """
    nominal = round(rate)
    if drop:
        dropped = nominal // 15  # numbers of each minute but every tenth
        tens, rest = divmod(count, 600 * nominal - 9 * dropped)
        minutes = max(0, (rest - 60 * nominal) // (60 * nominal - dropped) + 1)
        count += dropped * (9 * tens + minutes)
    seconds, frames = divmod(count, nominal)
    seconds %= _DAY_S
    mark = ";" if drop else ":"
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{mark}{frames:02}"


def count_of_timecode(stated: str, rate: Fraction) -> int | None:
    """The number of the frame with a time code; None if it is none.

    Args:
        stated: hours, minutes, seconds and frames; ``;`` or ``.`` before the frames says that numbers are
            left out.
        rate: frames a second.
    """
    found = _TIMECODE.fullmatch(stated)
    if found is None:
        return None
    hours, minutes, seconds, frames = (int(found[group]) for group in (1, 2, 3, 5))
    nominal, total = round(rate), hours * 60 + minutes
    dropped = nominal // 15 if found[4] != ":" and drops_frames(rate) else 0
    return (total * 60 + seconds) * nominal + frames - dropped * (total - total // 10)
