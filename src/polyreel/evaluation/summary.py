"""From score matrices of several languages to the figures of a result."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from polyreel.evaluation.results import Estimate, Gap, LanguageResult, Matrix
from polyreel.metrics.consistency import (
    all_languages_recall_at_1,
    kendall_top_k,
    mean_rank_spread,
    overlap_at,
    rank_c,
    transfer_gap,
)
from polyreel.metrics.ranks import Ranks
from polyreel.metrics.retrieval import hits_at
from polyreel.metrics.scores import score_ranks

__all__ = [
    "Agreement",
    "agreement",
    "environment",
    "gaps",
    "language_result",
    "macro_means",
]

_TOP = 10


def language_result(
    ranks: Ranks,
    clusters: NDArray[np.int64],
    *,
    seed: int,
    percentages: Mapping[str, NDArray[np.float64]] | None = None,
) -> LanguageResult:
    """All metrics of one language with intervals; a single item gives figures without intervals.

    Args:
        ranks: ranks of its queries.
        clusters: (queries,) which item each query is about.
        seed: seed of the bootstrap.
        percentages: further metrics, a value from 0 to 100 for each query.
    """
    found = score_ranks(ranks, clusters=clusters, seed=seed, percentages=percentages)
    metrics = {}
    for name, value in found.values.items():
        low, high = found.intervals[name] or (None, None)
        metrics[name] = Estimate(value=value, low=low, high=high)
    return LanguageResult(
        n_queries=ranks.n_queries,
        metrics=metrics,
        ranks=tuple(np.round(found.per_query["median_rank"], 4).tolist()),
        hits=tuple(np.round(hits_at(ranks, 1), 6).tolist()),
        clusters=tuple(clusters.tolist()),
    )


def macro_means(languages: Mapping[str, LanguageResult]) -> dict[str, Estimate]:
    """Unweighted means over languages. No interval: the languages' queries are about the same items."""
    names = next(iter(languages.values())).metrics
    return {
        name: Estimate(
            value=float(np.mean([language.metrics[name].value for language in languages.values()]))
        )
        for name in names
    }


def gaps(languages: Mapping[str, LanguageResult]) -> dict[str, Gap] | None:
    """English minus the mean of the others, for each recall; None where either is missing."""
    if "en" not in languages or len(languages) < 2:
        return None
    found = {}
    for name in (name for name in languages["en"].metrics if name.startswith(("r@", "accuracy"))):
        gap = transfer_gap({tag: result.metrics[name].value for tag, result in languages.items()})
        found[name] = Gap(absolute=gap.absolute, relative=gap.relative, per_language=dict(gap.per_language))
    return found


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far languages agree: figures, and tables of each pair."""

    figures: dict[str, float]
    tables: dict[str, Matrix]


def agreement(
    scores: Mapping[str, NDArray[np.floating]], ranks: Mapping[str, Ranks], *, suffix: str = ""
) -> Agreement:
    """Agreement between languages over queries that mean the same.

    Args:
        scores: tag -> (queries, gallery), query ``i`` alike in every language.
        ranks: the same queries' ranks.
        suffix: added to every name.
    """
    if len(scores) < 2:
        return Agreement({}, {})
    k = min(_TOP, next(iter(scores.values())).shape[1])
    overlap = overlap_at(scores, k)
    figures = {
        f"overlap@{k}": overlap.mean,
        "rank_c": rank_c(scores).mean,
        "kendall_tau_top": kendall_top_k(scores, k).mean,
        "rank_spread": mean_rank_spread(ranks),
        "all_languages_r@1": 100 * all_languages_recall_at_1(ranks),
    }
    tags = tuple(overlap.languages)
    rows = tuple(tuple(map(float, row)) for row in overlap.matrix)
    tables = {f"overlap@{k}{suffix}": Matrix(rows=tags, columns=tags, values=rows)}
    return Agreement({name + suffix: float(value) for name, value in figures.items()}, tables)


def environment(packages: Sequence[str] = ("polyreel", "numpy", "onnxruntime", "av")) -> dict[str, str]:
    """Machine and packages, as far as they can change a figure or a time."""
    facts = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
    facts["cores"] = str(len(os.sched_getaffinity(0)))
    return facts | {name: version(name) for name in packages}
