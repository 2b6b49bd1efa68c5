"""Which coded pictures of a film are copied into a cut, and which ones have to be encoded anew.

All stamps here are counts of the stream's time base. Pictures come in the order in which they are decoded.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["REORDERED", "CodedPicture", "CutPlan", "decode_stamps", "plan_at_key_frames", "plan_exactly"]

REORDERED = 32
"""More pictures than any codec holds back to show others before them."""


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """A packet with a picture.

    Attributes:
        pts: when it is shown.
        duration: how long, 0 if the file does not say.
        is_key: it is decoded without others.
        is_splice: it is, and so are those that follow: pictures of another encoder may come before it.
        role: "hidden" pictures only help to decode others; "cut off" ones an edit list hides.
    """

    pts: int
    duration: int
    is_key: bool
    is_splice: bool
    role: Literal["shown", "hidden", "cut off"] = "shown"


@dataclass(frozen=True, slots=True)
class CutPlan:
    """What becomes of each picture.

    Attributes:
        origin: what becomes 0.
        end: where the last picture ends.
        copied: places, in order of decoding, of those that are copied.
        leading_from: of those, the ones that are shown before this are left out: they need what is left out.
        head, tail: stamps from and before which pictures are encoded anew, before and behind the copied ones.
        shown: stamps of all pictures of the cut in the order in which they are shown.
    """

    origin: int
    end: int
    copied: range
    leading_from: int
    head: tuple[int, int] | None
    tail: tuple[int, int] | None
    shown: tuple[int, ...]

    @property
    def encoded(self) -> int:
        """How many pictures are encoded anew."""
        spans = [span for span in (self.head, self.tail) if span]
        return sum(low <= pts < high for pts in self.shown for low, high in spans)

    def whole(self) -> CutPlan:
        """The same cut with nothing copied."""
        return CutPlan(
            self.origin, self.end, range(0), self.shown[0], (self.shown[0], self.end), None, self.shown
        )


def plan_exactly(pictures: Sequence[CodedPicture], start: int, end: int, *, snap: int) -> CutPlan | None:
    """A cut of exactly what is shown from ``start`` until ``end``; None if nothing is.

    Args:
        pictures: from a key frame at or before ``start``, if there is one, to beyond ``end``.
        start, end: stamps.
        snap: a cut begins with the picture that is shown at ``start``, at its beginning if that lies no
            further back than this, else in its middle.
    """
    shown = sorted(picture.pts for picture in pictures if picture.role == "shown")
    first = max(0, bisect.bisect_right(shown, start) - 1)
    last = bisect.bisect_left(shown, end)
    if first >= last:
        return None
    wanted, after = shown[first:last], shown[last : last + 1]
    ends = _end(pictures, wanted[-1], after)
    origin = wanted[0] if 0 <= start - wanted[0] <= snap else start
    copied = _longest_copy(pictures, wanted[0], end)
    kept = [pictures[place].pts for place in copied if pictures[place].role == "shown"]
    if not kept:
        return CutPlan(origin, min(end, ends), range(0), wanted[0], (wanted[0], end), None, tuple(wanted))
    head = (wanted[0], min(kept)) if wanted[0] < min(kept) else None
    tail = (max(kept) + 1, end) if max(kept) < wanted[-1] else None
    return CutPlan(origin, min(end, ends), copied, min(kept), head, tail, tuple(wanted))


def plan_at_key_frames(pictures: Sequence[CodedPicture], start: int, end: int) -> CutPlan | None:
    """A cut that copies everything: it begins and ends where that is possible, at or outside of both stamps.

    Args: as ``plan_exactly``; None if no picture is there.
    """
    keys = [place for place, picture in enumerate(pictures) if picture.is_key and picture.role != "cut off"]
    if not keys:
        return None
    began = max((place for place in keys if pictures[place].pts <= start), default=keys[0])
    from_pts = pictures[began].pts
    rest = [picture.pts if picture.pts >= from_pts else None for picture in pictures[began:]]
    needed = [place for place, pts in enumerate(rest) if pts is not None and pts < end]
    if not needed:
        return None
    until = next(place for place in _clean_ends(rest) if place > needed[-1])
    kept = sorted(pts for pts in rest[:until] if pts is not None)
    roles = {picture.pts: picture.role for picture in pictures}
    after = sorted(pts for pts in rest[until:] if pts is not None)[:1]
    return CutPlan(
        from_pts,
        _end(pictures, kept[-1], after),
        range(began, began + until),
        from_pts,
        None,
        None,
        tuple(pts for pts in kept if roles[pts] == "shown"),
    )


def decode_stamps(in_order: Sequence[int]) -> list[int]:
    """When each picture has to be decoded: rising, none after it is shown.

    Files state these, but not all, and what Matroska's are made of is missing behind a seek.

    Args:
        in_order: when pictures are shown, in the order in which they are decoded.
    """
    by_time = sorted(in_order)
    delay = max((shown - pts for shown, pts in zip(by_time, in_order, strict=True)), default=0)
    stamps: list[int] = []
    for shown in by_time:
        stamps.append(max(shown - delay, stamps[-1] + 1) if stamps else shown - delay)
    return stamps


def _longest_copy(pictures: Sequence[CodedPicture], first_pts: int, end: int) -> range:
    """Places of the pictures from a splice on that are all shown between the stamps, without a hole."""
    lowest = list(itertools.accumulate(reversed([picture.pts for picture in pictures]), min))[::-1]
    splices = (
        place
        for place, picture in enumerate(pictures)
        if picture.is_splice and first_pts <= picture.pts < end and lowest[place] == picture.pts
    )
    began = next(splices, None)
    if began is None:
        return range(0)
    run = itertools.takewhile(
        lambda picture: picture.pts < end and picture.role != "cut off", pictures[began:]
    )
    length = sum(1 for _ in run)
    rest: list[int | None] = [picture.pts for picture in pictures[began:]]
    return range(began, began + max(place for place in (0, *_clean_ends(rest)) if place <= length))


def _clean_ends(in_order: Sequence[int | None]) -> Iterable[int]:
    """Counts of first pictures that are shown before all others; None stands for what is never shown."""
    lowest_after = float("inf")
    lowest = [lowest_after]
    for pts in reversed(in_order):
        lowest_after = lowest_after if pts is None else min(lowest_after, pts)
        lowest.append(lowest_after)
    lowest.reverse()
    highest = float("-inf")
    for count, pts in enumerate(in_order, start=1):
        highest = highest if pts is None else max(highest, pts)
        if highest < lowest[count]:
            yield count


def _end(pictures: Iterable[CodedPicture], last_pts: int, after: Sequence[int]) -> int:
    """Where the picture that is shown last ends."""
    if after:
        return after[0]
    last = next(picture for picture in pictures if picture.pts == last_pts)
    if last.duration:
        return last_pts + last.duration
    before = max((picture.pts for picture in pictures if picture.pts < last_pts), default=last_pts - 1)
    return 2 * last_pts - before
