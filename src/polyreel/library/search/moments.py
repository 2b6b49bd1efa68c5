"""Clips of a video become moments: adjacent ones are one, none is shown twice, each can be watched."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyreel.library.search.clip_evidence import NO_LINE, Place, Weighed
from polyreel.library.search.searched_vectors import SearchedVectors

__all__ = ["Moment", "RankedMoments", "watchable", "with_lead"]

_ADJACENT_S = 1.0
# An adjacent clip belongs to a moment if it is nearly as good as the moment's best.
_NEARLY = 0.85
# Pictures that make less than this share of what speaks for the best clip need not be as good.
_SAYS_SOMETHING = 0.1
# Cosine of two clips that show the same (benchmarks/neighbours.py). In the demo's 61 videos 45% of the 77
# neighbours that were parted because a clip has a longest length are as near as this, none of the 15 that
# were parted where the picture changes (at most 0.93), and none of 19,371 pairs of clips of other videos.
_SAME_PICTURE = 0.95
_LEAST_S = 4.0
# Before a line, so that its first word is not cut.
_LEAD_S = 1.0


@dataclass(frozen=True, slots=True)
class Moment:
    """Adjacent clips of one video.

    Attributes:
        rows: of its clips, the best first, then in order of time.
        start_s, end_s: seconds from the start of the video.
        cosine, pictures, lines: of the best clip, as in ``Weighed``.
        line: row of the line that says most of the best clip, of another one if nothing is said there, or
            ``NO_LINE``.
        place: of the best clip among all clips.
    """

    rows: tuple[int, ...]
    start_s: float
    end_s: float
    cosine: float
    pictures: float
    lines: float
    line: int
    place: Place

    @property
    def best(self) -> int:
        """Row of the clip that ranks it."""
        return self.rows[0]

    @property
    def weight(self) -> float:
        """Of all that speaks for it."""
        return self.pictures + self.lines


class RankedMoments:
    """The moments of a video, best first, each made when it is asked for.

    A moment is the best clip that is left, and those beside it on both sides as long as they are nearly as
    good by all that speaks for it. Clips further on that show the same are left out, as no match of their
    own, up to the first that shows something else, that a line speaks for, or that a better moment has.

    Args:
        clips: those that may be found, in order of time.
        start_s, end_s: (clips,) of each.
        vectors: of all clips of the library, (rows, dim).
    """

    def __init__(
        self,
        clips: Weighed,
        start_s: NDArray[np.float64],
        end_s: NDArray[np.float64],
        vectors: SearchedVectors,
    ) -> None:
        self._clips, self._vectors = clips, vectors
        # Python's own numbers: they are asked for one by one.
        self._start_s, self._end_s = start_s.tolist(), end_s.tolist()
        self._kinds = [each.tolist() for each in (clips.cosines, clips.meaning, clips.words)]
        self._rows, self._line = clips.rows.tolist(), clips.line.tolist()
        self._left = [True] * len(self._rows)
        self._ranked = iter(clips.ranked)
        self._next = self._following()

    @property
    def place(self) -> Place | None:
        """Of the best clip of the next moment; None if there is none."""
        return None if self._next is None else self._clips.place(self._next)

    @property
    def weight(self) -> float:
        """Of the next moment; 0 if there is none."""
        return 0.0 if self._next is None else float(self._clips.weights[self._next])

    def take(self) -> Moment:
        """The next moment.

        Raises:
            LookupError: there is none.
        """
        clips, (best, within) = self._clips, self.skip()
        first, last = within.start, within.stop - 1
        in_order = [best, *(at for at in within if at != best)]
        return Moment(
            rows=tuple(self._rows[at] for at in in_order),
            start_s=self._start_s[first],
            end_s=max(self._end_s[first : last + 1]),
            cosine=float(clips.cosines[best]),
            pictures=float(clips.pictures[best]),
            lines=float(clips.lines[best]),
            line=next((self._line[at] for at in in_order if self._line[at] != NO_LINE), NO_LINE),
            place=clips.place(best),
        )

    def skip(self) -> tuple[int, range]:
        """Pass over the next moment: which its best clip is, and its clips.

        Raises:
            LookupError: there is none.
        """
        best = self._next
        if best is None:
            raise LookupError("no moment is left")
        self._left[best] = False
        first, last = best, best
        needed = self._needed(best)
        while self._joins(first - 1, first, needed):
            first -= 1
        while self._joins(last + 1, last, needed):
            last += 1
        within = range(first, last + 1)
        self._left[first : last + 1] = [False] * len(within)
        self._leave_out_repeats(best, first, -1)
        self._leave_out_repeats(best, last, 1)
        self._next = self._following()
        return best, within

    def _following(self) -> int | None:
        return next((at for at in self._ranked if self._left[at]), None)

    def _is_beside(self, other: int, edge: int) -> bool:
        """Whether a clip is there, left, and follows or precedes another without a gap."""
        if not (0 <= other < len(self._left) and self._left[other]):
            return False
        earlier, later = min(other, edge), max(other, edge)
        return bool(self._start_s[later] - self._end_s[earlier] <= _ADJACENT_S)

    def _needed(self, best: int) -> list[tuple[list[float], float]]:
        """What a clip needs to be nearly as good: a number of each kind that speaks for the best.

        Probabilities would not tell: they all but vanish, or hardly differ, over most of a list.
        """
        clips = self._clips
        by_sight = self._line[best] == NO_LINE or clips.pictures[best] > _SAYS_SOMETHING * clips.weights[best]
        kinds = self._kinds if by_sight else self._kinds[1:]
        return [(numbers, _NEARLY * numbers[best]) for numbers in kinds if numbers[best] > -np.inf]

    def _joins(self, other: int, edge: int, needed: Iterable[tuple[list[float], float]]) -> bool:
        return self._is_beside(other, edge) and all(numbers[other] >= least for numbers, least in needed)

    def _leave_out_repeats(self, best: int, edge: int, way: int) -> None:
        other = edge + way
        while self._is_beside(other, other - way) and self._line[other] == NO_LINE:
            if self._likeness(best, other) < _SAME_PICTURE:
                return
            self._left[other] = False
            other += way

    def _likeness(self, one: int, other: int) -> float:
        """Cosine of two clips."""
        if abs(one - other) == 1:
            return self._likenesses[min(one, other)]
        return float(self._vectors[self._rows[one]] @ self._vectors[self._rows[other]])

    @functools.cached_property
    def _likenesses(self) -> list[float]:
        """Cosines of each clip and the one after it, which are asked for most often."""
        vectors = self._vectors[self._clips.rows]
        likenesses: list[float] = np.einsum("rd,rd->r", vectors[:-1], vectors[1:]).tolist()
        return likenesses


def with_lead(start_s: float, end_s: float, *, until_s: float, duration_s: float) -> tuple[float, float]:
    """What to watch of a moment for a line of it: from just before the line to the end of the moment.

    Args:
        start_s, end_s: the line, seconds from the start of the video.
        until_s: end of the moment.
        duration_s: length of the video; the span stays within it.
    """
    begin_s = min(max(start_s - _LEAD_S, 0.0), duration_s)
    return begin_s, min(max(until_s, end_s, begin_s), duration_s)


def watchable(start_s: float, end_s: float, duration_s: float) -> tuple[float, float]:
    """A span to watch: as much is added before as after one that is too short to see anything.

    Args:
        start_s, end_s: seconds from the start of the video.
        duration_s: length of the video; what is added stays within it.
    """
    length_s = min(_LEAST_S, duration_s)
    if end_s - start_s >= length_s:
        return start_s, end_s
    begin_s = min(max((start_s + end_s - length_s) / 2, 0.0), duration_s - length_s)
    return begin_s, begin_s + length_s
