"""Measures of kept ranks, and what useless systems score in them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from polyreel.errors import UsageError
from polyreel.metrics.crossed import crossed_bootstrap
from polyreel.metrics.kept_ranks import (
    cohen_kappa,
    cohen_kappa_values,
    found_at,
    found_in_both_at,
    log2_ranks,
    mean_log2_rank,
)

N, K = 1000, 10
CONSTANT = np.full(N, (N + 1) / 2)
# One list for every query: each item is asked for once, and has its place in the list as rank.
WRONG_ALIKE = np.random.default_rng(0).permutation(N) + 1.0


def random_ranks(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, N + 1, 200_000).astype(float)


def test_bits_of_a_rank() -> None:
    assert log2_ranks([1, 2, 4, 1024, 2.5]).tolist() == [0, 1, 2, 10, math.log2(2.5)]
    assert mean_log2_rank([1, 4]) == 1


def test_what_useless_systems_score_in_log2_rank() -> None:
    expected = math.lgamma(N + 1) / math.log(2) / N
    assert expected == pytest.approx(math.log2(N) - 1.44, abs=0.01)
    assert mean_log2_rank(WRONG_ALIKE) == pytest.approx(expected)
    assert mean_log2_rank(random_ranks(1)) == pytest.approx(expected, abs=0.02)
    assert mean_log2_rank(CONSTANT) == pytest.approx(expected + 0.44, abs=0.01)


def test_found_in_both_is_found_in_each() -> None:
    assert found_in_both_at([1, 11, 3, 10], [10, 1, 30, 10.5], 10).tolist() == [1, 0, 0, 0]
    assert found_at([1, 10, 10.5, 11], 10).tolist() == [1, 1, 0, 0]


def test_what_useless_systems_score_in_found_in_both() -> None:
    assert found_in_both_at(CONSTANT, CONSTANT, K).mean() == 0
    assert found_in_both_at(WRONG_ALIKE, WRONG_ALIKE, K).mean() == K / N
    at_random = found_in_both_at(random_ranks(1), random_ranks(2), K).mean()
    assert at_random == pytest.approx((K / N) ** 2, abs=1e-4)


def test_what_useless_systems_score_in_kappa() -> None:
    assert cohen_kappa(found_at(CONSTANT, K), found_at(CONSTANT, K)) == 0
    assert cohen_kappa(found_at(WRONG_ALIKE, K), found_at(WRONG_ALIKE, K)) == pytest.approx(1)
    assert cohen_kappa(found_at(random_ranks(1), K), found_at(random_ranks(2), K)) == pytest.approx(
        0, abs=0.01
    )


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_that_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.random(60) < 0.3
    b = a ^ (rng.random(60) < 0.4)
    assert cohen_kappa(a, b) == pytest.approx(cohen_kappa_score(a, b))
    assert cohen_kappa(a, a) == pytest.approx(1)
    assert cohen_kappa(a, ~a) == pytest.approx(cohen_kappa_score(a, ~a))


def test_the_interval_of_kappa_is_as_wide_as_kappa_varies() -> None:
    rng = np.random.default_rng(3)

    def drawn(queries: int) -> tuple[np.ndarray, np.ndarray]:
        a = rng.random(queries) < 0.4
        return a, np.where(rng.random(queries) < 0.5, a, rng.random(queries) < 0.4)

    spread = np.std([cohen_kappa(*drawn(300)) for _ in range(2000)])
    a, b = drawn(300)
    values = cohen_kappa_values(a, b)
    assert values.mean() == pytest.approx(cohen_kappa(a, b))
    error = crossed_bootstrap(np.stack([values, values])).standard_error
    assert values.std() / np.sqrt(300) == pytest.approx(spread, rel=0.15)
    assert error >= 0.99 * values.std() / np.sqrt(300)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: log2_ranks([1, 0.5]), "rows 1"),
        (lambda: log2_ranks([1, math.nan]), "rows 1"),
        (lambda: log2_ranks(["a"]), "not numbers"),
        (lambda: mean_log2_rank([]), "no rank"),
        (lambda: found_at([1], 0), "cut-off"),
        (lambda: found_at([1], True), "cut-off"),
        (lambda: found_in_both_at([1, 2], [1], 10), "query by query"),
        (lambda: cohen_kappa([1, 2], [1, 0]), "rows 1"),
        (lambda: cohen_kappa([], []), "no query"),
        (lambda: cohen_kappa([1, 0], [1]), "query by query"),
    ],
)
def test_what_is_no_rank_is_refused(call, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call()
