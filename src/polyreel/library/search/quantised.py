"""Vectors in one byte a number, bit by bit: a quarter of the memory, and a thirtieth of it for a first look.

Of each row the mean of all is taken off; what is left is divided by its own largest number and rounded to one
of 255 steps (symmetric scalar quantisation). The bytes are kept as planes of bits, those of the signs first:
a scan reads these alone, three more planes of the rows that it favours, and the others of the few that are
left. Products of bits are counts, which NumKong forms exactly on every processor; only rounding parts a
product of whole rows from the cosine, and ``Codes.error_bounds`` says by how much at most.

From the signs alone a cosine is estimated as RaBitQ does it (Gao and Long, SIGMOD 2024): without bias, and
with a deviation that is known for each row. Their random rotation is left out: on real vectors the deviation
is 1.05 to 1.1 times as large without it, and laying a library out would take several times as long. Where
there is no wheel of NumKong, nothing is quantised.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Codes", "can_scan", "quantise"]

_BITS, _UPPER = 8, 3
_STEPS = 127
# A first look at four bits of a query adds a fiftieth to the variance that signs have.
_BITS_OF_A_LOOK = 4
# What comes of so many planes of bits, each with one query, stays in the processor's cache; with fewer, calls
# take more time than they work.
_PLANES_AT_ONCE, _FEWEST_ROWS = 8_192, 256
_QUANTISED_AT_ONCE = 4_096
# Fewer rows than this are scanned sooner than a thread has started.
_ROWS_A_THREAD = 50_000
_SAMPLED_ROWS = 20_000

Vectors = NDArray[np.float32]
Bits = NDArray[np.uint8]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """Quantised rows: row ``i`` is about ``centre + scales[i] * numbers``.

    Its ``numbers``, plus 128, are bytes; ``signs`` has their first bits, ``upper`` the next three and
    ``lower`` the last four, most significant first, eight numbers in a byte.

    Attributes:
        signs: (rows, dim / 8) bytes, rounded up.
        upper, lower: (rows, 3 or 4, dim / 8).
        scales: (rows,) float32; 0 of a row that is the centre.
        lengths: (rows,) float32, what the product of signs with a query is multiplied by.
        spreads: (rows,) float32, the standard deviation of such a product for a query of length 1.
        centre: (dim,) float32.
    """

    signs: Bits
    upper: Bits
    lower: Bits
    scales: Vectors
    lengths: Vectors
    spreads: Vectors
    centre: Vectors

    def __len__(self) -> int:
        return len(self.scales)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What they consist of, by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def fit(self, shape: tuple[int, int]) -> bool:
        """Whether they can be those of vectors of a shape."""
        (rows, dim), width = shape, -(-shape[1] // 8)
        bits: dict[str, tuple[int, ...]] = {
            "signs": (rows, width),
            "upper": (rows, _UPPER, width),
            "lower": (rows, _BITS - 1 - _UPPER, width),
        }
        numbers: dict[str, tuple[int, ...]] = {
            **dict.fromkeys(("scales", "lengths", "spreads"), (rows,)),
            "centre": (dim,),
        }
        found = self.arrays()
        return all(
            found[name].dtype == kind and found[name].shape == wanted
            for kind, shapes in ((np.uint8, bits), (np.float32, numbers))
            for name, wanted in shapes.items()
        )

    def products(self, queries: Vectors, rows: Rows | None = None) -> Vectors:
        """About ``queries @ rows.T``, (queries, rows), the same on every processor and in every run.

        Args:
            queries: (queries, dim) float32.
            rows: which; None for all.
        """
        asked = _Asked.of(queries, _BITS)

        def fill(part: slice) -> Vectors:
            which = part if rows is None else rows[part]
            planes = [self.signs[which][:, None], self.upper[which], self.lower[which]]
            sums = asked.counts(np.concatenate(planes, axis=1)) @ _weights(_BITS) - 128 * asked.sums[:, None]
            return np.asarray(sums * asked.scales[:, None] * self.scales[which], np.float32)

        return self._filled(queries, len(self) if rows is None else len(rows), fill, _BITS)

    def estimates(self, queries: Vectors, rows: Rows | None = None) -> Vectors:
        """The same by signs alone, with the deviations ``spreads``.

        Args:
            queries: (queries, dim) float32.
            rows: which; None for all.
        """
        asked = _Asked.of(queries, _BITS_OF_A_LOOK)

        def fill(part: slice) -> Vectors:
            which = part if rows is None else rows[part]
            found = asked.counts(self.signs[which][:, None])[:, :, 0]
            found *= 2
            found -= asked.sums[:, None]
            found *= self.lengths[which]
            found *= asked.scales[:, None]
            return found

        return self._filled(queries, len(self) if rows is None else len(rows), fill, 1)

    def closer(self, query: Vectors, rows: Rows) -> tuple[Vectors, Vectors]:
        """The same by the first four bits of each number, and the standard deviations of that, each (rows,).

        Args:
            query: (dim,) float32.
            rows: which.
        """
        asked = _Asked.of(query[None], _BITS_OF_A_LOOK)
        steps = 1 << (_BITS - 1 - _UPPER)
        products = np.empty(len(rows), np.float32)
        for part in _blocks(0, len(rows), _PLANES_AT_ONCE // (1 + _UPPER)):
            which = rows[part]
            planes = np.concatenate([self.signs[which][:, None], self.upper[which]], axis=1)
            # In the middle of the steps that the other bits would tell apart.
            sums = asked.counts(planes)[0] @ _weights(1 + _UPPER) * steps
            sums += ((steps - 1) / 2 - 128) * asked.sums[0]
            products[part] = sums * asked.scales[0] * self.scales[which]
        products += query @ self.centre
        of_rows = np.float32(steps / np.sqrt(12)) * self.scales[rows] * np.linalg.norm(query)
        # A row is no longer than its signs times their length.
        of_query = asked.scales[0] * np.sqrt(np.float32(len(self.centre) / 12)) * self.lengths[rows]
        return products, np.hypot(of_rows, of_query)

    def _filled(self, queries: Vectors, rows: int, fill: Callable[[slice], Vectors], planes: int) -> Vectors:
        """(queries, rows), a block at a time, by several threads.

        Args:
            queries: (queries, dim).
            rows: how many.
            fill: makes those of some rows.
            planes: of bits that it reads of each.
        """
        found = np.empty((len(queries), rows), np.float32)
        if not found.size:
            return found
        centre = (queries * self.centre).sum(axis=1, keepdims=True)

        at_once = max(_FEWEST_ROWS, _PLANES_AT_ONCE // (planes * len(queries)))

        def work(begin: int, end: int) -> None:
            for part in _blocks(begin, end, at_once):
                np.add(fill(part), centre, out=found[:, part])

        threads = max(1, min(len(os.sched_getaffinity(0)), rows // _ROWS_A_THREAD))
        ends = np.linspace(0, rows, threads + 1).astype(int).tolist()
        if threads == 1:
            work(0, rows)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, ends[:-1], ends[1:]))
        return found

    def error_bounds(self, rows: Rows, norms: Vectors, query: Vectors) -> Vectors:
        """What the products of rows with a query may lack to the true ones at most, (rows,).

        Each number of a row is off by half a step at most, and each of the query; Cauchy and Schwarz do the
        rest, and a little is left for float32.

        Args:
            rows: which.
            norms: (rows,) of them before they were quantised.
            query: (dim,).
        """
        asked = _Asked.of(query[None], _BITS)
        half = np.sqrt(np.float32(len(self.centre))) / 2
        off = half * self.scales[rows]
        asked_off = half * asked.scales[0]
        bounds = off * np.linalg.norm(query) + asked_off * (norms + np.linalg.norm(self.centre) + off)
        return np.asarray(bounds * 1.01 + 1e-6, np.float32)

    def checksum(self) -> NDArray[np.uint64]:
        """Sums of all bytes, eight at a time, of each of the arrays.

        Any one damaged spot, and pages that were never written, change it, at the speed of reading.
        """
        return np.array([_sum_of_words(array) for array in self.arrays().values()], np.uint64)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Queries as whole numbers of some bits, in planes.

    Attributes:
        planes: NumKong's, those of the first query first, least significant first.
        bits: of a number.
        sums: (queries,) of their numbers.
        scales: (queries,).
    """

    planes: Any
    bits: int
    sums: Vectors
    scales: Vectors

    @classmethod
    def of(cls, queries: Vectors, bits: int) -> _Asked:
        most = (1 << (bits - 1)) - 1
        scales = _steps(queries, most)
        numbers = _rounded(queries, scales).astype(np.int16)
        planes = np.stack([np.packbits(numbers >> bit & 1, axis=1) for bit in range(bits)], axis=1)
        # Bits, that is; NumKong takes "u1" for numpy's bytes.
        packed = _numkong().dots_pack(planes.reshape(-1, planes.shape[2]), dtype="uint1")
        return cls(packed, bits, numbers.sum(axis=1, dtype=np.float32), scales)

    def counts(self, planes: Bits) -> Vectors:
        """Products with each of (rows, planes, bytes) of bits, (queries, rows, planes)."""
        rows, several, width = planes.shape
        counts = np.asarray(_numkong().dots_packed(planes.reshape(-1, width), self.planes))
        # In two's complement the last bit is below zero. Whole numbers of this size are exact in float32.
        weights = (1 << np.arange(self.bits)).astype(np.float32)
        weights[-1] *= -1
        sums = (counts.reshape(-1, self.bits).astype(np.float32) @ weights).reshape(rows * several, -1)
        return np.ascontiguousarray(sums.T).reshape(len(self.scales), rows, several)


def quantise(vectors: NDArray[np.floating[Any]], centre: Vectors | None = None) -> Codes:
    """Rows in one byte a number.

    Args:
        vectors: (rows, dim) of float32 or float16, finite.
        centre: (dim,) what is taken off them; by default the mean of some of them.
    """
    rows, dim = vectors.shape
    if centre is None:
        sample = vectors[:: max(1, rows // _SAMPLED_ROWS)]
        centre = sample.mean(axis=0, dtype=np.float32) if rows else np.zeros(dim, np.float32)
    width = -(-dim // 8)
    signs = np.empty((rows, width), np.uint8)
    upper, lower = (np.empty((rows, many, width), np.uint8) for many in (_UPPER, _BITS - 1 - _UPPER))
    scales, lengths, spreads = (np.empty(rows, np.float32) for _ in range(3))
    for part in _blocks(0, rows, _QUANTISED_AT_ONCE):
        block = vectors[part].astype(np.float32) - centre
        scales[part] = _steps(block, _STEPS)
        numbers = (_rounded(block, scales[part]) + 128).astype(np.uint8)
        planes = [np.packbits(numbers & np.uint8(1 << bit), axis=1) for bit in reversed(range(_BITS))]
        signs[part] = planes[0]
        upper[part] = np.stack(planes[1 : 1 + _UPPER], axis=1)
        lower[part] = np.stack(planes[1 + _UPPER :], axis=1)
        squares = np.einsum("rd,rd->r", block, block)
        along = np.abs(block).sum(axis=1)
        some = along > 0
        lengths[part] = np.divide(squares, along, out=np.zeros_like(along), where=some)
        # What of the row is not along its signs, as seen by a query in a random direction.
        apart = np.maximum(dim * lengths[part] ** 2 - squares, 0)
        spreads[part] = np.sqrt(apart / dim)
    return Codes(signs, upper, lower, scales, lengths, spreads, centre)


def can_scan() -> bool:
    """Whether quantised vectors can be searched on this machine."""
    return importlib.util.find_spec("numkong") is not None


def _numkong() -> Any:
    # Imported late: 46 MB, which only large libraries need.
    import numkong

    return numkong


def _steps(vectors: Vectors, most: int) -> Vectors:
    """What each row is divided by so that its numbers are at most so large; 0 if it is next to nothing."""
    steps = np.abs(vectors).max(axis=1, initial=0.0) / np.float32(most)
    # What is smaller would not have an inverse.
    steps[steps < np.finfo(np.float32).tiny] = 0.0
    return np.asarray(steps, np.float32)


def _rounded(vectors: Vectors, steps: Vectors) -> Vectors:
    return np.asarray(np.rint(vectors / np.where(steps > 0, steps, np.inf)[:, None]), np.float32)


def _weights(bits: int) -> NDArray[np.float64]:
    """Of planes of bits, most significant first; in float64, where sums are exact in any order."""
    return (1 << np.arange(bits)[::-1]).astype(np.float64)


def _blocks(begin: int, end: int, at_once: int) -> Iterator[slice]:
    return (slice(at, min(at + at_once, end)) for at in range(begin, end, at_once))


def _sum_of_words(array: NDArray[Any]) -> np.uint64:
    data = array.reshape(-1).view(np.uint8)
    whole = len(data) - len(data) % 8
    parts = (data[:whole].view(np.uint64), data[whole:])
    return np.uint64(np.add.reduce([np.add.reduce(part, dtype=np.uint64) for part in parts]))
