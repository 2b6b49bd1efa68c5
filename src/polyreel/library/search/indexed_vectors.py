"""Vectors that an index on the disk finds candidates among, where their planes of bits would not fit memory.

What the index gives is compared again as it is, in float16, so that hits come in their exact order with their
exact cosines; what it does not give is lost, and nobody can bound that for one query. So it is asked for more
than is wanted; where few rows pass a filter they are all compared without it, and so are rows that were added
since it was built.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyreel.library.search.exact import best_rows
from polyreel.library.search.searched_vectors import (
    Cosines,
    DamagedVectorsError,
    HalfVectors,
    Vectors,
    each_by_itself,
)

__all__ = ["Addresses", "AskIndex", "IndexedVectors", "read_indexed", "write_indexed"]

_log = logging.getLogger(__name__)
_COMPARED, _COMPARED_FOR_EACH = 500, 2.5
# What is asked for where a filter lets some pass, beyond what passes on average.
_SPARE = 1.5
_ASKED_AT_MOST = 20_000
COMPARED_WITHOUT = 20_000
"""So few rows that a filter leaves are all compared, without the index."""
_ROWS_AT_ONCE = 8_192

Rows = NDArray[np.int64]
AskIndex = Callable[[Vectors, int, float], NDArray[np.uint64]]
"""From a query (dim,), how many rows and what share of them pass: addresses of the nearest. Several threads
may ask, and OSError, RuntimeError or ValueError say that the index cannot be read."""


@dataclass(frozen=True, slots=True, eq=False)
class Addresses:
    """Where rows lie in the table that the index is of.

    Attributes:
        sorted: (rows that have a vector,) ascending.
        rows: (rows that have a vector,) of each its row here.
        new: rows here that the index lacks, ascending.
    """

    sorted: NDArray[np.uint64]
    rows: Rows
    new: Rows

    def rows_at(self, addresses: NDArray[np.uint64]) -> Rows:
        """Rows at some addresses, ascending.

        Raises:
            DamagedVectorsError: nothing lies at one of them.
        """
        places = np.searchsorted(self.sorted, addresses)
        if len(addresses) and (
            places.max(initial=0) >= len(self.sorted) or (self.sorted[places] != addresses).any()
        ):
            raise DamagedVectorsError("the index knows rows that the library does not")
        return np.sort(self.rows[places]).astype(np.int64)


class IndexedVectors(HalfVectors):
    """Vectors in float16, on the disk, and an index.

    Args:
        halves: (rows, dim) float16, mapped into memory.
        addresses: of the same rows.
        ask: the index.
    """

    def __init__(self, halves: NDArray[np.float16], addresses: Addresses, ask: AskIndex) -> None:
        super().__init__(halves)
        self.addresses, self._ask = addresses, ask
        self._has_warned = False

    def cosines(self, queries: Vectors) -> Sequence[Cosines]:
        """With each of (queries, dim), each looked for by itself."""
        return [_IndexedCosines(self, query) for query in queries]

    def candidates(self, query: Vectors, count: int, share: float) -> Rows:
        """Rows that the index puts nearest to a query, ascending; none where it cannot be read.

        Args:
            query: (dim,).
            count: how many.
            share: of all rows that may be found.

        Raises:
            DamagedVectorsError: the index is of other vectors.
        """
        try:
            found = self._ask(query, count, share)
        except (OSError, RuntimeError, ValueError) as error:
            if not self._has_warned:
                self._has_warned = True
                said = str(error).strip().splitlines() or [type(error).__name__]
                _log.warning(
                    "the index of vectors cannot be read (%s): all are compared, which takes longer. "
                    "Run 'polyreel index' to make it anew",
                    said[0][:200],
                )
            return np.zeros(0, np.int64)
        return self.addresses.rows_at(found)


class _IndexedCosines:
    def __init__(self, among: IndexedVectors, query: Vectors) -> None:
        self._among, self._query = among, query
        self.approximate = False

    @functools.cached_property
    def every(self) -> Vectors:
        (found,) = self._among.exact_cosines(self._query[None])
        return np.asarray(found.every, np.float32)

    @functools.cached_property
    def _new(self) -> Vectors:
        return self.of(self._among.addresses.new)

    def of(self, rows: Rows) -> Vectors:
        rows = np.asarray(rows, np.int64)
        found = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = rows[start : start + _ROWS_AT_ONCE]
            found[start : start + len(part)] = each_by_itself(self._among[part], self._query)
        return found

    def at_most(self, rows: Rows) -> Vectors | None:
        return None

    def best(self, count: int, allowed: NDArray[np.bool_] | None = None) -> tuple[Rows, Vectors]:
        total = len(self._among)
        passing = total if allowed is None else int(np.count_nonzero(allowed))
        wanted = max(_COMPARED, int(_COMPARED_FOR_EACH * count))
        share = passing / max(total, 1)
        asked = wanted if allowed is None else int(_SPARE * wanted / max(share, 1e-9))
        if passing > COMPARED_WITHOUT and asked <= max(_ASKED_AT_MOST, wanted):
            rows = self._among.candidates(self._query, asked, share)
            rows = rows if allowed is None else rows[allowed[rows]]
            if len(rows) >= count:
                self.approximate = True
                return self._with_new(rows, count, allowed)
        # Too few pass for the index, or none of its nearest: then all that pass.
        rows = np.arange(total) if allowed is None else np.flatnonzero(allowed)
        return self._first(rows, self.of(rows), count)

    def _with_new(self, rows: Rows, count: int, allowed: NDArray[np.bool_] | None) -> tuple[Rows, Vectors]:
        new = self._among.addresses.new
        passes = np.ones(len(new), bool) if allowed is None else allowed[new]
        # While it was built, or after: whatever the index holds of them does not count twice.
        rows = np.setdiff1d(rows, new, assume_unique=True)
        return self._first(
            np.concatenate([rows, new[passes]]),
            np.concatenate([self.of(rows), self._new[passes]]),
            count,
        )

    @staticmethod
    def _first(rows: Rows, cosines: Vectors, count: int) -> tuple[Rows, Vectors]:
        order = np.argsort(rows, kind="stable")  # rows of equal cosine come in their own order
        places, found = best_rows(cosines[order], count)
        return rows[order][places].astype(np.int64), found


def write_indexed(folder: Path, name: str, vectors: IndexedVectors) -> None:
    """Keep vectors and their addresses.

    Args:
        folder: where.
        name: what the files begin with.
        vectors: what to keep.
    """
    own = vectors.addresses
    for part, array in (("addresses", own.sorted), ("rows", own.rows), ("new", own.new)):
        np.save(folder / f"{name}.{part}.npy", array, allow_pickle=False)
    np.save(folder / f"{name}.npy", vectors.stored, allow_pickle=False)


def read_indexed(folder: Path, name: str, ask: AskIndex) -> IndexedVectors | None:
    """Vectors that ``write_indexed`` wrote, mapped into memory; None if those of that name have no index.

    Args:
        folder: where.
        name: what the files begin with.
        ask: the index.

    Raises:
        OSError, ValueError: they are not there or damaged.
    """
    if not (folder / f"{name}.addresses.npy").exists():
        return None

    def mapped(part: str) -> NDArray[Any]:
        found: NDArray[Any] = np.load(folder / f"{name}{part}.npy", mmap_mode="r", allow_pickle=False)
        return found

    halves, own = mapped(""), Addresses(mapped(".addresses"), mapped(".rows"), np.array(mapped(".new")))
    fits = (
        halves.ndim == 2
        and halves.dtype == np.float16
        and own.sorted.dtype == np.uint64
        and own.rows.dtype == own.new.dtype == np.int64
        and own.sorted.shape == own.rows.shape
        and len(own.rows) <= len(halves)
        and (not len(own.new) or 0 <= own.new.min() <= own.new.max() < len(halves))
    )
    if not fits:
        raise ValueError("not vectors with an index")
    return IndexedVectors(halves, own, ask)
