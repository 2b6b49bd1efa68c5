"""Figures of a similarity matrix: a number each, or all of them with intervals and a value for each query.

Every function takes scores (queries, gallery), higher is better, as anything that numpy reads: arrays,
tensors, nested lists. ``truth`` lists for each query the relevant columns, from 0. Ties favour nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyreel.errors import require_seed
from polyreel.metrics.ranks import Ranks, rank_scores
from polyreel.metrics.retrieval import (
    METRICS,
    average_precision,
    expected_rank,
    gain_at,
    hits_at,
    metric_bounds,
    reciprocal_rank,
)
from polyreel.metrics.significance import Labels, bootstrap_means_and_median, numbered_clusters
from polyreel.metrics.tables import Tabular

__all__ = [
    "RetrievalScores",
    "mean_average_precision",
    "mean_rank",
    "mean_reciprocal_rank",
    "median_rank",
    "ndcg_at",
    "recall_at",
    "score_matrix",
    "score_ranks",
]

Truth = Sequence[Sequence[int]]
_ORDER = ("r@1", "r@5", "r@10", "median_rank", "mean_rank", "mrr", "ndcg@10", "map")


@dataclass(frozen=True, slots=True)
class RetrievalScores(Tabular):
    """All figures of one matrix.

    Attributes:
        n_queries: number of queries.
        gallery: number of items.
        values: metric -> figure; recalls are percentages.
        intervals: metric -> (low, high) at 95%; None where one query, or one cluster, leaves nothing to draw.
        per_query: metric -> (queries,) values whose mean, or median for ``median_rank``, is the figure.
    """

    n_queries: int
    gallery: int
    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float] | None]
    per_query: Mapping[str, NDArray[np.float64]]

    def to_dict(self) -> dict[str, Any]:
        """``n_queries``, ``gallery``, each metric, and ``ci95``: metric -> [low, high]."""
        return {
            "n_queries": self.n_queries,
            "gallery": self.gallery,
            **{name: round(self.values[name], 10) for name in _ORDER},
            "ci95": {name: list(self.intervals[name] or (None, None)) for name in _ORDER},
        }

    def rows(self) -> list[dict[str, Any]]:
        """A row for each metric."""
        found = []
        for name, value in self.values.items():
            low, high = self.intervals[name] or (None, None)
            found.append({"metric": name, "value": value, "low": low, "high": high})
        return found


def recall_at(similarity: ArrayLike, truth: Truth, k: int = 1) -> float:
    """Share of queries with a relevant item among the first ``k``, 0 to 1.

    Args:
        similarity: (queries, gallery) scores.
        truth: relevant columns of each query.
        k: cut-off.

    Raises:
        UsageError: shapes disagree, a score is not finite, or a truth list is empty or out of range; the
            message names the rows.
    """
    return float(hits_at(rank_scores(similarity, truth), k).mean())


def mean_rank(similarity: ArrayLike, truth: Truth) -> float:
    """Mean over queries of the rank of the best relevant item, from 1. Errors: see ``recall_at``."""
    return float(expected_rank(rank_scores(similarity, truth)).mean())


def median_rank(similarity: ArrayLike, truth: Truth) -> float:
    """Median over queries of the rank of the best relevant item, from 1. Errors: see ``recall_at``."""
    return float(np.median(expected_rank(rank_scores(similarity, truth))))


def mean_reciprocal_rank(similarity: ArrayLike, truth: Truth) -> float:
    """Mean over queries of 1 / rank of the best relevant item, 0 to 1. Errors: see ``recall_at``."""
    return float(reciprocal_rank(rank_scores(similarity, truth)).mean())


def ndcg_at(similarity: ArrayLike, truth: Truth, k: int = 10) -> float:
    """Normalised discounted cumulative gain of the first ``k``, 0 to 1.

    Args:
        similarity: (queries, gallery) scores.
        truth: relevant columns of each query.
        k: cut-off.

    Raises:
        UsageError: see ``recall_at``.
    """
    return float(gain_at(rank_scores(similarity, truth), k).mean())


def mean_average_precision(similarity: ArrayLike, truth: Truth) -> float:
    """Mean over queries of the precision at each relevant item, 0 to 1. Errors: see ``recall_at``."""
    return float(average_precision(rank_scores(similarity, truth)).mean())


def score_matrix(
    similarity: ArrayLike, truth: Truth, *, clusters: Labels | None = None, seed: int = 0
) -> RetrievalScores:
    """All metrics with 95% bootstrap intervals over queries.

    Args:
        similarity: (queries, gallery) scores.
        truth: relevant columns of each query.
        clusters: (queries,) labels; queries of one label are drawn together. None: each by itself.
        seed: seed of the bootstrap.

    Raises:
        UsageError: see ``recall_at``.
    """
    return score_ranks(rank_scores(similarity, truth), clusters=clusters, seed=seed)


def score_ranks(
    ranks: Ranks,
    *,
    clusters: Labels | None = None,
    seed: int = 0,
    percentages: Mapping[str, NDArray[np.float64]] | None = None,
) -> RetrievalScores:
    """All metrics of ranks that are there already.

    Args:
        ranks: ranks of the queries.
        clusters: see ``score_matrix``.
        seed: seed of the bootstrap.
        percentages: further metrics, a value from 0 to 100 for each query.
    """
    further = dict(percentages or {})
    columns = {name: metric(ranks) for name, metric in METRICS.items()} | further
    expected = expected_rank(ranks)
    values = {name: float(column.mean()) for name, column in columns.items()}
    values["median_rank"] = float(np.median(expected))
    intervals: dict[str, tuple[float, float] | None] = dict.fromkeys(values)
    groups = np.arange(ranks.n_queries)
    if clusters is not None:
        groups = numbered_clusters(clusters, ranks.n_queries)
    require_seed(seed)
    if len(np.unique(groups)) > 1:
        bounds = [(0.0, 100.0) if name in further else metric_bounds(name, ranks.gallery) for name in columns]
        low, high = np.array(bounds).T
        table = np.stack(list(columns.values()), axis=1)
        means, median = bootstrap_means_and_median(
            table, expected, bounds=(low, high), clusters=groups, seed=seed
        )
        for name, least, most in zip(columns, means.low, means.high, strict=True):
            intervals[name] = (float(least), float(most))
        intervals["median_rank"] = (float(median.low), float(median.high))
    return RetrievalScores(
        ranks.n_queries, ranks.gallery, values, intervals, columns | {"median_rank": expected}
    )
