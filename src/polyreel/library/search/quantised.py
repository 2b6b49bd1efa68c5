"""Vectors in one byte a number: a quarter of the memory, and of what a search has to read.

Each row is divided by its own largest number and rounded to one of 255 steps (symmetric scalar
quantisation). A query is rounded likewise, so that a product of the two is a sum of whole numbers, which
NumKong forms exactly on every processor; only the rounding parts it from the cosine, and
``Codes.error_bounds`` says by how much at most. Where there is no wheel of NumKong, nothing is quantised.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Codes", "can_scan", "quantise"]

_STEPS = 127
_ROWS_AT_ONCE = 65_536
# Fewer rows than this are scanned sooner than a thread has started.
_ROWS_A_THREAD = 50_000

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """Quantised rows: row ``i`` is about ``scales[i] * numbers[i]``.

    Attributes:
        numbers: (rows, dim) int8.
        scales: (rows,) float32; 0 of a row of zeros.
    """

    numbers: NDArray[np.int8]
    scales: Vectors

    def fit(self, shape: tuple[int, ...]) -> bool:
        """Whether they can be those of vectors of a shape."""
        of_type = self.numbers.dtype == np.int8 and self.scales.dtype == np.float32
        return of_type and self.numbers.shape == shape and self.scales.shape == shape[:1]

    def products(self, queries: Vectors) -> Vectors:
        """About ``queries @ rows.T``, (queries, rows), the same on every processor and in every run.

        Args:
            queries: (queries, dim) float32.
        """
        asked = quantise(queries)
        rows = len(self.numbers)
        found = np.empty((len(queries), rows), np.float32)
        if not found.size:
            return found
        threads = max(1, min(len(os.sched_getaffinity(0)), rows // _ROWS_A_THREAD))
        ends = np.linspace(0, rows, threads + 1).astype(int)
        parts = [slice(int(begin), int(end)) for begin, end in pairwise(ends)]
        if threads == 1:
            self._fill(found, asked, parts[0])
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(lambda part: self._fill(found, asked, part), parts))
        return found

    def _fill(self, found: Vectors, asked: Codes, part: slice) -> None:
        """The columns ``part`` of ``found``; a block at a time, so that whole numbers need little memory."""
        numkong = _numkong()
        packed = numkong.dots_pack(asked.numbers, dtype="int8") if len(asked.numbers) > 1 else None
        for rows in _blocks(part.start, part.stop):
            numbers, scales = self.numbers[rows], self.scales[rows]
            if packed is None:  # for one query this is the faster one
                sums = np.empty((len(numbers), 1), np.int32)
                numkong.dot(numbers, asked.numbers[0], out=sums[:, 0])
            else:
                sums = np.asarray(numkong.dots_packed(numbers, packed))
            np.multiply(sums.T, scales, out=found[:, rows], casting="unsafe")
            found[:, rows] *= asked.scales[:, None]

    def error_bounds(self, rows: NDArray[np.int64], norms: Vectors, query: Vectors) -> Vectors:
        """What the products of rows with a query may lack to the true ones at most, (rows,).

        Each number of a row is off by half a step at most, and each of the query; Cauchy and Schwarz do the
        rest, and a little is left for float32.

        Args:
            rows: which.
            norms: (rows,) of them before they were quantised.
            query: (dim,).
        """
        asked = quantise(query[None])
        half = np.sqrt(np.float32(self.numbers.shape[1])) / 2
        off = half * self.scales[rows]
        asked_off = half * asked.scales[0]
        bounds = off * np.linalg.norm(query) + asked_off * (norms + off)
        return np.asarray(bounds * 1.01 + 1e-6, np.float32)

    def checksum(self) -> NDArray[np.uint64]:
        """Sums of all bytes, eight at a time, of the numbers and of the scales, (2,).

        Any one damaged spot, and pages that were never written, change it, at the speed of reading.
        """
        return np.array([_sum_of_words(self.numbers), _sum_of_words(self.scales)], np.uint64)


def quantise(vectors: NDArray[np.floating[Any]]) -> Codes:
    """Rows in one byte a number.

    Args:
        vectors: (rows, dim) of float32 or float16, finite.
    """
    numbers = np.empty(vectors.shape, np.int8)
    scales = np.empty(len(vectors), np.float32)
    for rows in _blocks(0, len(vectors)):
        part = vectors[rows].astype(np.float32)
        scales[rows] = np.abs(part).max(axis=1, initial=0.0) / _STEPS
        # What is smaller would not have an inverse.
        scales[rows][scales[rows] < np.finfo(np.float32).tiny] = 0.0
        part /= np.where(scales[rows] > 0, scales[rows], np.inf)[:, None]
        numbers[rows] = np.rint(part, out=part)
    return Codes(numbers, scales)


def can_scan() -> bool:
    """Whether quantised vectors can be searched on this machine."""
    return importlib.util.find_spec("numkong") is not None


def _numkong() -> Any:
    # Imported late: 46 MB, which only large libraries need.
    import numkong

    return numkong


def _blocks(begin: int, end: int) -> Iterator[slice]:
    return (slice(at, min(at + _ROWS_AT_ONCE, end)) for at in range(begin, end, _ROWS_AT_ONCE))


def _sum_of_words(array: NDArray[Any]) -> np.uint64:
    data = array.reshape(-1).view(np.uint8)
    whole = len(data) - len(data) % 8
    parts = (data[:whole].view(np.uint64), data[whole:])
    return np.uint64(np.add.reduce([np.add.reduce(part, dtype=np.uint64) for part in parts]))
