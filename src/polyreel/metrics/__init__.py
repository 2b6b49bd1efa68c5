"""Retrieval metrics, agreement between languages, and how far a figure may be chance.

Scores are anything that numpy reads (arrays, tensors, nested lists); truth lists the relevant columns of each
query::

    from polyreel import metrics

    metrics.recall_at(similarity, [[0], [1], [2]], k=1)        # 0 to 1
    metrics.score_matrix(similarity, truth).to_dict()          # every metric with its 95% interval
"""

from polyreel.metrics.consistency import (
    all_languages_recall_at_1,
    kendall_top_k,
    mean_rank_spread,
    overlap_at,
    rank_c,
    transfer_gap,
)
from polyreel.metrics.crossed import (
    CrossedValues,
    crossed_bootstrap,
    crossed_bootstrap_of_settings,
)
from polyreel.metrics.kept_ranks import (
    cohen_kappa,
    found_in_both_at,
    mean_log2_rank,
)
from polyreel.metrics.ranks import Ranks, rank_embeddings, rank_scores
from polyreel.metrics.score_normalizers import dual_softmax
from polyreel.metrics.scores import (
    mean_average_precision,
    mean_rank,
    mean_reciprocal_rank,
    median_rank,
    ndcg_at,
    recall_at,
    score_matrix,
)
from polyreel.metrics.significance import (
    Difference,
    Interval,
    SeedSummary,
    aggregate_seeds,
    bootstrap_mean,
    bootstrap_median,
    holm,
    paired_bootstrap,
    permutation_test,
)

__all__ = [
    "CrossedValues",
    "Difference",
    "Interval",
    "Ranks",
    "SeedSummary",
    "aggregate_seeds",
    "all_languages_recall_at_1",
    "bootstrap_mean",
    "bootstrap_median",
    "cohen_kappa",
    "crossed_bootstrap",
    "crossed_bootstrap_of_settings",
    "dual_softmax",
    "found_in_both_at",
    "holm",
    "kendall_top_k",
    "mean_average_precision",
    "mean_log2_rank",
    "mean_rank",
    "mean_rank_spread",
    "mean_reciprocal_rank",
    "median_rank",
    "ndcg_at",
    "overlap_at",
    "paired_bootstrap",
    "permutation_test",
    "rank_c",
    "rank_embeddings",
    "rank_scores",
    "recall_at",
    "score_matrix",
    "transfer_gap",
]
