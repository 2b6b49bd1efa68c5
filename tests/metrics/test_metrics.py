"""Metrics against independent implementations, and against every order that ties allow."""

from __future__ import annotations

import math

import numpy as np
import pytest
import pytrec_eval
import sklearn
import tied_orders
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom
from sklearn.metrics import average_precision_score, ndcg_score
from tied_orders import expectation, queries, ranks_of

from polyreel.errors import UnknownNameError, UsageError
from polyreel.metrics.ranks import Ranks, Relevance, rank_scores
from polyreel.metrics.retrieval import (
    METRICS,
    average_precision,
    expected_rank,
    gain_at,
    hits_at,
    metric_bounds,
    reciprocal_rank,
)

EXACT = 1e-9


@given(queries(most_items=6, levels=3))
def test_ties_are_expectations_over_all_orders(query: tuple[list[float], list[int]]) -> None:
    scores, relevant = query
    ranks = ranks_of(scores, relevant)
    for k in (1, 2, 5, 10):
        expected = expectation(lambda hits, k=k: tied_orders.recall(hits, k), scores, relevant)
        assert hits_at(ranks, k)[0] == pytest.approx(expected, abs=EXACT)
        expected = expectation(lambda hits, k=k: tied_orders.ndcg(hits, k), scores, relevant)
        assert gain_at(ranks, k)[0] == pytest.approx(expected, abs=EXACT)
    expected = expectation(tied_orders.rank, scores, relevant)
    assert expected_rank(ranks)[0] == pytest.approx(expected, abs=EXACT)
    expected = expectation(lambda hits: 1 / tied_orders.rank(hits), scores, relevant)
    assert reciprocal_rank(ranks)[0] == pytest.approx(expected, abs=EXACT)
    expected = expectation(tied_orders.average_precision, scores, relevant)
    assert average_precision(ranks)[0] == pytest.approx(expected, abs=EXACT)


@given(queries(most_items=60))
def test_without_ties_they_are_those_of_trec_eval_and_scikit_learn(
    query: tuple[list[float], list[int]],
) -> None:
    scores, relevant = query
    measures = {"success.1,5,10", "recip_rank", "map", "ndcg_cut.10"}
    judged = {"q": {str(item): int(item in relevant) for item in range(len(scores))}}
    evaluator = pytrec_eval.RelevanceEvaluator(judged, measures)
    theirs = evaluator.evaluate({"q": {str(item): score for item, score in enumerate(scores)}})["q"]
    ranks = ranks_of(scores, relevant)
    ours = {
        "success_1": hits_at(ranks, 1),
        "success_5": hits_at(ranks, 5),
        "success_10": hits_at(ranks, 10),
        "recip_rank": reciprocal_rank(ranks),
        "map": average_precision(ranks),
        "ndcg_cut_10": gain_at(ranks, 10),
    }
    assert {name: values[0] for name, values in ours.items()} == pytest.approx(theirs, abs=EXACT)
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        theirs = average_precision_score(np.isin(np.arange(len(scores)), relevant), scores)
    assert ours["map"][0] == pytest.approx(theirs, abs=EXACT)


@given(queries(most_items=60, levels=8), st.integers(1, 60))
def test_ndcg_with_ties_is_that_of_scikit_learn(query: tuple[list[float], list[int]], k: int) -> None:
    scores, relevant = query
    truth = np.isin(np.arange(len(scores)), relevant).astype(float)
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        theirs = ndcg_score([truth], [scores], k=min(k, len(scores)))
    assert gain_at(ranks_of(scores, relevant), k)[0] == pytest.approx(theirs, abs=EXACT)


@st.composite
def large_groups(draw: st.DrawFn) -> tuple[int, int, int]:
    tied = draw(st.integers(1, 5000))
    return draw(st.integers(0, 5000)), tied, draw(st.integers(1, min(tied, 400)))


@given(large_groups(), st.integers(1, 10_000))
def test_large_tied_groups_follow_the_hypergeometric_law(group: tuple[int, int, int], k: int) -> None:
    above, tied, relevant = group
    ranks = Ranks(10_000, np.array([0, 1]), *(np.array([count]) for count in group))
    shown = min(max(k - above, 0), tied)
    missed = hypergeom.pmf(0, tied, relevant, shown)
    assert hits_at(ranks, k)[0] == pytest.approx(1 - missed, abs=EXACT)
    # P(first relevant is the p-th) = P(none among p - 1) * relevant / rest.
    place = np.arange(1, tied - relevant + 2)
    chance = hypergeom.pmf(0, tied, relevant, place - 1) * relevant / (tied - place + 1)
    assert reciprocal_rank(ranks)[0] == pytest.approx(float((chance / (above + place)).sum()), abs=EXACT)
    assert expected_rank(ranks)[0] == pytest.approx(float((chance * (above + place)).sum()), rel=EXACT)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_constant_matrix_scores_as_chance(dtype: type) -> None:
    count = 1000
    truth = Relevance.of([[i] for i in range(count)], count)
    ranks = rank_scores(np.full((count, count), 0.5, dtype), truth)
    found = {name: float(metric(ranks).mean()) for name, metric in METRICS.items()}
    harmonic = math.fsum(1 / rank for rank in range(1, count + 1))
    discounts = math.fsum(1 / math.log2(rank + 1) for rank in range(1, 11))
    assert found == pytest.approx(
        {
            "r@1": 0.1,
            "r@5": 0.5,
            "r@10": 1.0,
            "mean_rank": 500.5,
            "mrr": harmonic / count,
            "ndcg@10": discounts / count,
            "map": harmonic / count,
        },
        abs=EXACT,
    )


def test_a_constant_matrix_with_many_relevant_items_is_quick() -> None:
    count = 300
    truth = Relevance.of([list(range(i, count)) for i in range(count)], count)
    ranks = rank_scores(np.zeros((count, count)), truth)
    assert hits_at(ranks, 1) == pytest.approx([(count - i) / count for i in range(count)], abs=EXACT)
    assert average_precision(ranks)[0] == pytest.approx(1)


def test_every_value_lies_within_its_bounds() -> None:
    rng = np.random.default_rng(0)
    truth = Relevance.of([rng.choice(30, 1 + i % 5, replace=False).tolist() for i in range(100)], 30)
    ranks = rank_scores(rng.integers(0, 4, (100, 30)).astype(np.float32), truth)
    for name, metric in METRICS.items():
        values, (low, high) = metric(ranks), metric_bounds(name, 30)
        assert values.shape == (100,)
        assert low <= values.min()
        assert values.max() <= high


def test_bounds_of_an_unknown_metric_name_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'mrr'"):
        metric_bounds("mr", 10)


@pytest.mark.parametrize("metric", [hits_at, gain_at])
def test_a_cut_off_counts_from_one(metric: object) -> None:
    with pytest.raises(UsageError, match="counts from 1"):
        metric(ranks_of([1.0, 2.0], [0]), 0)  # type: ignore[operator]


def test_a_cut_off_beyond_the_gallery_finds_everything() -> None:
    ranks = ranks_of([1.0, 2.0, 3.0], [0])
    assert hits_at(ranks, 10**9)[0] == 1
    assert gain_at(ranks, 10**9)[0] == pytest.approx(1 / math.log2(4))
