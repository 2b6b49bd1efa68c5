"""Boxes beside each other become rows, and rows below each other blocks: columns are read one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from polyreel.languages import is_spaced
from polyreel.query_languages import script_of

__all__ = ["Bounds", "TextRow", "join_rows", "rows_of"]

Bounds = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""

# Of the lower of two heights: boxes of one row overlap by this much and are this far apart at most.
_SAME_ROW, _GAP = 0.6, 1.0
_LIKE_HEIGHT = 1.6
_LEADING = 0.9
_LONGEST = 200
_UNSPACED_SCRIPTS = {"CJK": "zh", "HIRAGANA": "ja", "KATAKANA": "ja", "THAI": "th"}


@dataclass(frozen=True, slots=True)
class TextRow:
    """Text on one line of the screen, or several.

    Attributes:
        text: NFC.
        confidence: of its worst part, 0 to 1.
        bounds: where.
    """

    text: str
    confidence: float
    bounds: Bounds

    @property
    def key(self) -> str:
        """Its letters and digits alone, in lower case, by which texts are compared."""
        return "".join(char for char in self.text.casefold() if char.isalnum())

    @property
    def height(self) -> float:
        """In pixels."""
        return self.bounds[3] - self.bounds[1]

    def at(self, bounds: Bounds) -> TextRow:
        """The same text elsewhere."""
        return replace(self, bounds=bounds)


def rows_of(boxes: Sequence[TextRow]) -> list[TextRow]:
    """Boxes of one picture as rows: those that stand beside each other like words are one."""
    return _joined(sorted(boxes, key=lambda box: box.bounds[0]), _is_right_of)


def join_rows(rows: Sequence[TextRow]) -> list[TextRow]:
    """Rows as blocks, from the top on: those that stand below each other like the lines of a text are one.

    A row that has two below it, or two above it, is joined with neither: they may be columns.
    """
    ordered = sorted(rows, key=lambda row: (row.bounds[1], row.bounds[0]))
    blocks = _joined(ordered, _is_below)
    return sorted(blocks, key=lambda row: (row.bounds[1], row.bounds[0]))


def _joined(rows: Sequence[TextRow], follows: Callable[[TextRow, TextRow], bool]) -> list[TextRow]:
    """Chains of rows of which each is followed by one alone, and follows it alone."""
    after = [[b for b in range(len(rows)) if b != a and follows(rows[a], rows[b])] for a in range(len(rows))]
    before = [sum(b in each for each in after) for b in range(len(rows))]
    next_of = {a: each[0] for a, each in enumerate(after) if len(each) == 1 and before[each[0]] == 1}
    chains = []
    for first in sorted(set(range(len(rows))) - set(next_of.values())):
        chain, at = rows[first], first
        while at in next_of:
            at = next_of[at]
            if len(chain.text) + len(rows[at].text) > _LONGEST:
                chains.append(chain)
                chain = rows[at]
            else:
                chain = _and(chain, rows[at])
        chains.append(chain)
    return chains


def _is_right_of(row: TextRow, other: TextRow) -> bool:
    (_, top, right, bottom), (other_left, other_top, _, other_bottom) = row.bounds, other.bounds
    lower = min(row.height, other.height)
    overlap = min(bottom, other_bottom) - max(top, other_top)
    gap = other_left - right
    return _are_alike(row, other) and overlap >= _SAME_ROW * lower and -lower <= gap <= _GAP * lower


def _is_below(row: TextRow, other: TextRow) -> bool:
    (left, _, right, bottom), (other_left, other_top, other_right, _) = row.bounds, other.bounds
    lower = min(row.height, other.height)
    overlap = min(right, other_right) - max(left, other_left)
    gap = other_top - bottom
    narrower = min(right - left, other_right - other_left)
    return _are_alike(row, other) and overlap > narrower / 2 and -lower / 2 <= gap <= _LEADING * lower


def _are_alike(row: TextRow, other: TextRow) -> bool:
    heights = sorted((row.height, other.height))
    return heights[1] <= _LIKE_HEIGHT * heights[0]


def _and(row: TextRow, other: TextRow) -> TextRow:
    between = "" if _is_unspaced(row.text[-1:]) and _is_unspaced(other.text[:1]) else " "
    left, top, right, bottom = zip(row.bounds, other.bounds, strict=True)
    bounds = (min(left), min(top), max(right), max(bottom))
    return TextRow(row.text + between + other.text, min(row.confidence, other.confidence), bounds)


def _is_unspaced(char: str) -> bool:
    language = _UNSPACED_SCRIPTS.get(script_of(char))
    return language is not None and not is_spaced(language)
