"""Texts that were read in one picture after another become lines with a start and an end.

A text is the same line as one that stood at the same place and reads about the same, or that moved and reads
the same. What never leaves, such as a channel's logo, is one line; if it goes and comes back soon it is not
told again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from polyreel.recognition.screen.rows import TextRow, join_rows

__all__ = ["ShownLine", "TextFollower"]

# A line that is not found in a picture may be found in the next one.
_MISSED_S = 3.0
_SAME_PLACE = 0.5
_ALIKE, _EQUAL = 0.8, 0.9
_LEAST_MOVED = 6
# Texts that are read as surely as this and whose letters differ by more than that are two.
_SURE, _NEARLY_EQUAL = 0.97, 0.95
# What was there for so long is furniture: nothing waits for its end.
_LONG_S = 60.0
# What was there for this long may be gone for that long and still be the same.
_LASTING_S, _AWAY_S = 10.0, 30.0
# Text that was seen once only is often no text.
_LEAST_CONFIDENCE, _LEAST_ONCE = 0.8, 0.9


@dataclass(frozen=True, slots=True)
class ShownLine:
    """Text that was on the screen for a while.

    Attributes:
        text: one row, or the rows of one block in their order.
        start_s: of the first picture that has it, seconds.
        end_s: of the first picture that has it no more, or the end of the video, seconds.
        confidence: of the row that is read worst, 0 to 1.
    """

    text: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(slots=True)
class _Track:
    row: TextRow
    start_s: float
    end_s: float
    seen: int = 1
    is_missed: bool = False

    @property
    def is_sure(self) -> bool:
        return self.row.confidence >= (_LEAST_ONCE if self.seen == 1 else _LEAST_CONFIDENCE)


@dataclass(slots=True)
class TextFollower:
    """Takes what was read in the pictures of one video, in order."""

    _open: list[_Track] = field(default_factory=list)
    _closed: list[_Track] = field(default_factory=list)
    _told: list[_Track] = field(default_factory=list)

    def add(self, time_s: float, rows: Sequence[TextRow]) -> None:
        """Take the rows of the next picture that is new; until it, all was as before."""
        gone = [track for track in self._open if track.is_missed and time_s - track.end_s > _MISSED_S]
        self._closed += gone
        self._open = [track for track in self._open if track not in gone]
        free = list(rows)
        for track in sorted(self._open, key=lambda each: -each.seen):
            row = max(free, key=lambda each: _likeness(track.row, each), default=None)
            if row is not None and _likeness(track.row, row) > 0:
                free.remove(row)
                track.row = _better(track.row, row)
                track.seen, track.is_missed = track.seen + 1, False
            elif not track.is_missed:
                track.is_missed, track.end_s = True, time_s
        self._open += [_Track(row, time_s, time_s) for row in free]

    def safe_s(self, time_s: float) -> float:
        """Up to where all lines are known once the pictures before ``time_s`` were taken, in seconds."""
        young = [track.start_s for track in self._open if time_s - track.start_s < _LONG_S]
        return min(young, default=time_s)

    def lines(self, until_s: float) -> list[ShownLine]:
        """The lines that are over and began before ``until_s``, once, in the order of time."""
        ready = [track for track in self._closed if track.start_s < until_s]
        self._closed = [track for track in self._closed if track.start_s >= until_s]
        return self._tell(ready)

    def finish(self, end_s: float) -> list[ShownLine]:
        """The lines that are left at the end of the video, at ``end_s``."""
        for track in self._open:
            if not track.is_missed:
                track.end_s = max(end_s, track.start_s)
        ready, self._open, self._closed = self._closed + self._open, [], []
        return self._tell(ready)

    def _tell(self, tracks: list[_Track]) -> list[ShownLine]:
        new = [track for track in sorted(tracks, key=_order) if track.is_sure and self._is_new(track)]
        spans = list(dict.fromkeys((track.start_s, track.end_s) for track in new))
        lines = []
        for start_s, end_s in spans:
            together = [track.row for track in new if (track.start_s, track.end_s) == (start_s, end_s)]
            for block in join_rows(together):
                lines.append(ShownLine(block.text, start_s, end_s, block.confidence))
        return lines

    def _is_new(self, track: _Track) -> bool:
        """Whether it did not stand there shortly before; what it was then is known to last."""
        self._told = [each for each in self._told if track.start_s - each.end_s <= _AWAY_S]
        for before in self._told:
            lasted = before.end_s - before.start_s >= _LASTING_S
            if lasted and _is_same_place(before.row, track.row) and _ratio(before.row, track.row) >= _EQUAL:
                before.end_s = max(before.end_s, track.end_s)
                return False
        self._told.append(_Track(track.row, track.start_s, track.end_s))
        return True


def _order(track: _Track) -> tuple[float, float, float, float]:
    left, top, _, _ = track.row.bounds
    return (track.start_s, track.end_s, top, left)


def _likeness(row: TextRow, other: TextRow) -> float:
    """How surely two rows are one line, 0 if they are not."""
    if _is_same_place(row, other):
        alike = _ratio(row, other)
        if row.key in other.key or other.key in row.key:  # it grows, or its end was not read
            return 1 + alike
        return 1 + alike if alike >= _ALIKE and not _are_two(row, other, alike) else 0.0
    if min(len(row.key), len(other.key)) < _LEAST_MOVED:
        return 0.0
    alike = _ratio(row, other)
    return alike if alike >= _EQUAL else 0.0


def _are_two(row: TextRow, other: TextRow, alike: float) -> bool:
    """Whether two texts at one place are surely not the same; the figures of a clock may differ."""
    letters = ["".join(char for char in each.key if char.isalpha()) for each in (row, other)]
    is_sure = min(row.confidence, other.confidence) >= _SURE
    return is_sure and alike < _NEARLY_EQUAL and letters[0] != letters[1]


def _is_same_place(row: TextRow, other: TextRow) -> bool:
    left, top, right, bottom = row.bounds
    other_left, other_top, other_right, other_bottom = other.bounds
    width = min(right, other_right) - max(left, other_left)
    height = min(bottom, other_bottom) - max(top, other_top)
    if width <= 0 or height <= 0:
        return False
    areas = ((right - left) * (bottom - top), (other_right - other_left) * (other_bottom - other_top))
    return width * height > _SAME_PLACE * min(areas)


def _ratio(row: TextRow, other: TextRow) -> float:
    if row.key == other.key:
        return 1.0
    return SequenceMatcher(None, row.key, other.key, autojunk=False).ratio()


def _better(row: TextRow, other: TextRow) -> TextRow:
    """What is read more surely, or all of what appears bit by bit; at the place where it is now."""
    grown = row.key in other.key and len(other.key) > len(row.key)
    if grown and other.confidence >= _LEAST_CONFIDENCE:
        return other
    shrunk = other.key in row.key and len(row.key) > len(other.key)
    if other.confidence > row.confidence and not shrunk:
        return other
    return row.at(other.bounds)
