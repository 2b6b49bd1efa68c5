"""Metrics of ranks: one value for each query, each an exact expectation over the orders of tied items.

In every formula a query's best relevant items have ``a`` items above them and share their score with ``t``
items in all, ``r`` of them relevant. "Random" below is a system whose scores say nothing, over a gallery of
``N`` items with one relevant item; a constant system scores the same, which is the point.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from polyreel.errors import UnknownNameError, UsageError
from polyreel.metrics.ranks import Ranks

__all__ = [
    "METRICS",
    "average_precision",
    "expected_rank",
    "gain_at",
    "hits_at",
    "metric_bounds",
    "reciprocal_rank",
]


def hits_at(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """Probability that a relevant item is among the first ``k``, (queries,), 0 to 1.

    ``1 - C(t - r, m) / C(t, m)`` with ``m = k - a`` tied items shown. Random: ``k / N``.
    """
    _check_cut(k)
    above, tied, relevant = ranks.first
    shown = np.clip(k - above, 0, tied)
    miss = np.ones(len(shown))
    # C(t - r, m) / C(t, m) as a product of r factors (t - m - i) / (t - i).
    for i in range(int(relevant.max(initial=0))):
        factor = np.maximum(tied - shown - i, 0) / np.maximum(tied - i, 1)
        miss *= np.where(i < relevant, factor, 1.0)
    return 1.0 - miss


def expected_rank(ranks: Ranks) -> NDArray[np.float64]:
    """Mean rank of the best relevant item, (queries,), from 1: ``a + (t + 1) / (r + 1)``.

    Random: ``(N + 1) / 2``.
    """
    above, tied, relevant = ranks.first
    return above + (tied + 1) / (relevant + 1)


def reciprocal_rank(ranks: Ranks) -> NDArray[np.float64]:
    """Mean of 1 / rank of the best relevant item, (queries,), 0 to 1. Random: about ``ln(N) / N``.

    ``sum over p of P(p) / (a + p)`` with ``P(p) = C(t - p, r - 1) / C(t, r)``, the chance that the first
    relevant item is the ``p``-th of the tied ones.
    """
    above, tied, relevant = ranks.first
    several = relevant > 1
    values = _mean_reciprocal(above, tied, ranks.gallery)
    values[several] = _each_distinct(_first_of_several, above[several], tied[several], relevant[several])
    return values


def gain_at(ranks: Ranks, k: int = 10) -> NDArray[np.float64]:
    """Normalised discounted cumulative gain with binary relevance, (queries,), 0 to 1.

    Discount ``1 / log2(1 + rank)``; every tied item has its group's mean discount (McSherry and Najork 2008).
    Random: ``sum of the first k discounts / N``.
    """
    _check_cut(k)
    depth = min(k, ranks.gallery)
    discounts = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2, depth + 2)))])
    end = np.minimum(ranks.above + ranks.tied, depth)
    start = np.minimum(ranks.above, depth)
    gain = ranks.relevant / ranks.tied * (discounts[end] - discounts[start])
    total = np.add.reduceat(ranks.relevant, ranks.offsets[:-1])
    ideal: NDArray[np.float64] = discounts[np.minimum(total, depth)]
    gained: NDArray[np.float64] = np.add.reduceat(gain, ranks.offsets[:-1])
    return gained / ideal


def average_precision(ranks: Ranks) -> NDArray[np.float64]:
    """Mean precision at the ranks of all relevant items, (queries,), 0 to 1; the queries' mean is mAP.

    For tied items the expectation of McSherry and Najork (2008): a level with ``b`` relevant items above it
    gives ``r / t * sum over p from 1 to t of (b + 1 + (p - 1) (r - 1) / (t - 1)) / (a + p)``. With one
    relevant item it is 1 / rank. Random: about ``ln(N) / N``.
    """
    total = np.add.reduceat(ranks.relevant, ranks.offsets[:-1])
    relevant_before = np.concatenate([[0], np.cumsum(total)[:-1]])
    better = np.cumsum(ranks.relevant) - ranks.relevant - np.repeat(relevant_before, np.diff(ranks.offsets))
    terms = (better + 1) * _mean_reciprocal(ranks.above, ranks.tied, ranks.gallery)
    several = ranks.relevant > 1
    levels = (column[several] for column in (ranks.above, ranks.tied, ranks.relevant, better))
    terms[several] = _each_distinct(_precision_of_several, *levels)
    summed: NDArray[np.float64] = np.add.reduceat(terms, ranks.offsets[:-1])
    return summed / total


def metric_bounds(name: str, gallery: int) -> tuple[float, float]:
    """Lowest and highest value that a query can have in ``METRICS[name]``.

    Raises:
        UnknownNameError: there is no such metric.
    """
    if name not in METRICS:
        raise UnknownNameError("metric", name, METRICS)
    if name.startswith("r@"):
        return 0.0, 100.0
    return (1.0, float(gallery)) if name == "mean_rank" else (0.0, 1.0)


METRICS: Mapping[str, Callable[[Ranks], NDArray[np.float64]]] = {
    "r@1": lambda ranks: 100 * hits_at(ranks, 1),
    "r@5": lambda ranks: 100 * hits_at(ranks, 5),
    "r@10": lambda ranks: 100 * hits_at(ranks, 10),
    "mean_rank": expected_rank,
    "mrr": reciprocal_rank,
    "ndcg@10": lambda ranks: gain_at(ranks, 10),
    "map": average_precision,
}
"""Name -> values for each query, whose mean is the metric; recalls are percentages. The median rank is the
median over queries of ``expected_rank``."""


def _check_cut(k: int) -> None:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise UsageError("a cut-off is a whole number and counts from 1", value=k)


def _mean_reciprocal(above: NDArray[np.int64], tied: NDArray[np.int64], gallery: int) -> NDArray[np.float64]:
    """Mean of ``1 / (a + p)`` over the places p = 1..t."""
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, gallery + 1))])
    return np.where(tied == 1, 1.0 / (above + 1), (harmonic[above + tied] - harmonic[above]) / tied)


def _first_of_several(above: int, tied: int, relevant: int) -> float:
    place = np.arange(1, tied - relevant + 2)
    # P(1) = r / t, and P(p + 1) / P(p) = (t - p - r + 1) / (t - p).
    steps = (tied - place[:-1] - relevant + 1) / (tied - place[:-1])
    chance = relevant / tied * np.concatenate([[1.0], np.cumprod(steps)])
    return math.fsum(chance / (above + place))


def _precision_of_several(above: int, tied: int, relevant: int, better: int) -> float:
    place = np.arange(1, tied + 1)
    others = (place - 1) * (relevant - 1) / (tied - 1)
    return relevant / tied * float(((better + 1 + others) / (above + place)).sum())


def _each_distinct(function: Callable[..., float], *columns: NDArray[np.int64]) -> NDArray[np.float64]:
    """``function`` of each row of ``columns``, computed once for rows that are alike."""
    rows, inverse = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    values = np.array([function(*row) for row in rows.tolist()], np.float64)
    return values[inverse.reshape(-1)]
