"""Measures of ranks that were kept: one number for each query, from 1, its middle rank where items tie.

A study keeps the rank of every query and nothing else; what is made of ranks can then be decided, and
checked, without another run. ``metrics.Ranks`` knows ties exactly; here a tied item has the middle of its
ties.

In what systems score, ``N`` items are searched, one of them relevant, and every item is asked for once.
*Constant* scores all items alike. *Random* orders them anew for each query and language. *Wrong alike* orders
them once, and answers every query in every language with that list: perfectly consistent, and of no use.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyreel.arrays import as_array, raise_if_any
from polyreel.errors import UsageError

__all__ = [
    "cohen_kappa",
    "cohen_kappa_values",
    "found_at",
    "found_in_both_at",
    "log2_ranks",
    "mean_log2_rank",
]


def log2_ranks(ranks: ArrayLike) -> NDArray[np.float64]:
    """Logarithm of each rank to base 2, in bits: one bit less is half the way to the first place.

    0 (first) to ``log2 N``. It sees a change from 40 to 20 as well as one from 2 to 1, and no single query
    that is lost at rank 5,000 outweighs the others, as it does in the mean rank.

    Args:
        ranks: (queries,) or (seeds, queries), from 1.

    Raises:
        UsageError: a rank is not finite or below 1.
    """
    return np.log2(_checked(ranks))


def mean_log2_rank(ranks: ArrayLike) -> float:
    """Mean of ``log2_ranks``, in bits: the logarithm of the geometric mean rank; less is better.

    Random and wrong alike: ``log2(N!) / N``, about ``log2 N - 1.44``. Constant: ``log2((N + 1) / 2)``, 0.44
    bits *worse*, because a middle rank is kept: nothing is gained by tying.

    Args:
        ranks: (queries,), from 1.

    Raises:
        UsageError: there is no rank, or one is not finite or below 1.
    """
    found = log2_ranks(ranks)
    if not found.size:
        raise UsageError("there is no rank", remedy="A mean of nothing has no value: leave it out")
    return float(found.mean())


def found_at(ranks: ArrayLike, k: int) -> NDArray[np.float64]:
    """1 where the relevant item is among the first ``k``, else 0; the mean is recall at ``k``.

    Random and wrong alike: ``k / N``. Constant: 0 while its middle rank ``(N + 1) / 2`` is beyond ``k``.

    Args:
        ranks: (queries,) or (seeds, queries), from 1.
        k: cut-off, from 1.

    Raises:
        UsageError: a rank is not finite or below 1, or ``k`` is not a whole number from 1.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise UsageError("a cut-off is a whole number and counts from 1", value=k)
    return (_checked(ranks) <= k).astype(np.float64)


def found_in_both_at(ranks_a: ArrayLike, ranks_b: ArrayLike, k: int) -> NDArray[np.float64]:
    """1 where a query finds its item among the first ``k`` in both languages, else 0.

    Consistency that has to be *right*: it is never more than the recall of the weaker language. Overlap of
    what is found, in contrast, gives full marks for being wrong alike. Random: ``(k / N)^2``. Wrong alike:
    ``k / N``, all that it finds. Constant: 0 while its middle rank is beyond ``k``. Two languages that fail
    independently score the product of their recalls; what is above that is consistency.

    Args:
        ranks_a: (queries,) in one language, from 1.
        ranks_b: (queries,) of the same queries in the other.
        k: cut-off, from 1.

    Raises:
        UsageError: as ``found_at``, or the shapes differ.
    """
    first, second = found_at(ranks_a, k), found_at(ranks_b, k)
    _check_alike(first, second)
    return first * second


def cohen_kappa(hits_a: ArrayLike, hits_b: ArrayLike) -> float:
    """Agreement of two languages on which queries succeed, beyond what their recalls make likely, -1 to 1.

    ``2 (p_ab - p_a p_b) / (p_a + p_b - 2 p_a p_b)`` with ``p`` the shares of queries that succeed (Cohen
    1960, for two raters and two answers). Independent failures: 0. Undefined (all succeed in both, or none)
    counts as 0.

    Random and constant: 0. Wrong alike: **1**, since the few queries that its list happens to answer are the
    same in every language. So kappa says whether languages fail together, never whether they succeed: read it
    beside recall, or use ``found_in_both_at``.

    Args:
        hits_a: (queries,) 1 or 0 (or true and false) in one language.
        hits_b: (queries,) of the same queries in the other.

    Raises:
        UsageError: the shapes differ, there is no query, or a value is neither 0 nor 1.
    """
    return float(cohen_kappa_values(hits_a, hits_b).mean())


def cohen_kappa_values(hits_a: ArrayLike, hits_b: ArrayLike) -> NDArray[np.float64]:
    """One value for each query whose mean is ``cohen_kappa``, for intervals.

    ``kappa`` plus its influence function, which is linear in what a query adds to ``p_a``, ``p_b`` and
    ``p_ab``: the bootstrap of a mean then is, to first order, that of kappa.

    Args:
        hits_a: (queries,) 1 or 0 in one language.
        hits_b: (queries,) in the other.

    Raises:
        UsageError: as ``cohen_kappa``.
    """
    a, b = _hits(hits_a), _hits(hits_b)
    _check_alike(a, b)
    if not a.size:
        raise UsageError("there is no query", remedy="Agreement on nothing has no value: leave it out")
    p_a, p_b, p_ab = a.mean(), b.mean(), (a * b).mean()
    scale = p_a + p_b - 2 * p_a * p_b
    if math.isclose(scale, 0.0, abs_tol=1e-12):
        return np.zeros(len(a))
    kappa = 2 * (p_ab - p_a * p_b) / scale
    top = 2 * ((a * b - p_ab) - p_b * (a - p_a) - p_a * (b - p_b))
    bottom = (1 - 2 * p_b) * (a - p_a) + (1 - 2 * p_a) * (b - p_b)
    values: NDArray[np.float64] = kappa + (top - kappa * bottom) / scale
    return values


def _checked(given: ArrayLike) -> NDArray[np.float64]:
    found = as_array(given, "ranks")
    if found.dtype.kind not in "iuf":
        raise UsageError("ranks are not numbers", value=str(found.dtype))
    values: NDArray[np.float64] = found.astype(np.float64)
    rows = np.atleast_1d(values).reshape(-1, values.shape[-1] if values.ndim > 1 else 1)
    wrong = ~(np.isfinite(rows) & (rows >= 1)).all(axis=1)
    raise_if_any(wrong, "ranks are finite and count from 1", "Nothing is dropped: correct them")
    return values


def _hits(given: ArrayLike) -> NDArray[np.float64]:
    found = as_array(given, "hits")
    if found.ndim != 1 or found.dtype.kind not in "biuf":
        raise UsageError("hits are one 1 or 0 for each query", value=f"{found.dtype}, shape {found.shape}")
    values: NDArray[np.float64] = found.astype(np.float64)
    raise_if_any((values != 0) & (values != 1), "a hit is 1, or 0", "Give found_at(ranks, k)")
    return values


def _check_alike(one: NDArray[np.float64], other: NDArray[np.float64]) -> None:
    if one.shape != other.shape:
        raise UsageError(
            "two languages are compared query by query", value=f"shapes {one.shape} and {other.shape}"
        )
