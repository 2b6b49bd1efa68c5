"""What a query is compared with: the vectors of a library, as they are or in one byte a number.

As they are, one product of float32 gives all cosines. In one byte a number a scan gives all of them nearly;
the best are read as they are, in float16, and compared again, which puts them in their exact order. How far
the scan was off with those tells which others could still belong among them, and these are compared, too. So
both give the same rows, but for a row that the scan puts further off than twice any of the hundreds compared.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from polyreel.library.search.exact import best_rows
from polyreel.library.search.quantised import Codes, can_scan

__all__ = [
    "Cosines",
    "DamagedVectorsError",
    "ExactVectors",
    "QuantisedVectors",
    "SearchedVectors",
    "is_large",
    "read_vectors",
    "way_of_search",
    "write_vectors",
]

EXACT_BYTES = 1 << 30
"""Vectors that take more than this in float32 are quantised: about 350,000 clips of 768 numbers. Below, a
search by exact products takes no more than some 40 ms on two cores."""
_COMPARED, _COMPARED_FOR_EACH, _COMPARED_AT_MOST = 500, 2.5, 20_000
_ROWS_AT_ONCE = 8_192
# How far a cosine may be off in a product of float32.
_ROUNDED = np.float32(2e-6)
_CODES, _SCALES, _CHECK = "codes", "scales", "check"

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]


class DamagedVectorsError(ValueError):
    """What was laid out of a library does not agree with itself."""


class Cosines(Protocol):
    """Cosines of one query with all rows that are searched."""

    @property
    def every(self) -> Vectors:
        """(rows,) of all; of quantised vectors only nearly right, good for their mean and deviation."""

    def of(self, rows: Rows) -> Vectors:
        """Those of some rows, exactly."""

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


def way_of_search(rows: int, dim: int) -> str:
    """How so many vectors are searched on this machine, for a person to read."""
    if is_large(rows, dim):
        return "in one byte a number, the best compared exactly"
    wanted = rows * dim * 4 > EXACT_BYTES
    return "exactly, since numkong is not installed" if wanted else "exactly"


def is_large(rows: int, dim: int) -> bool:
    """Whether so many vectors are searched in one byte a number on this machine."""
    return rows * dim * 4 > EXACT_BYTES and can_scan()


def _each_by_itself(vectors: Vectors, query: Vectors) -> Vectors:
    """Cosines of some rows, (rows,), as a sum of each by itself.

    In a product of all rows the last bits of one depend on where it lies. So equal rows have equal cosines,
    wherever they lie, and in whichever library.
    """
    return np.asarray((vectors * query).sum(axis=1), np.float32)


class _ExactCosines:
    def __init__(self, among: SearchedVectors, query: Vectors, every: Vectors) -> None:
        self._among, self._query, self.every = among, query, every

    def of(self, rows: Rows) -> Vectors:
        return _each_by_itself(self._among[np.asarray(rows, np.int64)], self._query)

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


class QuantisedVectors:
    """Vectors in one byte a number, and in float16 for those that are compared again.

    Args:
        halves: (rows, dim) float16, in memory or mapped into it.
        codes: of the same rows.
    """

    def __init__(self, halves: NDArray[np.float16], codes: Codes) -> None:
        self.stored = self._halves = halves
        self.codes = codes
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

    def cosines(self, queries: Vectors) -> Sequence[Cosines]:
        """One scan for all queries."""
        nearly = self.codes.products(queries)
        return [_NearCosines(self, query, row) for query, row in zip(queries, nearly, strict=True)]

    def exact_cosines(self, queries: Vectors) -> Sequence[Cosines]:
        """Products with all rows as they are, a block at a time."""
        every = np.empty((len(queries), len(self)), np.float32)
        for start in range(0, len(self), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            every[:, part] = queries @ self[part].T
        return [_ExactCosines(self, query, row) for query, row in zip(queries, every, strict=True)]

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
        exact = _each_by_itself(vectors, query)
        norms = np.sqrt(np.einsum("rd,rd->r", vectors, vectors))
        if not (np.abs(exact - nearly) <= self.codes.error_bounds(rows, norms, query)).all():
            raise DamagedVectorsError("quantised vectors are not those of the vectors beside them")
        return exact


class _NearCosines:
    def __init__(self, among: QuantisedVectors, query: Vectors, every: Vectors) -> None:
        self._among, self._query, self.every = among, query, every
        # What was compared, by ascending row: a ranking asks for the same rows several times.
        self._known = (np.zeros(0, np.int64), np.zeros(0, np.float32))

    def of(self, rows: Rows) -> Vectors:
        rows = np.asarray(rows, np.int64)
        if len(new := np.setdiff1d(rows, self._known[0])):
            compared = self._among.compare(self._query, new, self.every[new])
            known = np.concatenate([self._known[0], new])
            order = np.argsort(known)
            self._known = known[order], np.concatenate([self._known[1], compared])[order]
        return self._known[1][np.searchsorted(self._known[0], rows)]

    def best(self, count: int, allowed: NDArray[np.bool_] | None = None) -> tuple[Rows, Vectors]:
        wanted = max(_COMPARED, int(_COMPARED_FOR_EACH * count))
        while True:
            rows = self._nearest(wanted, allowed)
            exact = self.of(rows)
            if len(rows) < wanted or wanted >= _COMPARED_AT_MOST:
                break  # these are all, or as many as may be
            off = np.abs(exact - self.every[rows]).max()
            could = self.every >= np.partition(exact, len(exact) - count)[len(exact) - count] - 2 * off
            wanted = int(np.count_nonzero(could if allowed is None else could & allowed))
            if wanted <= len(rows):
                break
            # With more of them, it may prove to be further off: the first are those that it favours.
            wanted = min(wanted, _COMPARED_AT_MOST)
        places, found = best_rows(exact, count)
        return rows[places], found

    def _nearest(self, count: int, allowed: NDArray[np.bool_] | None) -> Rows:
        """The rows that the scan puts first, ascending, so that those of equal cosine keep their order."""
        return np.sort(best_rows(self.every, count, allowed)[0])


def write_vectors(folder: Path, name: str, vectors: SearchedVectors) -> None:
    """Keep vectors, with a checksum where they are quantised.

    Args:
        folder: where.
        name: what the files begin with.
        vectors: what to keep.
    """
    if isinstance(vectors, QuantisedVectors):
        codes = vectors.codes
        parts: dict[str, NDArray[Any]] = {
            _CODES: codes.numbers,
            _SCALES: codes.scales,
            _CHECK: codes.checksum(),
        }
        for part, array in parts.items():
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
    codes = Codes(mapped(f".{_CODES}"), mapped(f".{_SCALES}"))
    if (
        not can_scan()
        or not codes.fit(vectors.shape)
        or not np.array_equal(codes.checksum(), mapped(f".{_CHECK}"))
    ):
        raise ValueError("quantised vectors are damaged, or nothing is here to search them with")
    return QuantisedVectors(vectors, codes)
