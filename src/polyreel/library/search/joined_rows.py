"""Rows of several libraries in the order that they would have in one library.

Nothing is copied: tables, vectors and words stay where each library has them mapped into memory, and a row
number leads there. So what is asked of a table, a matrix or an index of words is asked of each library, with
what all of them hold together where an answer depends on that, and the answers are put in the one order.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from polyreel.library.search.searched_vectors import Cosines, SearchedVectors, Vectors
from polyreel.library.search.word_index import LineLengths, SearchedWords, WordIndex, lengths_of

__all__ = ["JoinedTable", "JoinedVectors", "JoinedWords", "RowOrder", "is_among"]

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class RowOrder:
    """Which row of which part each row is.

    Attributes:
        places: (rows,) of each row its place among the rows of all parts, one part after the other.
        rows: (places,) the inverse; -1 where a row of a part is left out.
        ends: (parts + 1,) where each part begins, and where the last one ends.
    """

    places: Rows
    rows: Rows
    ends: Rows

    @classmethod
    def of(cls, places: Rows, lengths: Sequence[int]) -> RowOrder:
        """The order in which rows come.

        Args:
            places: as above.
            lengths: how many rows each part has, those that are left out included.
        """
        ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = np.full(int(ends[-1]), -1, np.int64)
        rows[places] = np.arange(len(places))
        return cls(places, rows, ends)

    def __len__(self) -> int:
        return len(self.places)

    def of_part(self, part: int) -> Rows:
        """Rows of a part's own rows, in their order; -1 where one is left out."""
        return self.rows[self.ends[part] : self.ends[part + 1]]

    def part_of(self, row: int) -> tuple[int, int]:
        """Part, and row there, of a row."""
        place = int(self.places[row])
        part = int(np.searchsorted(self.ends, place, side="right")) - 1
        return part, place - int(self.ends[part])

    def split(self, rows: Any) -> Iterator[tuple[int, Rows, Rows]]:
        """For each part that has any of some rows: which of them those are, and their rows there.

        Args:
            rows: by number, slice or mask.
        """
        places = self.places[rows]
        for part, (begin, end) in enumerate(pairwise(self.ends.tolist())):
            chosen = np.flatnonzero((places >= begin) & (places < end))
            if len(chosen):
                yield part, chosen, places[chosen] - begin

    def gathered(self, parts: Iterable[NDArray[Any]], kind: Any) -> NDArray[Any]:
        """What each part has for its own rows, (rows,), in the one order.

        Args:
            parts: (rows of the part,) of each.
            kind: of the numbers.
        """
        found = np.empty(len(self), kind)
        for part, values in enumerate(parts):
            rows = self.of_part(part)
            if len(rows) and rows.min() < 0:
                values, rows = values[rows >= 0], rows[rows >= 0]
            found[rows] = values
        return found

    def spread(self, mask: NDArray[np.bool_] | None) -> list[NDArray[np.bool_] | None]:
        """A mask of rows for each part; None where all of its rows are meant.

        Args:
            mask: (rows,); None for all.
        """
        parts = [self.of_part(part) for part in range(len(self.ends) - 1)]
        if len(self.places) == len(self.rows):  # none is left out
            return [None if mask is None else mask[rows] for rows in parts]
        return [(rows >= 0) if mask is None else (rows >= 0) & mask[rows] for rows in parts]


class JoinedColumn:
    """A column of several tables; of ``pyarrow.ChunkedArray`` it has what searches ask.

    Args:
        parts: the column of each table.
        order: of the rows.
    """

    def __init__(self, parts: Sequence[pa.ChunkedArray], order: RowOrder) -> None:
        self._parts, self._order = parts, order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, row: int | slice) -> Any:
        if isinstance(row, slice):
            return self.take(np.arange(len(self))[row])
        part, own = self._order.part_of(row)
        return self._parts[part][own]

    def take(self, rows: Any) -> pa.Array:
        """Values by row."""
        taken, at = _parts_of(self._order, rows, lambda part, own: _array(self._parts[part].take(own)))
        return (pa.concat_arrays(taken) if taken else pa.array([], self._parts[0].type)).take(pa.array(at))

    def to_numpy(self) -> NDArray[Any]:
        """All values of a column of numbers, (rows,)."""
        parts = [part.to_numpy() for part in self._parts]
        return self._order.gathered(parts, np.result_type(*parts))

    def unique(self) -> pa.Array:
        """Each value once."""
        return pa.concat_arrays([_array(part.unique()) for part in self._kept()]).unique()

    def value_counts(self) -> pa.Array:
        """Each value, and in how many rows it stands."""
        counts: Counter[Any] = Counter()
        for part in self._kept():
            counts.update({each["values"]: each["counts"] for each in part.value_counts().to_pylist()})
        values, numbers = pa.array(list(counts), self._parts[0].type), pa.array(counts.values(), pa.int64())
        return pa.StructArray.from_arrays([values, numbers], ["values", "counts"])

    def to_pylist(self) -> list[Any]:
        """All values."""
        found: list[Any] = self.take(np.arange(len(self))).to_pylist()
        return found

    def is_among(self, values: pa.Array) -> NDArray[np.bool_]:
        """Which values are among some, (rows,)."""
        return self._order.gathered((_is_in(part, values) for part in self._parts), bool)

    def _kept(self) -> Iterator[pa.ChunkedArray]:
        for number, part in enumerate(self._parts):
            kept = self._order.of_part(number) >= 0
            yield part if kept.all() else part.filter(pa.array(kept))


class JoinedTable:
    """Several tables of the same columns; of ``pyarrow.Table`` it has what searches ask.

    Args:
        parts: the tables.
        order: of the rows.
        changed: column -> its values in the one order, where they are not those of the tables.
    """

    def __init__(
        self, parts: Sequence[pa.Table], order: RowOrder, changed: dict[str, pa.ChunkedArray] | None = None
    ) -> None:
        self._parts, self._order, self._changed = parts, order, changed or {}

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, name: str) -> Any:
        if name in self._changed:
            return self._changed[name]
        return JoinedColumn([part[name] for part in self._parts], self._order)

    def select(self, names: Sequence[str]) -> JoinedTable:
        """Some of the columns."""
        changed = {name: column for name, column in self._changed.items() if name in names}
        return JoinedTable([part.select(names) for part in self._parts], self._order, changed)

    def take(self, rows: Any) -> pa.Table:
        """Rows by number."""
        taken, at = _parts_of(self._order, rows, lambda part, own: self._parts[part].take(own))
        found = (pa.concat_tables(taken) if taken else self._parts[0].slice(0, 0)).take(pa.array(at))
        for name, column in self._changed.items():
            place = found.column_names.index(name)
            found = found.set_column(place, name, column.take(pa.array(rows, pa.int64())))
        return found

    def slice(self, first: int, count: int) -> pa.Table:
        """Rows that follow one another."""
        return self.take(np.arange(first, min(first + count, len(self))))


def is_among(column: Any, values: Collection[str]) -> NDArray[np.bool_]:
    """Which values of a column, joined or not, are among some, (rows,)."""
    wanted = pa.array(sorted(values), pa.string())
    return column.is_among(wanted) if isinstance(column, JoinedColumn) else _is_in(column, wanted)


def _is_in(column: pa.ChunkedArray, values: pa.Array) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.is_in(column, value_set=values).to_numpy()
    return found


def _array(column: Any) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _parts_of(
    order: RowOrder, rows: Any, taken: Callable[[int, pa.Array], Any]
) -> tuple[list[Any], NDArray[np.int64]]:
    """Some rows, those of each part taken at once; and where each of them is when all follow one another."""
    rows = np.asarray(rows, np.int64)
    found, at, begin = [], np.empty(len(rows), np.int64), 0
    for part, chosen, own in order.split(rows):
        found.append(taken(part, pa.array(own)))
        at[chosen] = np.arange(begin, begin + len(chosen))
        begin += len(chosen)
    return found, at


class _JoinedCosines:
    def __init__(self, parts: Sequence[Cosines], order: RowOrder) -> None:
        self._parts, self._order = parts, order

    @property
    def approximate(self) -> bool:
        return any(part.approximate for part in self._parts)

    @functools.cached_property
    def every(self) -> Vectors:
        return self._order.gathered((part.every for part in self._parts), np.float32)

    def of(self, rows: Rows) -> Vectors:
        found = np.empty(len(rows), np.float32)
        for part, chosen, own in self._order.split(rows):
            found[chosen] = self._parts[part].of(own)
        return found

    def at_most(self, rows: Rows) -> Vectors | None:
        found = np.empty(len(rows), np.float32)
        for part, chosen, own in self._order.split(rows):
            most = self._parts[part].at_most(own)
            if most is None:
                return None
            found[chosen] = most
        return found

    def best(self, count: int, allowed: NDArray[np.bool_] | None = None) -> tuple[Rows, Vectors]:
        # The best of all are among the best of each.
        rows, scores = [], []
        for number, (part, own) in enumerate(zip(self._parts, self._order.spread(allowed), strict=True)):
            best, found = part.best(count, own)
            rows.append(self._order.of_part(number)[best])
            scores.append(found)
        joined, reached = np.concatenate(rows), np.concatenate(scores)
        order = np.lexsort((joined, -reached))[:count]
        return joined[order], reached[order]


class JoinedVectors:
    """Vectors of several libraries, each in its own way of search.

    Args:
        parts: the vectors of each.
        order: of the rows.
    """

    def __init__(self, parts: Sequence[SearchedVectors], order: RowOrder) -> None:
        self._parts, self._order = parts, order
        self.shape: tuple[int, int] = (len(order), parts[0].shape[1])

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, rows: Any) -> Vectors:
        if isinstance(rows, int | np.integer):
            of_row, row = self._order.part_of(int(rows))
            return self._parts[of_row][row]
        split = list(self._order.split(rows))
        found = np.empty((sum(len(chosen) for _, chosen, _ in split), self.shape[1]), np.float32)
        for part, chosen, own in split:
            follow = len(own) and own[-1] - own[0] == len(own) - 1 and (np.diff(own) == 1).all()
            # What lies together is read ahead.
            found[chosen] = self._parts[part][slice(int(own[0]), int(own[-1]) + 1) if follow else own]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)

    @property
    def stored(self) -> NDArray[np.floating[Any]]:
        """All of them, in float32."""
        return self[:]

    def cosines(self, queries: Vectors) -> Sequence[Cosines]:
        """With each of (queries, dim)."""
        return self._joined([part.cosines(queries) for part in self._parts])

    def exact_cosines(self, queries: Vectors) -> Sequence[Cosines]:
        """The same by products of float32 with every row."""
        return self._joined([part.exact_cosines(queries) for part in self._parts])

    def _joined(self, parts: Sequence[Sequence[Cosines]]) -> Sequence[Cosines]:
        return [_JoinedCosines(of_one_query, self._order) for of_one_query in zip(*parts, strict=True)]


class JoinedWords(SearchedWords):
    """The words of several libraries: what a word counts follows from all their lines.

    Args:
        parts: the index of each.
        order: of the lines.
    """

    def __init__(self, parts: Sequence[WordIndex], order: RowOrder) -> None:
        self._parts, self._order = parts, order
        # Which lines of a part count; None where all do.
        self._kept = order.spread(None)
        each = [
            part.all_lengths if kept is None else lengths_of(part.lengths[kept])
            for part, kept in zip(parts, self._kept, strict=True)
        ]
        self._all_lengths = LineLengths(
            sum(own.lines for own in each), sum(own.worded for own in each), sum(own.terms for own in each)
        )

    def scores(self, terms: Sequence[str]) -> NDArray[np.float32]:
        """BM25 scores of all lines, (lines,), for terms of which none comes twice."""
        entries = [[part.entries(term) for term in terms] for part in self._parts]
        held_by = [
            sum(self._holding(part, own) for part, own in enumerate(each))
            for each in zip(*entries, strict=True)
        ]
        rarities = [self._all_lengths.rarity(lines) for lines in held_by]
        found = (
            part.scores_of(own, rarities, self._all_lengths)
            for part, own in zip(self._parts, entries, strict=True)
        )
        return self._order.gathered(found, np.float32)

    def _holding(self, part: int, entries: slice) -> int:
        """How many lines of a part hold a term."""
        kept = self._kept[part]
        if kept is None:
            return int(entries.stop - entries.start)
        return int(np.count_nonzero(kept[self._parts[part].rows[entries]]))

    def letters(self, terms: Iterable[str]) -> NDArray[np.int32]:
        """How many letters the terms have together that each line holds, (lines,); none comes twice."""
        asked = list(terms)
        return self._order.gathered((part.letters(asked) for part in self._parts), np.int32)

    def lines_with_all(self, terms: Iterable[str]) -> NDArray[np.bool_]:
        """Which lines hold every term, (lines,)."""
        asked = list(terms)
        return self._order.gathered((part.lines_with_all(asked) for part in self._parts), bool)

    def texts_of(self, rows: NDArray[np.int64]) -> list[str]:
        """Lines by row."""
        found = [""] * len(rows)
        for part, chosen, own in self._order.split(rows):
            for place, text in zip(chosen.tolist(), self._parts[part].texts_of(own), strict=True):
                found[place] = text
        return found
