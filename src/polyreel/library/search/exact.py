"""The best of all scores, exactly."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["best_rows"]

_Real = TypeVar("_Real", np.float32, np.float64)


def best_rows(
    scores: NDArray[_Real], count: int, allowed: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.int64], NDArray[_Real]]:
    """The rows of the highest scores, best first.

    Args:
        scores: (rows,).
        count: how many rows to return.
        allowed: which rows may be returned, (rows,); None for all.

    Returns:
        Row numbers and scores, each (min(count, rows),). Rows of equal score come in their own order.
    """
    if allowed is not None:
        kept = np.flatnonzero(allowed)
        rows, found = best_rows(scores[kept], count)
        return kept[rows].astype(np.int64), found
    if count < len(scores):
        # Everything that ties with the last place is kept until the stable sort has decided.
        threshold = np.partition(scores, len(scores) - count)[len(scores) - count]
        rows = np.flatnonzero(scores >= threshold)
    else:
        rows = np.arange(len(scores))
    order = np.argsort(-scores[rows], kind="stable")[:count]
    return rows[order].astype(np.int64), scores[rows][order]
