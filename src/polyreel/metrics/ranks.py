"""Where the relevant items of each query stand, with ties decided by nobody.

Items of equal score have no order. So a rank is kept as what is known of it: how many items score higher, how
many share the score, and how many of those are relevant. Every metric (``metrics``) is then its exact
expectation over the random orders of the tied items: a constant matrix of 1,000 x 1,000 scores R@1 = 0.1, not
0 and not 100.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyreel.arrays import as_array, raise_if_any
from polyreel.errors import UsageError

__all__ = ["Ranks", "Relevance", "rank_embeddings", "rank_scores"]

_MEMORY_BYTES = 64 << 20
_CHECKSUMS_AT_ONCE = 256
_SORT_FROM = 16  # distinct scores; from here on one sort costs less than two passes for each


@dataclass(frozen=True, slots=True)
class Relevance:
    """Which gallery items are relevant to each query. Made, and checked, by ``Relevance.of``.

    Attributes:
        gallery: number of items in the gallery.
        offsets: (queries + 1,); the items of query ``i`` are ``columns[offsets[i]:offsets[i + 1]]``.
        columns: relevant items, one query after the other.
    """

    gallery: int
    offsets: NDArray[np.int64]
    columns: NDArray[np.int64]

    @classmethod
    def of(cls, truth: Sequence[Sequence[int]], gallery: int) -> Relevance:
        """Check lists of relevant columns, one for each query.

        Raises:
            UsageError: there is no query, or a list is empty, is no list of whole numbers, names a column
                twice or one that is not there; the message names the rows.
        """
        try:
            lists = [_column_list(columns) for columns in truth]
        except TypeError as error:
            raise UsageError(
                "truth is not a list",
                value=type(truth).__name__,
                remedy="Give for each query a list of the relevant columns, as [[0], [1, 5]]",
            ) from error
        if not lists:
            raise UsageError("there is no query", remedy="Give at least one")
        raise_if_any(
            [columns is None for columns in lists],
            "truth is not a list of columns",
            "Give each query a list of whole numbers, also where it has only one",
        )
        kept = [columns for columns in lists if columns is not None]
        counts = np.array([len(columns) for columns in kept], np.int64)
        raise_if_any(counts == 0, "queries without a relevant item", "Leave them out, and say so")
        offsets = np.concatenate([[0], np.cumsum(counts)])
        columns = np.concatenate(kept)
        owners = np.repeat(np.arange(len(kept)), counts)
        outside = (columns < 0) | (columns >= gallery)
        raise_if_any(
            np.bincount(owners[outside], minlength=len(kept)) > 0,
            "truth names columns that are not there",
            f"The gallery has {gallery:,} columns, counted from 0",
        )
        pairs = np.sort(owners * gallery + columns)
        twice = pairs[1:][pairs[1:] == pairs[:-1]] // gallery
        raise_if_any(
            np.bincount(twice, minlength=len(kept)) > 0, "truth names a column twice", "Name each once"
        )
        return cls(gallery, offsets, columns)

    @property
    def n_queries(self) -> int:
        """Number of queries."""
        return len(self.offsets) - 1

    def of_query(self, query: int) -> NDArray[np.int64]:
        """Relevant columns of one query."""
        return self.columns[self.offsets[query] : self.offsets[query + 1]]

    def inverse(self) -> tuple[NDArray[np.int64], Relevance]:
        """The other direction, where gallery items ask for queries (video to text instead of text to video).

        Returns:
            The items that some query names, (items,), ascending, and the queries that are relevant to each:
            rank ``similarity.T[items]`` by them. An item that no query names has nothing to find and is not
            among them; say how many those are.
        """
        owners = np.repeat(np.arange(self.n_queries), np.diff(self.offsets))
        items, counts = np.unique(self.columns, return_counts=True)
        by_item = owners[np.argsort(self.columns, kind="stable")]
        return items, Relevance(self.n_queries, np.concatenate([[0], np.cumsum(counts)]), by_item)


@dataclass(frozen=True, slots=True)
class Ranks:
    """For each query, the distinct scores of its relevant items, best first ("levels").

    Attributes:
        gallery: number of items in the gallery.
        offsets: (queries + 1,); the levels of query ``i`` are rows ``offsets[i]:offsets[i + 1]``.
        above: (levels,) items that score strictly higher.
        tied: (levels,) items of this score, relevant or not.
        relevant: (levels,) relevant ones among those.
    """

    gallery: int
    offsets: NDArray[np.int64]
    above: NDArray[np.int64]
    tied: NDArray[np.int64]
    relevant: NDArray[np.int64]

    @property
    def n_queries(self) -> int:
        """Number of queries."""
        return len(self.offsets) - 1

    @property
    def first(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """``above``, ``tied`` and ``relevant`` of each query's best relevant item, (queries,) each."""
        start = self.offsets[:-1]
        return self.above[start], self.tied[start], self.relevant[start]

    def take(self, queries: NDArray[np.integer] | NDArray[np.bool_] | Sequence[int]) -> Ranks:
        """The ranks of some queries only, given by number or by a mask over all.

        Raises:
            UsageError: none is chosen, one is not there, or a mask is of another length.
        """
        chosen = np.asarray(queries)
        if chosen.dtype.kind == "b":
            if chosen.shape != (self.n_queries,):
                raise UsageError("the mask is not over all queries", value=f"{chosen.shape}")
            chosen = np.flatnonzero(chosen)
        if not chosen.size:
            raise UsageError("no query is chosen", remedy="A metric of nothing has no value: leave it out")
        chosen = chosen.astype(np.int64)
        raise_if_any(
            (chosen < 0) | (chosen >= self.n_queries),
            "chosen queries are not there",
            f"There are {self.n_queries:,}",
        )
        counts = np.diff(self.offsets)[chosen]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        rows = np.repeat(self.offsets[chosen] - offsets[:-1], counts) + np.arange(offsets[-1])
        return Ranks(self.gallery, offsets, self.above[rows], self.tied[rows], self.relevant[rows])


def rank_scores(
    similarity: ArrayLike, truth: Relevance | Sequence[Sequence[int]], *, memory_bytes: int = _MEMORY_BYTES
) -> Ranks:
    """Rank a given similarity matrix, a few rows at a time (it may be memory-mapped).

    Args:
        similarity: (queries, gallery) float16, float32 or float64; higher is better.
        truth: relevant columns of each query.
        memory_bytes: how much the rows in work may take; one row is always possible.

    Raises:
        UsageError: the shape is not that of ``truth``, the type is no float, or a score is not finite; the
            message names the rows, and nothing is dropped.
    """
    scores = _floats("scores", similarity)
    if not isinstance(truth, Relevance):
        if scores.ndim != 2:
            raise UsageError("scores must be a matrix, queries by gallery", value=f"shape {scores.shape}")
        truth = Relevance.of(truth, scores.shape[1])
    if scores.shape != (truth.n_queries, truth.gallery):
        raise UsageError(
            "similarity and truth disagree",
            value=f"shape {scores.shape}, truth for {truth.n_queries:,} x {truth.gallery:,}",
            remedy="Give one row for each truth list and one column for each gallery item",
        )
    # float16 compares slowly, and float32 holds each of its values.
    dtype = np.result_type(scores.dtype, np.float32)
    return _rank(lambda rows: np.ascontiguousarray(scores[rows], dtype), truth, dtype.itemsize, memory_bytes)


def rank_embeddings(
    queries: ArrayLike,
    gallery: ArrayLike,
    truth: Relevance | Sequence[Sequence[int]],
    *,
    memory_bytes: int = _MEMORY_BYTES,
) -> Ranks:
    """Rank gallery vectors by their dot product with each query, never holding the whole matrix.

    Each row of scores is computed at once, because a score that is computed in another way can differ in its
    last bit and would no longer tie with itself; items with identical vectors get identical scores.

    Args:
        queries: (queries, dim) float16, float32 or float64; products are taken in float32.
        gallery: (items, dim), likewise.
        truth: relevant items of each query.
        memory_bytes: how much the scores in work may take; one row is always possible.

    Raises:
        UsageError: shapes disagree, the type is no float, or a vector or a product is not finite; the message
            names the rows.
    """
    vectors, items = _floats("query vectors", queries), _floats("gallery vectors", gallery)
    if vectors.ndim != 2 or items.ndim != 2 or vectors.shape[1] != items.shape[1] or not items.shape[1]:
        raise UsageError("queries and gallery disagree", value=f"shapes {vectors.shape} and {items.shape}")
    if not isinstance(truth, Relevance):
        truth = Relevance.of(truth, len(items))
    if (len(vectors), len(items)) != (truth.n_queries, truth.gallery):
        raise UsageError(
            "embeddings and truth disagree",
            value=f"{len(vectors):,} x {len(items):,} against {truth.n_queries:,} x {truth.gallery:,}",
        )
    vectors, items = _float32("query", vectors), _float32("gallery", items)
    copies, originals = _duplicates(items)
    # One block for all products: to be given the pages of a new one costs as much as ranking it.
    height = min(_height(truth, items.itemsize, memory_bytes), truth.n_queries)
    room = np.empty((height, truth.gallery), np.float32)

    def scores(rows: slice) -> NDArray[np.floating]:
        block = room[: rows.stop - rows.start]
        with np.errstate(over="ignore", invalid="ignore"):  # an overflow is refused with its row
            np.matmul(vectors[rows], items.T, out=block)
        if len(copies):
            block[:, copies] = block[:, originals]
        return block

    # No product is larger than those of the lengths, so of these vectors none can overflow.
    with np.errstate(over="ignore"):
        longest = math.prod(float(np.linalg.norm(each, axis=1).max()) for each in (vectors, items))
    finite = longest < float(np.finfo(np.float32).max) / 2
    return _rank(scores, truth, items.itemsize, memory_bytes, finite=finite)


def _height(truth: Relevance, itemsize: int, memory_bytes: int) -> int:
    """How many rows of scores are in work at once."""
    return max(1, memory_bytes // (itemsize * truth.gallery))


def _rank(
    scores: Callable[[slice], NDArray[np.floating]],
    truth: Relevance,
    itemsize: int,
    memory_bytes: int,
    *,
    finite: bool = False,
) -> Ranks:
    height = _height(truth, itemsize, memory_bytes)
    counts = np.zeros(truth.n_queries, np.int64)
    levels: list[NDArray[np.int64]] = []
    broken = np.zeros(truth.n_queries, np.bool_)
    for start in range(0, truth.n_queries, height):
        block = scores(slice(start, min(start + height, truth.n_queries)))
        found: list[tuple[int, int, int]] = []
        # Row by row, so that every pass after the first finds the row in the cache.
        for query, row in enumerate(block, start):
            broken[query] = not (finite or (math.isfinite(row.min()) and math.isfinite(row.max())))
            if not broken[query]:
                own = _levels(row, truth.of_query(query))
                counts[query] = len(own)
                found += own
        levels.append(np.array(found, np.int64).reshape(-1, 3))
    raise_if_any(broken, "scores are not finite", "Nothing is dropped: correct the scores")
    above, tied, relevant = np.ascontiguousarray(np.concatenate(levels).T)
    return Ranks(truth.gallery, np.concatenate([[0], np.cumsum(counts)]), above, tied, relevant)


def _levels(row: NDArray[np.floating], columns: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    if len(columns) == 1:
        score = row[columns[0]]
        reached = int(np.count_nonzero(row >= score))
        tied = 1 if reached == 1 else int(np.count_nonzero(row == score))
        return [(reached - tied, tied, 1)]
    values, relevant = np.unique(row[columns], return_counts=True)
    if len(values) < _SORT_FROM:
        counts = [[np.count_nonzero(row > score), np.count_nonzero(row == score)] for score in values]
    else:
        ordered = np.sort(row)
        end = np.searchsorted(ordered, values, "right")
        counts = np.stack([len(row) - end, end - np.searchsorted(ordered, values, "left")], axis=1).tolist()
    return [(int(above), int(tied), int(r)) for (above, tied), r in zip(counts, relevant, strict=True)][::-1]


def _duplicates(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that repeat an earlier row, and the rows that they repeat."""
    alike = _of_one_checksum(vectors)
    unsigned = vectors[alike] + np.float32(0)  # -0 becomes 0
    keys = unsigned.view(np.dtype((np.void, unsigned.itemsize * unsigned.shape[1]))).reshape(-1)
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    original = first[inverse]
    copies = np.flatnonzero(original != np.arange(len(alike)))
    return alike[copies], alike[original[copies]]


def _of_one_checksum(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """The rows that may be equal to another one: sorting all of them whole would take far longer."""
    factors = np.random.default_rng(0).integers(0, 1 << 63, vectors.shape[1], np.uint64)
    checksums = np.empty(len(vectors), np.uint64)
    for start in range(0, len(vectors), _CHECKSUMS_AT_ONCE):
        rows = slice(start, start + _CHECKSUMS_AT_ONCE)
        checksums[rows] = (vectors[rows] + np.float32(0)).view(np.uint32).astype(np.uint64) @ factors
    _, inverse, counts = np.unique(checksums, return_inverse=True, return_counts=True)
    return np.flatnonzero(counts[inverse] > 1)


def _column_list(columns: Sequence[int]) -> NDArray[np.int64] | None:
    try:
        listed = np.asarray(columns)
    except ValueError:  # lists within, of different lengths
        return None
    if listed.ndim != 1 or (listed.size and listed.dtype.kind not in "iu"):
        return None
    return listed.astype(np.int64)


def _float32(name: str, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(vectors, np.float32)
    raise_if_any(~np.isfinite(single).all(axis=1), f"{name} vectors are not finite", "Correct them")
    return single


def _floats(name: str, values: ArrayLike) -> NDArray[np.floating]:
    found = as_array(values, name)
    if not hasattr(values, "dtype") and found.dtype.kind in "iu":  # a list of whole numbers chose no type
        found = found.astype(np.float64)
    if found.dtype.kind != "f":
        remedy = "If they are scores and not ranks, make them so: values.astype(float)"
        raise UsageError(f"{name} must be floating point", value=str(found.dtype), remedy=remedy)
    return found
