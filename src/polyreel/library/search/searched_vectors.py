"""What a query is compared with: the vectors of a library, as they are or in one byte a number.

As they are, one product of float32 gives all cosines. In one byte a number a scan gives all of them nearly;
the best are read as they are, in float16, and compared again, which puts them in their exact order. How far
the scan was off with those tells which others could still belong among them, and these are compared, too. So
both give the same rows, but for a row that the scan puts further off than twice any of the hundreds compared.

Where more than 20,000 rows may be found, a scan of their signs comes first. The best of these, in all their
bits, set a mark, and only rows that the signs put less than three standard deviations below it go on; half as
many deviations where too many rows of all would, as with random ones. That is the one step that is not exact:
benchmarks/approximate_search.py measures what it leaves out.
"""

from __future__ import annotations

import dataclasses
import functools
import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from polyreel.library.search.exact import best_rows
from polyreel.library.search.quantised import Codes, can_scan
from polyreel.library.store.vector_index import IndexFacts, is_indexed

__all__ = [
    "Cosines",
    "DamagedVectorsError",
    "ExactVectors",
    "HalfVectors",
    "QuantisedVectors",
    "SearchedVectors",
    "each_by_itself",
    "is_large",
    "read_vectors",
    "way_of_search",
    "write_vectors",
]

EXACT_BYTES = 1 << 30
"""Vectors that take more than this in float32 are quantised: about 350,000 clips of 768 numbers. Below, a
search by exact products takes no more than some 40 ms on two cores."""
_COMPARED, _COMPARED_FOR_EACH, _COMPARED_AT_MOST = 500, 2.5, 20_000
SIGNS_FROM = 20_000
"""More rows than this are looked at by their signs first."""
_FIRST_LOOK, _FIRST_FOR_EACH, _SAMPLED = 2_000, 8, 32_768
# Deviations below the mark; the smaller number where with the larger one more than a few rows, or more than
# this share of all, would go on.
_WIDE, _NARROW, _FEW, _SHARE = 3.0, 1.5, 20_000, 1 / 64
# What four bits of a row and of a query leave open is known well enough to be cut further off.
_CLOSER = 3.0
# Of a smaller share of all rows the signs are read one by one.
_READ_ALONE = 0.2
_ROWS_AT_ONCE = 8_192
# How far a cosine may be off in a product of float32.
_ROUNDED = np.float32(2e-6)
_CHECK = "check"

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]


class DamagedVectorsError(ValueError):
    """What was laid out of a library does not agree with itself."""


class Cosines(Protocol):
    """Cosines of one query with all rows that are searched."""

    @property
    def approximate(self) -> bool:
        """Whether an index chose what ``best`` compared, in any call until now."""

    @property
    def every(self) -> Vectors:
        """(rows,) of all; of quantised vectors only nearly right, good for their mean and deviation."""

    def of(self, rows: Rows) -> Vectors:
        """Those of some rows, exactly."""

    def at_most(self, rows: Rows) -> Vectors | None:
        """What the same are at most, at little cost; None where each row would have to be read."""

    def best(self, count: int, allowed: NDArray[np.bool_] | None = None) -> tuple[Rows, Vectors]:
        """The rows of the highest, as ``best_rows`` has them, and their exact cosines."""


class SearchedVectors(Protocol):
    """Unit vectors, (rows, dim)."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and dim."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any) -> Vectors:
        """Rows by number, slice or mask, as they are: float32."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]: ...

    @property
    def stored(self) -> NDArray[np.floating[Any]]:
        """All of them, in the type that they are kept in."""

    def cosines(self, queries: Vectors) -> Sequence[Cosines]:
        """With each of (queries, dim)."""

    def exact_cosines(self, queries: Vectors) -> Sequence[Cosines]:
        """The same by products of float32 with every row, whatever that takes."""


def way_of_search(rows: int, dim: int, index: IndexFacts | None = None) -> str:
    """How so many vectors are searched on this machine, for a person to read.

    Args:
        rows: how many.
        dim: their width.
        index: what there is of one over them.
    """
    if index is not None and is_indexed(rows, dim, share=0.5):
        new = f", {index.new:,} new ones without it" if index.new else ""
        return f"approximately: by an index on the disk{new}, the best compared; --exact compares all"
    if is_large(rows, dim):
        wanted = "; 'polyreel index' makes an index for so many" if is_indexed(rows, dim) else ""
        return (
            f"nearly exactly: by signs, in one byte a number, the best compared; --exact compares all{wanted}"
        )
    wanted_bytes = rows * dim * 4 > EXACT_BYTES
    return "exactly, since numkong is not installed" if wanted_bytes else "exactly"


def is_large(rows: int, dim: int) -> bool:
    """Whether so many vectors are searched in one byte a number on this machine."""
    return rows * dim * 4 > EXACT_BYTES and can_scan()


def each_by_itself(vectors: Vectors, query: Vectors) -> Vectors:
    """Cosines of some rows, (rows,), as a sum of each by itself.

    In a product of all rows the last bits of one depend on where it lies. So equal rows have equal cosines,
    wherever they lie, and in whichever library.
    """
    return np.asarray((vectors * query).sum(axis=1), np.float32)


class _ExactCosines:
    approximate = False

    def __init__(self, among: SearchedVectors, query: Vectors, every: Vectors) -> None:
        self._among, self._query, self.every = among, query, every

    def of(self, rows: Rows) -> Vectors:
        return each_by_itself(self._among[np.asarray(rows, np.int64)], self._query)

    def at_most(self, rows: Rows) -> Vectors | None:
        return np.asarray(self.every[rows] + _ROUNDED)

    def best(self, count: int, allowed: NDArray[np.bool_] | None = None) -> tuple[Rows, Vectors]:
        rows, found = best_rows(self.every, count, allowed)
        if not len(rows):
            return rows, found
        could = self.every >= found[-1] - _ROUNDED
        near = np.flatnonzero(could if allowed is None else could & allowed)
        # Of so many that are all but equal, any are as good.
        rows = near if len(near) <= max(_COMPARED_AT_MOST, count) else np.sort(rows)
        places, exact = best_rows(self.of(rows), count)
        return rows[places].astype(np.int64), exact


class ExactVectors:
    """Vectors in float32, in memory or mapped into it.

    Args:
        matrix: (rows, dim).
    """

    def __init__(self, matrix: Vectors) -> None:
        self.stored = self._matrix = matrix
        self.shape: tuple[int, int] = (matrix.shape[0], matrix.shape[1])

    def __len__(self) -> int:
        return len(self._matrix)

    def __getitem__(self, rows: Any) -> Vectors:
        return np.asarray(self._matrix[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self._matrix, dtype, copy=copy)

    def cosines(self, queries: Vectors) -> Sequence[Cosines]:
        """One product for all queries."""
        # For one vector the product that reads the matrix only once is the faster one.
        every = (self._matrix @ queries[0])[None] if len(queries) == 1 else queries @ self._matrix.T
        return [_ExactCosines(self, query, row) for query, row in zip(queries, every, strict=True)]

    exact_cosines = cosines


class HalfVectors:
    """Vectors in float16, of which some are read now and then.

    Args:
        halves: (rows, dim), in memory or mapped into it.
    """

    def __init__(self, halves: NDArray[np.float16]) -> None:
        self.stored = self._halves = halves
        self.shape: tuple[int, int] = (halves.shape[0], halves.shape[1])
        self._mapped = halves.base if isinstance(halves.base, mmap.mmap) else None
        if self._mapped is not None:  # a row is less than a page, and those beside it are not wanted
            self._mapped.madvise(mmap.MADV_RANDOM)

    def __len__(self) -> int:
        return len(self._halves)

    def __getitem__(self, rows: Any) -> Vectors:
        if self._mapped is not None and isinstance(rows, slice):
            self._read_ahead(*rows.indices(len(self))[:2])
        found: Vectors = self._halves[rows].astype(np.float32)
        if self._mapped is not None and found.ndim > 1:
            # What was read stays in the cache of files, and counts as memory of this process no longer. Of
            # one row that is not worth the time; the next rows let go of its page as well.
            self._mapped.madvise(mmap.MADV_DONTNEED)
        return found

    def _read_ahead(self, begin: int, end: int) -> None:
        assert self._mapped is not None
        row = self._halves.shape[1] * self._halves.itemsize
        offset = len(self._mapped) - self._halves.nbytes
        start = (offset + begin * row) // mmap.PAGESIZE * mmap.PAGESIZE
        length = min(offset + end * row, len(self._mapped)) - start
        if length > 0:
            self._mapped.madvise(mmap.MADV_WILLNEED, start, length)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)

    def exact_cosines(self, queries: Vectors) -> Sequence[Cosines]:
        """Products with all rows as they are, a block at a time."""
        every = np.empty((len(queries), len(self)), np.float32)
        for start in range(0, len(self), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            every[:, part] = queries @ self[part].T
        return [_ExactCosines(self, query, row) for query, row in zip(queries, every, strict=True)]

    def cosines(self, queries: Vectors) -> Sequence[Cosines]:
        """With each of (queries, dim)."""
        return self.exact_cosines(queries)


class QuantisedVectors(HalfVectors):
    """Vectors in one byte a number, and in float16 for those that are compared again.

    Args:
        halves: (rows, dim) float16, in memory or mapped into it.
        codes: of the same rows.
    """

    def __init__(self, halves: NDArray[np.float16], codes: Codes) -> None:
        super().__init__(halves)
        self.codes = codes

    def cosines(self, queries: Vectors) -> Sequence[Cosines]:
        """At most one scan for all queries, once it is needed."""
        looked = _Looked(self.codes, queries)
        return [_NearCosines(self, looked, place) for place in range(len(queries))]

    def compare(self, query: Vectors, rows: Rows, nearly: Vectors) -> Vectors:
        """Exact cosines of some rows, (rows,).

        Args:
            query: (dim,).
            rows: which.
            nearly: (rows,) what the scan gave.

        Raises:
            DamagedVectorsError: they lie further apart than rounding explains.
        """
        vectors = self[rows]
        exact = each_by_itself(vectors, query)
        norms = np.sqrt(np.einsum("rd,rd->r", vectors, vectors))
        if not (np.abs(exact - nearly) <= self.codes.error_bounds(rows, norms, query)).all():
            raise DamagedVectorsError("quantised vectors are not those of the vectors beside them")
        return exact


class _Looked:
    """What the signs of all rows say about some queries."""

    def __init__(self, codes: Codes, queries: Vectors) -> None:
        self._codes, self.queries = codes, queries

    @functools.cached_property
    def estimates(self) -> Vectors:
        """(queries, rows)."""
        return self._codes.estimates(self.queries)


class _NearCosines:
    approximate = False

    def __init__(self, among: QuantisedVectors, looked: _Looked, place: int) -> None:
        self._among, self._looked, self._place = among, looked, place
        self._query = looked.queries[place]
        # What was compared, by ascending row: a ranking asks for the same rows several times.
        self._known = (np.zeros(0, np.int64), np.zeros(0, np.float32))

    @functools.cached_property
    def every(self) -> Vectors:
        (found,) = self._among.codes.products(self._query[None])
        return np.asarray(found, np.float32)

    def of(self, rows: Rows) -> Vectors:
        rows = np.asarray(rows, np.int64)
        if len(new := np.setdiff1d(rows, self._known[0])):
            nearly = self._among.codes.products(self._query[None], new)[0]
            compared = self._among.compare(self._query, new, nearly)
            known = np.concatenate([self._known[0], new])
            order = np.argsort(known)
            self._known = known[order], np.concatenate([self._known[1], compared])[order]
        return self._known[1][np.searchsorted(self._known[0], rows)]

    def at_most(self, rows: Rows) -> Vectors | None:
        codes, ones = self._among.codes, np.ones(len(rows), np.float32)
        products = codes.products(self._query[None], rows)[0]
        return np.asarray(products + codes.error_bounds(rows, ones, self._query))

    def best(self, count: int, allowed: NDArray[np.bool_] | None = None) -> tuple[Rows, Vectors]:
        among, nearly = self._favoured(count, allowed)
        wanted = max(_COMPARED, int(_COMPARED_FOR_EACH * count))
        while True:
            # In their order, so that those of equal cosine keep it.
            places = np.sort(best_rows(nearly, wanted)[0])
            exact = self.of(among[places])
            if len(places) < wanted or wanted >= _COMPARED_AT_MOST:
                break  # these are all, or as many as may be
            off = np.abs(exact - nearly[places]).max()
            mark = np.partition(exact, len(exact) - count)[len(exact) - count]
            wanted = int(np.count_nonzero(nearly >= mark - 2 * off))
            if wanted <= len(places):
                break
            # With more of them, it may prove to be further off: the first are those that it favours.
            wanted = min(wanted, _COMPARED_AT_MOST)
        first, found = best_rows(exact, count)
        return among[places][first], found

    def _favoured(self, count: int, allowed: NDArray[np.bool_] | None) -> tuple[Rows, Vectors]:
        """Rows among which the best are, ascending, and their products in all bits."""
        codes, query = self._among.codes, self._query[None]
        rows = None if allowed is None else np.flatnonzero(allowed)
        passing = len(codes) if rows is None else len(rows)
        if passing <= max(SIGNS_FROM, _FIRST_FOR_EACH * count):
            rows = np.arange(passing) if rows is None else rows
            return rows, codes.products(query, rows)[0]
        is_few = passing < _READ_ALONE * len(codes)
        if rows is None:
            looks, spreads = self._looked.estimates[self._place], codes.spreads
        elif is_few:
            looks, spreads = codes.estimates(query, rows)[0], codes.spreads[rows]
        else:
            looks, spreads = self._looked.estimates[self._place][rows], codes.spreads[rows]
        first = _highest(looks, count, max(_FIRST_LOOK, _FIRST_FOR_EACH * count))
        products = codes.products(query, first if rows is None else rows[first])[0]
        mark = np.partition(products, len(products) - count)[len(products) - count]
        places = np.flatnonzero(looks + np.float32(_WIDE) * spreads >= mark)
        # What a filter saves pays for all deviations: a filtered search leaves out no more than one of all.
        if len(places) > max(_FEW, _SHARE * passing) and not is_few:
            places = places[looks[places] + np.float32(_NARROW) * spreads[places] >= mark]
        rows = places if rows is None else rows[places]
        near, spreads = codes.closer(self._query, rows)
        rows = rows[near + np.float32(_CLOSER) * spreads >= mark]
        return rows, codes.products(query, rows)[0]


def _highest(values: Vectors, least: int, about: int) -> Rows:
    """Where about so many of the highest values are, and at least so many of them, ascending."""
    sample = values[:: max(1, len(values) // _SAMPLED)]
    while True:
        place = len(sample) - round(len(sample) * about / len(values))
        chosen = max(0, min(place, len(sample) - 1))
        found = np.flatnonzero(values >= np.partition(sample, chosen)[chosen])
        if len(found) >= min(least, len(values)):
            return found
        if place <= 0:
            return np.arange(len(values))
        about *= 8


def write_vectors(folder: Path, name: str, vectors: SearchedVectors) -> None:
    """Keep vectors, with a checksum where they are quantised.

    Args:
        folder: where.
        name: what the files begin with.
        vectors: what to keep.
    """
    if isinstance(vectors, QuantisedVectors):
        codes = vectors.codes
        for part, array in {**codes.arrays(), _CHECK: codes.checksum()}.items():
            np.save(folder / f"{name}.{part}.npy", array, allow_pickle=False)
    np.save(folder / f"{name}.npy", vectors.stored, allow_pickle=False)


def read_vectors(folder: Path, name: str) -> SearchedVectors:
    """Vectors that ``write_vectors`` wrote, mapped into memory.

    Raises:
        OSError, ValueError: they are not there, damaged, or cannot be searched here.
    """

    def mapped(part: str) -> NDArray[Any]:
        found: NDArray[Any] = np.load(folder / f"{name}{part}.npy", mmap_mode="r", allow_pickle=False)
        return found

    vectors = mapped("")
    if vectors.ndim != 2 or vectors.dtype not in (np.float32, np.float16):
        raise ValueError("not vectors")
    if vectors.dtype == np.float32:
        return ExactVectors(vectors)
    codes = Codes(**{field.name: mapped(f".{field.name}") for field in dataclasses.fields(Codes)})
    if (
        not can_scan()
        or not codes.fit(vectors.shape)
        or not np.array_equal(codes.checksum(), mapped(f".{_CHECK}"))
    ):
        raise ValueError("quantised vectors are damaged, or nothing is here to search them with")
    return QuantisedVectors(vectors, codes)
