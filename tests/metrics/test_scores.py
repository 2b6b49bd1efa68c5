"""The public face: numbers out of whatever holds scores, and what is wrong with what does not."""

from __future__ import annotations

import json
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from polyreel import metrics
from polyreel.errors import UsageError
from polyreel.metrics.ranks import rank_scores
from polyreel.metrics.retrieval import METRICS

TRUTH = [[0], [1, 2], [0]]
SCORES = np.array([[0.9, 0.1, 0.2], [0.5, 0.5, 0.1], [0.3, 0.3, 0.3]])


class OnlyAnArray:
    """What JAX and others offer: ``__array__`` and nothing else."""

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return SCORES


def test_recall_of_the_identity() -> None:
    assert metrics.recall_at(np.eye(5), [[i] for i in range(5)], k=1) == 1.0


@pytest.mark.parametrize(
    "scores",
    [SCORES.tolist(), torch.nn.Parameter(torch.from_numpy(SCORES)), OnlyAnArray(), SCORES[:, :]],
    ids=["lists", "tensor with gradient", "__array__", "numpy"],
)
def test_scores_come_in_any_form(scores: object) -> None:
    assert metrics.recall_at(scores, TRUTH) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)  # type: ignore[arg-type]
    assert metrics.mean_rank(scores, TRUTH) == pytest.approx((1 + 1.5 + 2) / 3)  # type: ignore[arg-type]
    assert metrics.median_rank(scores, TRUTH) == 1.5  # type: ignore[arg-type]


def test_each_figure_is_the_mean_of_the_values_of_its_queries() -> None:
    ranks = rank_scores(SCORES, TRUTH)
    found = metrics.score_matrix(SCORES, TRUTH)
    for name, metric in METRICS.items():
        assert np.array_equal(found.per_query[name], metric(ranks))
        assert found.values[name] == metric(ranks).mean()
    assert metrics.mean_reciprocal_rank(SCORES, TRUTH) == found.values["mrr"]
    assert metrics.ndcg_at(SCORES, TRUTH) == found.values["ndcg@10"]
    assert metrics.mean_average_precision(SCORES, TRUTH) == found.values["map"]
    assert 100 * metrics.recall_at(SCORES, TRUTH) == pytest.approx(found.values["r@1"])


def test_whole_numbers_in_lists_are_scores() -> None:
    assert metrics.recall_at([[1, 0], [0, 1]], [[0], [1]]) == 1


@pytest.mark.parametrize(
    ("scores", "truth", "k", "message"),
    [
        ("abc", TRUTH, 1, "floating point"),
        (None, TRUTH, 1, "cannot be read as an array of numbers: NoneType"),
        ([[1.0], [1.0, 2.0]], TRUTH, 1, "cannot be read as an array: list"),
        (np.eye(3), None, 1, r"truth is not a list \(NoneType\)"),
        (np.eye(3), [0, 1, 2], 1, r"not a list of columns: rows 0, 1, 2"),
        (np.eye(3), [[0], [1]], 1, "similarity and truth disagree"),
        (np.zeros(3), TRUTH, 1, "must be a matrix"),
        (np.eye(3), TRUTH, 0, "counts from 1"),
        (np.eye(3), TRUTH, "5", "counts from 1"),
        (np.array([[0, 0], [np.nan, 0.0]]), [[0], [0]], 1, "not finite: rows 1"),
    ],
)
def test_what_is_wrong_is_said(scores: object, truth: object, k: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        metrics.recall_at(scores, truth, k)  # type: ignore[arg-type]


def test_agreement_takes_lists_and_says_when_there_is_no_mapping() -> None:
    found = metrics.overlap_at({"en": SCORES.tolist(), "de": torch.from_numpy(SCORES)}, 1)
    assert found.rows()[1] == {"language": "en", "other": "de", "agreement": found.matrix[0, 1]}
    with pytest.raises(UsageError, match="mapping of languages"):
        metrics.rank_c(SCORES)  # type: ignore[arg-type]


def test_results_become_plain_values() -> None:
    gap = metrics.transfer_gap({"en": 50.0, "de": 40.0})
    assert gap.to_dict()["per_language"] == {"de": 10.0}
    interval = metrics.bootstrap_mean(torch.tensor([0.0, 1.0, 1.0]), bounds=(0, 1))
    assert set(json.loads(json.dumps(interval.to_dict()))) == {"low", "high"}
    paired = metrics.paired_bootstrap([1.0, 0.0, 1.0], [0.0, 0.0, 1.0])
    assert set(paired.to_dict()["interval"]) == {"low", "high"}


def test_results_become_data_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    found = metrics.score_matrix(SCORES, TRUTH)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="needs pandas"):
        found.to_frame()
    stand_in: ModuleType = SimpleNamespace(DataFrame=lambda rows: rows)  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "pandas", stand_in)
    assert found.to_frame()[0] == {
        "metric": "r@1",
        "value": found.values["r@1"],
        "low": found.intervals["r@1"][0],  # type: ignore[index]
        "high": found.intervals["r@1"][1],  # type: ignore[index]
    }


def test_every_public_name_is_described() -> None:
    assert all(getattr(metrics, name).__doc__ for name in metrics.__all__)
