"""Ranks of relevant items, with ties decided by nobody.

A query's rank is that of its best relevant item. Where that item's score is shared by others, every metric is
its
exact expectation over the random orders of the tied items: a constant matrix of 1,000 x 1,000 scores R@1 =
0.1, not 0 and not 100.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyreel.errors import UsageError

__all__ = ["FirstRelevant", "first_relevant", "recall_at"]


@dataclass(frozen=True, slots=True)
class FirstRelevant:
    """Where each query's best relevant item stands, (queries,) each.

    Attributes:
        above: items that score strictly higher.
        tied: items of the same score, the item itself included.
        relevant: relevant ones among those.
    """

    above: NDArray[np.int64]
    tied: NDArray[np.int64]
    relevant: NDArray[np.int64]


def first_relevant(similarity: NDArray[np.floating], truth: Sequence[Sequence[int]]) -> FirstRelevant:
    """Find each query's best relevant item.

    Args:
        similarity: (queries, gallery), higher is better.
        truth: for each query, the gallery columns that are relevant.

    Raises:
        UsageError: a score is not finite, a truth list is empty or out of range, or the shapes disagree.
    """
    _check(similarity, truth)
    rows = np.repeat(np.arange(len(truth)), [len(columns) for columns in truth])
    relevant_mask = np.zeros(similarity.shape, bool)
    relevant_mask[rows, np.concatenate([np.asarray(columns, np.int64) for columns in truth])] = True
    best = np.where(relevant_mask, similarity, -np.inf).max(axis=1, keepdims=True)
    at_best = similarity == best
    return FirstRelevant(
        above=(similarity > best).sum(axis=1),
        tied=at_best.sum(axis=1),
        relevant=(at_best & relevant_mask).sum(axis=1),
    )


def recall_at(found: FirstRelevant, k: int) -> NDArray[np.float64]:
    """Probability that a relevant item is among the first ``k``, (queries,), 0 to 1.

    With ``t`` tied items of which ``r`` are relevant, of which ``m = k - above`` are shown, it is
    ``1 - C(t - r, m) / C(t, m)``. A constant system scores the share of the gallery that ``k`` is, if one
    item is relevant.
    """
    shown = np.clip(k - found.above, 0, found.tied)
    miss = np.ones(len(shown))
    # C(t - r, m) / C(t, m) as a product of r factors: (t - m - i) / (t - i).
    for i in range(int(found.relevant.max(initial=0))):
        factor = np.maximum(found.tied - shown - i, 0) / np.maximum(found.tied - i, 1)
        miss *= np.where(i < found.relevant, factor, 1.0)
    return 1.0 - miss


def _check(similarity: NDArray[np.floating], truth: Sequence[Sequence[int]]) -> None:
    if similarity.ndim != 2 or len(similarity) != len(truth):
        raise UsageError(
            "similarity and truth disagree",
            value=f"shape {similarity.shape}, {len(truth)} truth lists",
            remedy="Give one row and one truth list for each query",
        )
    if bad := np.flatnonzero(~np.isfinite(similarity).all(axis=1)).tolist():
        raise UsageError(
            "scores are not finite", item=_rows(bad), remedy="Nothing is dropped: correct the scores"
        )
    if empty := [row for row, columns in enumerate(truth) if not len(columns)]:
        raise UsageError("queries without a relevant item", item=_rows(empty))
    width = similarity.shape[1]
    if outside := [row for row, columns in enumerate(truth) if min(columns) < 0 or max(columns) >= width]:
        raise UsageError(
            "truth names columns that are not there", item=_rows(outside), value=f"{width} columns"
        )


def _rows(rows: list[int]) -> str:
    shown = ", ".join(map(str, rows[:5]))
    return f"rows {shown}" + (f" and {len(rows) - 5:,} more" if len(rows) > 5 else "")
