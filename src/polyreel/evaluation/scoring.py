"""All metrics of one similarity matrix as one plain document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyreel.errors import UsageError
from polyreel.evaluation.summary import language_result
from polyreel.metrics.ranks import Relevance, rank_scores

__all__ = ["score_matrix"]


def score_matrix(
    similarity: NDArray[np.floating], truth: Sequence[Sequence[int]], *, seed: int = 0
) -> dict[str, Any]:
    """Metrics of ``similarity`` (queries, gallery) with 95% bootstrap intervals over queries.

    Args:
        similarity: scores, higher is better.
        truth: for each query, the relevant columns.
        seed: of the resampling.

    Returns:
        ``n_queries``, ``gallery``, ``r@1``, ``r@5``, ``r@10`` (0 to 100), ``median_rank``, ``mean_rank``,
        ``mrr``, ``ndcg@10``, ``map``, and ``ci95``: metric -> [low, high].

    Raises:
        UsageError: shapes disagree, a score is not finite, or a truth list is empty or out of range.
    """
    if similarity.ndim != 2:
        raise UsageError("scores must be a matrix, queries by gallery", value=f"shape {similarity.shape}")
    ranks = rank_scores(similarity, Relevance.of(truth, similarity.shape[1]))
    measured = language_result(ranks, np.arange(ranks.n_queries), seed=seed).metrics
    order = ("r@1", "r@5", "r@10", "median_rank", "mean_rank", "mrr", "ndcg@10", "map")
    return {
        "n_queries": ranks.n_queries,
        "gallery": ranks.gallery,
        **{name: round(measured[name].value, 10) for name in order},
        "ci95": {name: [measured[name].low, measured[name].high] for name in order},
    }
