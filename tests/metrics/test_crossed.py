"""Intervals for new seeds and new queries."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from polyreel.errors import UsageError
from polyreel.metrics.crossed import CrossedValues, crossed_bootstrap, crossed_bootstrap_of_settings
from polyreel.metrics.significance import aggregate_seeds


def crossed(
    rng: np.random.Generator, *, seeds: int = 10, clusters: int = 135, sd: tuple[float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Values of seed effects, cluster effects and noise; two queries a cluster."""
    labels = np.repeat(np.arange(clusters), 2)
    values = (
        rng.normal(0, sd[0], (seeds, 1))
        + rng.normal(0, sd[1], clusters)[labels]
        + rng.normal(0, 0.6 * sd[2], (seeds, clusters))[:, labels]
        + rng.normal(0, 0.8 * sd[2], (seeds, len(labels)))
    )
    return values, labels


def in_folds(values: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    fold = np.arange(len(values)) % 5
    return np.where(fold[:, None] == labels % 5, values, np.nan)


class TestCrossedBootstrap:
    def test_the_mean_is_that_of_all_values(self) -> None:
        values, labels = crossed(np.random.default_rng(0), sd=(0.1, 0.5, 1))
        found = crossed_bootstrap(values + 0.3, labels)
        assert found.mean == pytest.approx(values.mean() + 0.3)
        assert found.low < found.mean < found.high
        assert (found.seeds, found.queries, found.clusters) == (10, 270, 135)
        assert found == crossed_bootstrap(values + 0.3, labels)

    def test_a_mean_in_folds_is_that_of_what_was_measured(self) -> None:
        values, labels = crossed(np.random.default_rng(1), sd=(0.1, 0.5, 1))
        folds = in_folds(values, labels)
        found = crossed_bootstrap(folds, labels)
        assert found.mean == pytest.approx(np.nanmean(folds))
        # A fifth of the values says less.
        assert found.standard_error > crossed_bootstrap(values, labels).standard_error

    def test_near_the_interval_of_crossed_random_effects(self) -> None:
        values, labels = crossed(np.random.default_rng(2), sd=(0.1, 0.5, 1))
        found = crossed_bootstrap(values, labels, resamples=20_000)
        known = aggregate_seeds(values, clusters=labels).interval
        width = float(known.high - known.low)
        assert found.low == pytest.approx(float(known.low), abs=0.1 * width)
        assert found.high == pytest.approx(float(known.high), abs=0.1 * width)

    def test_with_seeds_alone_it_is_the_t_test(self) -> None:
        seeds = np.random.default_rng(3).normal(0.4, 1, 10)
        found = crossed_bootstrap(np.repeat(seeds[:, None], 400, axis=1), resamples=50_000)
        known = stats.ttest_1samp(seeds, 0)
        low, high = known.confidence_interval(0.95)
        assert found.freedom == pytest.approx(9, rel=0.01)
        assert found.standard_error == pytest.approx(seeds.std(ddof=1) / np.sqrt(10), rel=0.01)
        # To a tenth: the drawn seeds are as skewed as the ten that there are.
        assert found.high - found.low == pytest.approx(high - low, rel=0.15)
        assert found.p == pytest.approx(known.pvalue, rel=0.2)

    @pytest.mark.parametrize("folds", [False, True])
    def test_the_variance_is_unbiased_and_its_parts_add_up(self, folds: bool) -> None:
        rng = np.random.default_rng(4)
        sd = (0.1, 0.5, 1.0)
        found, means = [], []
        for _ in range(300):
            values, labels = crossed(rng, sd=sd, clusters=60)
            values = in_folds(values, labels) if folds else values
            found.append(crossed_bootstrap(values, labels, resamples=100).standard_error ** 2)
            means.append(np.nanmean(values))
        of_both = (0.36 + 0.64 / 2) * sd[2] ** 2 / 60
        expected = sd[0] ** 2 / 10 + sd[1] ** 2 / 60 + of_both / (2 if folds else 10)
        assert np.mean(found) == pytest.approx(expected, rel=0.1)
        assert np.var(means) == pytest.approx(expected, rel=0.2)

    def test_p_is_below_five_percent_where_the_interval_leaves_the_null_out(self) -> None:
        rng = np.random.default_rng(5)
        for shift in np.linspace(0, 0.4, 25):
            values, labels = crossed(rng, sd=(0.1, 0.5, 1), clusters=40)
            found = crossed_bootstrap(values + shift, labels, null=0.1, resamples=500)
            assert (found.p < 0.05) == (not found.low <= 0.1 <= found.high)

    def test_one_label_in_two_settings_is_one_sample(self) -> None:
        values, labels = crossed(np.random.default_rng(6), sd=(0.0, 1.0, 0.1))
        once = crossed_bootstrap(values, labels)
        names = [f"photo {label}" for label in labels]
        shared = crossed_bootstrap_of_settings([CrossedValues(values, names)] * 2)
        apart = crossed_bootstrap_of_settings(
            [CrossedValues(values, names), CrossedValues(values, [f"other {n}" for n in names])]
        )
        assert shared.mean == apart.mean == pytest.approx(once.mean)
        assert shared.standard_error == pytest.approx(once.standard_error, rel=0.02)
        assert apart.standard_error == pytest.approx(once.standard_error / np.sqrt(2), rel=0.02)
        assert (shared.clusters, apart.clusters) == (135, 270)

    def test_settings_count_alike_however_many_queries_they_have(self) -> None:
        rng = np.random.default_rng(7)
        small, large = rng.normal(1, 1, (4, 20)), rng.normal(0, 1, (6, 500))
        found = crossed_bootstrap_of_settings([CrossedValues(small), CrossedValues(large)])
        assert found.mean == pytest.approx((small.mean() + large.mean()) / 2)
        assert found.seeds == 4

    def test_equal_arms_are_no_difference(self) -> None:
        found = crossed_bootstrap(np.zeros((3, 20)))
        assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)

    def test_the_detectable_effect_is_found_in_four_of_five(self) -> None:
        rng = np.random.default_rng(8)
        sd = (0.1, 0.5, 1.0)
        effect = np.mean(
            [
                crossed_bootstrap(*crossed(rng, sd=sd, clusters=60), resamples=100).detectable
                for _ in range(50)
            ]
        )
        seen = 0
        for _ in range(300):
            values, labels = crossed(rng, sd=sd, clusters=60)
            seen += crossed_bootstrap(values + effect, labels, resamples=500).low > 0
        assert 0.72 < seen / 300 < 0.88

    @pytest.mark.slow
    @pytest.mark.parametrize("folds", [False, True])
    @pytest.mark.parametrize("seed_sd", [0.05, 0.1])
    def test_intervals_hold_the_truth_as_often_as_they_say(self, folds: bool, seed_sd: float) -> None:
        rng = np.random.default_rng(9)
        wrong = 0
        for draw in range(1000):
            values, labels = crossed(rng, sd=(seed_sd, 0.5, 1), clusters=200 if folds else 135)
            values = in_folds(values, labels) if folds else values
            wrong += crossed_bootstrap(values, labels, resamples=1000, seed=draw).p < 0.05
        assert 0.025 < wrong / 1000 < 0.065

    @pytest.mark.parametrize(
        ("values", "clusters", "message"),
        [
            (np.zeros((1, 10)), None, "two seeds at least"),
            (np.zeros(10), None, "two seeds at least"),
            (np.zeros((3, 4)), ["a"] * 4, "says nothing about chance"),
            (np.zeros((3, 4)), ["a"] * 3, "one label for each query"),
            (np.full((3, 4), np.inf), None, "infinite"),
            (np.array([[0, 1], [np.nan, np.nan]]), None, "seed has no value.*seed 1"),
            (np.array([[0, np.nan], [1, np.nan]]), None, "query has no value.*query 1"),
            (np.full((2, 2), "x"), None, "not numbers"),
        ],
    )
    def test_what_cannot_be_judged_is_refused(self, values: object, clusters: object, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            crossed_bootstrap(values, clusters)  # type: ignore[arg-type]

    def test_options_out_of_range(self) -> None:
        values = np.zeros((2, 5))
        with pytest.raises(UsageError, match="100 resamples"):
            crossed_bootstrap(values, resamples=10)
        with pytest.raises(UsageError, match="level"):
            crossed_bootstrap(values, level=1)
        with pytest.raises(UsageError, match="no setting"):
            crossed_bootstrap_of_settings([])
