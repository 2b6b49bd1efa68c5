"""Intervals that keep their promise, tests that are exact where they can be, one result for one seed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from polyreel.errors import UsageError
from polyreel.metrics import significance
from polyreel.metrics.significance import (
    Interval,
    aggregate_seeds,
    bootstrap_mean,
    bootstrap_means_and_median,
    bootstrap_median,
    holm,
    paired_bootstrap,
    permutation_test,
    rank_correlation,
)
from polyreel.metrics.student import t_cdf, t_quantile

UNIT = (0.0, 1.0)


def hits(successes: int, queries: int) -> NDArray[np.float64]:
    return (np.arange(queries) < successes).astype(float)


def ends(interval: Interval) -> tuple[float, float]:
    return float(interval.low), float(interval.high)


class TestMean:
    @pytest.mark.parametrize("successes", [1, 3, 30, 150, 299])
    def test_of_a_proportion_is_the_interval_of_jeffreys(self, successes: int) -> None:
        found = bootstrap_mean(hits(successes, 300), bounds=UNIT, resamples=40_000)
        exact = stats.beta.ppf([0.025, 0.975], successes + 0.5, 300.5 - successes)
        assert ends(found) == pytest.approx(exact, rel=0.03, abs=2e-4)

    def test_without_a_hit_the_truth_may_still_be_above_zero(self) -> None:
        low, high = ends(bootstrap_mean(np.zeros(300), bounds=UNIT))
        assert low == 0
        assert high == pytest.approx(stats.beta.ppf(0.975, 0.5, 300.5), rel=0.1)
        low, high = ends(bootstrap_mean(np.full(300, 100.0), bounds=(0, 100)))
        assert high == 100
        assert 98 < low < 100

    def test_a_single_query_with_bounds_says_almost_nothing(self) -> None:
        low, high = ends(bootstrap_mean(np.array([100.0]), bounds=(0, 100)))
        assert low < 25
        assert high == 100

    def test_without_bounds_it_is_that_of_the_normal_law_for_many_queries(self) -> None:
        values = np.random.default_rng(0).normal(5, 2, 5000)
        expected = stats.norm.interval(0.9, values.mean(), values.std() / math.sqrt(5000))
        assert ends(bootstrap_mean(values, level=0.9, resamples=10_000)) == pytest.approx(expected, abs=0.003)

    def test_columns_see_the_same_resamples(self) -> None:
        values = np.random.default_rng(0).random((200, 3))
        together = bootstrap_mean(values, bounds=(0, [1, 2, np.inf]), seed=4)
        assert together.low.shape == together.high.shape == (3,)
        for column, high in enumerate((1, 2)):
            alone = bootstrap_mean(values[:, column], bounds=(0, high), seed=4)
            assert ends(alone) == pytest.approx((together.low[column], together.high[column]))

    def test_the_half_cluster_at_an_infinite_bound_is_left_out(self) -> None:
        values = np.random.default_rng(0).exponential(50, 60)
        none = bootstrap_mean(values, bounds=(-np.inf, np.inf))
        assert ends(none) == ends(bootstrap_mean(values))
        assert bootstrap_mean(values, bounds=(0, 1000)).high > none.high

    def test_a_seed_decides_everything_and_the_size_of_pieces_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        values = np.random.default_rng(0).random(100)
        first = ends(bootstrap_mean(values, bounds=UNIT, seed=1))
        assert ends(bootstrap_mean(values, bounds=UNIT, seed=1)) == first
        assert ends(bootstrap_mean(values, bounds=UNIT, seed=2)) != first
        monkeypatch.setattr(significance, "_CHUNK_BYTES", 8 * 100 * 7)
        assert ends(bootstrap_mean(values, bounds=UNIT, seed=1)) == pytest.approx(first, rel=1e-12)

    def test_it_holds_the_figure_itself(self) -> None:
        values = np.array([0.3, 0.1 + 0.2, 0.3])
        low, high = ends(bootstrap_mean(values))
        assert low <= values.mean() <= high


class TestClusters:
    def test_a_query_that_is_asked_five_times_counts_once(self) -> None:
        values = np.random.default_rng(0).random(50)
        labels = np.repeat([f"clip {i:02}" for i in range(50)], 5)
        once = bootstrap_mean(values, bounds=UNIT)
        five = bootstrap_mean(np.repeat(values, 5), bounds=UNIT, clusters=labels.tolist())
        assert ends(five) == pytest.approx(ends(once))
        once = bootstrap_median(values, bounds=UNIT)
        five = bootstrap_median(np.repeat(values, 5), bounds=UNIT, clusters=labels)
        assert ends(five) == pytest.approx(ends(once))

    def test_without_labels_it_would_seem_to_be_five_queries(self) -> None:
        values = np.random.default_rng(0).random(50)
        once = np.diff(ends(bootstrap_mean(values)))
        five = np.diff(ends(bootstrap_mean(np.repeat(values, 5))))
        assert five == pytest.approx(once / math.sqrt(5), rel=0.1)

    def test_the_order_of_queries_does_not_matter(self) -> None:
        rng = np.random.default_rng(0)
        values, labels, order = rng.random(60), rng.integers(0, 20, 60), rng.permutation(60)
        straight = bootstrap_mean(values, clusters=labels)
        assert ends(bootstrap_mean(values[order], clusters=labels[order])) == pytest.approx(ends(straight))


class TestMedian:
    def test_of_many_queries_is_near_the_order_statistics(self) -> None:
        values = np.random.default_rng(0).exponential(10, 2001)
        ranks = stats.binom.ppf([0.025, 0.975], 2001, 0.5).astype(int)
        expected = np.sort(values)[ranks]
        assert ends(bootstrap_median(values, resamples=10_000)) == pytest.approx(expected, rel=0.02)

    def test_a_single_query_with_bounds_says_nothing(self) -> None:
        assert ends(bootstrap_median(np.array([3.0]), bounds=(1, 50))) == (1, 50)

    def test_the_size_of_pieces_does_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        values = np.random.default_rng(0).random(100)
        first = ends(bootstrap_median(values, seed=1))
        monkeypatch.setattr(significance, "_CHUNK_BYTES", 8 * 100 * 7)
        assert ends(bootstrap_median(values, seed=1)) == first

    @pytest.mark.parametrize("clustered", [False, True])
    @pytest.mark.parametrize("queries", [2, 7, 40, 3_000])
    def test_only_the_middle_is_looked_at_and_the_answer_is_that_of_all(
        self, monkeypatch: pytest.MonkeyPatch, queries: int, clustered: bool
    ) -> None:
        rng = np.random.default_rng(queries)
        # A few clusters of very unequal size: many a median lies far from the middle.
        labels = np.minimum(rng.geometric(0.3, queries), 6) if clustered else None
        for values, bounds in (
            (np.minimum(rng.geometric(0.4, queries), 9).astype(float), (1.0, 9.0)),
            (np.exp(3 * rng.normal(size=queries)), None if len(np.unique(labels)) > 1 else (0.0, 1e9)),
        ):
            found = ends(bootstrap_median(values, bounds=bounds, clusters=labels, resamples=400))
            with monkeypatch.context() as patch:
                patch.setattr(significance, "_middle", lambda count: slice(0, count))
                assert ends(bootstrap_median(values, bounds=bounds, clusters=labels, resamples=400)) == found

    def test_with_means_it_is_what_each_is_alone(self) -> None:
        rng = np.random.default_rng(0)
        table, ranks, labels = rng.random((60, 3)), rng.integers(1, 9, 60), rng.integers(0, 20, 60)
        means, median = bootstrap_means_and_median(table, ranks, bounds=UNIT, clusters=labels, seed=3)
        alone = bootstrap_mean(table, bounds=UNIT, clusters=labels, seed=3)
        np.testing.assert_array_equal(means.low, alone.low)
        np.testing.assert_array_equal(means.high, alone.high)
        assert ends(median) == ends(bootstrap_median(ranks, clusters=labels, seed=3))

    def test_of_two_metrics_is_refused(self) -> None:
        with pytest.raises(UsageError, match="one value for each query"):
            bootstrap_median(np.zeros((5, 2)))


class TestPairs:
    def test_equal_systems_do_not_differ(self) -> None:
        values = hits(20, 100)
        found = paired_bootstrap(values, values, bounds=UNIT)
        assert (found.difference, found.p) == (0, pytest.approx(1, abs=0.1))
        assert found.interval.low < 0 < found.interval.high
        assert permutation_test(values, values) == 1

    def test_p_is_near_that_of_the_t_test(self) -> None:
        rng = np.random.default_rng(0)
        a = rng.random(400)
        b = a - rng.normal(0.02, 0.2, 400)
        found = paired_bootstrap(a, b, resamples=20_000)
        expected = stats.ttest_rel(a, b)
        assert found.difference == pytest.approx((a - b).mean())
        assert found.p == pytest.approx(expected.pvalue, abs=0.01)
        assert ends(found.interval) == pytest.approx(tuple(expected.confidence_interval()), abs=0.001)
        assert permutation_test(a, b) == pytest.approx(expected.pvalue, abs=0.01)

    def test_the_interval_leaves_out_zero_where_p_is_small(self) -> None:
        rng = np.random.default_rng(0)
        for shift in np.linspace(-0.05, 0.05, 11):
            found = paired_bootstrap(rng.normal(shift, 0.3, 300), np.zeros(300))
            low, high = ends(found.interval)
            assert (found.p < 0.05) == (low > 0 or high < 0)

    def test_turning_it_round_turns_the_sign(self) -> None:
        rng = np.random.default_rng(0)
        a, b = rng.random(50), rng.random(50)
        one, other = paired_bootstrap(a, b), paired_bootstrap(b, a)
        assert one.difference == pytest.approx(-other.difference)
        assert ends(one.interval) == pytest.approx((-other.interval.high, -other.interval.low))
        assert one.p == other.p
        assert permutation_test(a, b) == permutation_test(b, a)

    def test_p_is_never_zero(self) -> None:
        a, b = np.full(400, 1.0), np.zeros(400)
        assert paired_bootstrap(a, b, resamples=500).p == pytest.approx(2 / 501)
        assert permutation_test(a, b, resamples=500) == pytest.approx(1 / 501)


class TestPermutations:
    @given(st.lists(st.integers(-3, 3), min_size=2, max_size=9))
    def test_few_queries_are_exact(self, gains: list[int]) -> None:
        signs = itertools.product((-1, 1), repeat=len(gains))
        totals = [abs(sum(s * g for s, g in zip(sign, gains, strict=True))) for sign in signs]
        expected = np.mean([total >= abs(sum(gains)) for total in totals])
        assert permutation_test(np.array(gains, float), np.zeros(len(gains))) == pytest.approx(expected)

    def test_that_is_what_scipy_finds(self) -> None:
        rng = np.random.default_rng(0)
        a, b = rng.random(9), rng.random(9) + 0.2
        theirs = stats.permutation_test(
            (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
        )
        assert permutation_test(a, b) == pytest.approx(theirs.pvalue)

    def test_only_clusters_that_differ_count(self) -> None:
        """Four of 1,000 differ, all one way: 2 of 16 sign patterns are as extreme."""
        assert permutation_test(hits(4, 1000), np.zeros(1000)) == 2 / 16

    def test_decimal_fractions_that_should_tie_do(self) -> None:
        """0.1 + 0.2 is not 0.3 in binary, in whatever order it is added."""
        gains = np.tile([0.1, 0.2, -0.3], 6)
        assert permutation_test(gains, np.zeros(18)) == 1

    def test_a_clusters_queries_are_swapped_together(self) -> None:
        rng = np.random.default_rng(0)
        gains, labels = rng.normal(0.3, 1, 60), np.arange(60) % 6
        sums = np.bincount(labels, gains)
        expected = permutation_test(sums, np.zeros(6))
        assert permutation_test(gains, np.zeros(60), clusters=labels) == pytest.approx(expected)

    def test_the_size_of_pieces_does_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rng = np.random.default_rng(0)
        a, b = rng.random(33), rng.random(33)
        first = permutation_test(a, b, seed=3)
        assert first != permutation_test(a, b, seed=4)
        monkeypatch.setattr(significance, "_CHUNK_BYTES", 8 * 33 * 7)
        assert permutation_test(a, b, seed=3) == first


class TestSeeds:
    def test_the_parts_are_what_they_are_called(self) -> None:
        values = np.random.default_rng(0).random((3, 40))
        found = aggregate_seeds(values)
        assert found.mean == pytest.approx(values.mean())
        assert found.between_sd == pytest.approx(np.std(values.mean(axis=1), ddof=1))
        assert found.within_se == pytest.approx(math.sqrt((values.var(axis=1, ddof=1) / 40).mean()))

    def test_seeds_that_agree_leave_the_interval_of_the_queries(self) -> None:
        values = np.tile(np.random.default_rng(0).random(40), (3, 1))
        found = aggregate_seeds(values)
        expected = stats.t.interval(0.95, 39, values.mean(), values[0].std(ddof=1) / math.sqrt(40))
        assert found.between_sd == pytest.approx(0)
        assert ends(found.interval) == pytest.approx(expected, rel=1e-6)

    def test_queries_that_agree_leave_the_interval_of_the_seeds(self) -> None:
        means = np.array([0.2, 0.5, 0.3])
        found = aggregate_seeds(np.tile(means[:, None], (1, 40)))
        expected = stats.t.interval(0.95, 2, means.mean(), means.std(ddof=1) / math.sqrt(3))
        assert found.within_se == pytest.approx(0)
        assert ends(found.interval) == pytest.approx(expected, rel=1e-6)

    def test_a_constant_has_no_noise(self) -> None:
        found = aggregate_seeds(np.full((3, 10), 0.25))
        assert ends(found.interval) == pytest.approx((0.25, 0.25))

    def test_clusters_widen_it(self) -> None:
        values = np.tile(np.repeat(np.random.default_rng(0).random(20), 5), (3, 1))
        labels = np.repeat(np.arange(20), 5)
        apart, together = aggregate_seeds(values), aggregate_seeds(values, clusters=labels)
        assert together.within_se > 2 * apart.within_se
        assert np.diff(ends(together.interval)) > np.diff(ends(apart.interval))

    @pytest.mark.parametrize("shape", [(1, 10), (10,), (2, 3, 4)])
    def test_one_seed_says_nothing_about_seeds(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(UsageError, match="two seeds at least"):
            aggregate_seeds(np.zeros(shape))

    @pytest.mark.parametrize("freedom", [1, 1.5, 2, 4.3, 30, 1e4, 1e7])
    @pytest.mark.parametrize("probability", [0.75, 0.95, 0.975, 0.9995])
    def test_the_quantile_of_t_is_that_of_scipy(self, freedom: float, probability: float) -> None:
        found = t_quantile(probability, freedom)
        assert found == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-7)
        assert t_cdf(found, freedom) == pytest.approx(probability, rel=1e-9)
        assert t_cdf(-found, freedom) == pytest.approx(stats.t.cdf(-found, freedom), rel=1e-7)


class TestHolm:
    def test_an_example(self) -> None:
        given = {"de": 0.01, "fr": 0.04, "cs": 0.03, "zh": 0.005}
        adjusted = holm(given)
        assert adjusted == pytest.approx({"de": 0.03, "fr": 0.06, "cs": 0.06, "zh": 0.02})
        assert list(adjusted) == list(given)

    @given(st.lists(st.floats(0, 1), max_size=12))
    def test_it_rejects_what_the_stepwise_procedure_rejects(self, p_values: list[float]) -> None:
        adjusted = holm({str(i): p for i, p in enumerate(p_values)})
        for level in (0.01, 0.05, 0.5):
            rejected, ordered = set(), sorted(range(len(p_values)), key=p_values.__getitem__)
            for step, i in enumerate(ordered):
                if (len(p_values) - step) * p_values[i] > level:
                    break
                rejected.add(str(i))
            assert rejected == {name for name, p in adjusted.items() if p <= level}

    @pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
    def test_what_is_no_probability_is_named(self, p: float) -> None:
        with pytest.raises(UsageError, match=r"probability.*sw"):
            holm({"de": 0.5, "sw": p})


class TestBadInput:
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_a_value_that_is_not_finite_names_its_row(self, value: float) -> None:
        values = np.zeros(10)
        values[6] = value
        for measure in (
            lambda: bootstrap_mean(values),
            lambda: bootstrap_median(values),
            lambda: paired_bootstrap(np.zeros(10), values),
            lambda: permutation_test(values, np.zeros(10)),
            lambda: aggregate_seeds(np.stack([np.zeros(10), values])),
        ):
            with pytest.raises(UsageError, match=r"not finite.*rows 6\b"):
                measure()

    def test_a_value_out_of_bounds_names_its_row(self) -> None:
        with pytest.raises(UsageError, match=r"out of bounds.*rows 1\b"):
            bootstrap_mean(np.array([0, 100.0]), bounds=UNIT)

    def test_nothing(self) -> None:
        with pytest.raises(UsageError, match="shape"):
            bootstrap_mean(np.zeros(0))

    def test_one_cluster_without_bounds(self) -> None:
        for measure in (bootstrap_mean, bootstrap_median):
            with pytest.raises(UsageError, match="says nothing about chance"):
                measure(np.zeros(4), clusters=["a"] * 4)

    def test_labels_that_are_too_few(self) -> None:
        with pytest.raises(UsageError, match="one label for each query"):
            bootstrap_mean(np.zeros(4), clusters=["a", "b"])

    def test_systems_of_different_queries(self) -> None:
        with pytest.raises(UsageError, match="query by query"):
            paired_bootstrap(np.zeros(4), np.zeros(5))
        with pytest.raises(UsageError, match="query by query"):
            permutation_test(np.zeros((4, 2)), np.zeros((4, 2)))

    @pytest.mark.parametrize("level", [0, 1, 95])
    def test_a_level_that_is_none(self, level: float) -> None:
        with pytest.raises(UsageError, match="level"):
            bootstrap_mean(np.zeros(4), level=level)

    def test_too_few_resamples(self) -> None:
        with pytest.raises(UsageError, match="resamples"):
            bootstrap_mean(np.zeros(4), resamples=10)


# ---- coverage: how often the intervals hold the truth, over many simulated systems


@dataclass(frozen=True)
class Simulated:
    """A draw of a system and of its results: what is true, and the interval that was found."""

    truth: float
    interval: Interval

    @property
    def covered(self) -> bool:
        low, high = ends(self.interval)
        return low - 1e-12 <= self.truth <= high + 1e-12


@dataclass
class Kind:
    """One kind of system."""

    name: str
    draw: Callable[[np.random.Generator], Simulated]
    reached: list[bool] = field(default_factory=list)


QUERIES = 300
_NORMAL = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)


def recall_at_1(least: float, most: float) -> Callable[[np.random.Generator], Simulated]:
    def draw(rng: np.random.Generator) -> Simulated:
        rate = math.exp(rng.uniform(math.log(least), math.log(most)))
        return Simulated(rate, bootstrap_mean(rng.random(QUERIES) < rate, bounds=UNIT))

    return draw


def ranks_from(normal: NDArray[np.float64], centre: float) -> NDArray[np.float64]:
    """Ranks in a gallery of 1,000 that are nearly log-normal: many ones, a long tail."""
    return np.clip(np.floor(np.exp(centre + 1.5 * normal)), 1, 1000)


def mean_reciprocal_rank(rng: np.random.Generator) -> Simulated:
    centre = rng.uniform(0, 4)
    truth = (1 / ranks_from(_NORMAL, centre)).mean()
    return Simulated(truth, bootstrap_mean(1 / ranks_from(rng.standard_normal(QUERIES), centre), bounds=UNIT))


def mean_rank(rng: np.random.Generator) -> Simulated:
    centre = rng.uniform(0, 4)
    found = ranks_from(rng.standard_normal(QUERIES), centre)
    return Simulated(ranks_from(_NORMAL, centre).mean(), bootstrap_mean(found, bounds=(1, 1000)))


def median_rank(rng: np.random.Generator) -> Simulated:
    centre = rng.uniform(3, 5)
    found = ranks_from(rng.standard_normal(QUERIES), centre)
    return Simulated(float(np.median(ranks_from(_NORMAL, centre))), bootstrap_median(found, bounds=(1, 1000)))


def clustered_recall(rng: np.random.Generator) -> Simulated:
    """100 clips of 1 to 9 captions; how hard a clip is, all its captions feel."""
    centre, sizes = rng.uniform(-3, 0), rng.integers(1, 10, 100)
    truth = (1 / (1 + np.exp(-(centre + 1.5 * _NORMAL)))).mean()
    rates = np.repeat(1 / (1 + np.exp(-(centre + 1.5 * rng.standard_normal(100)))), sizes)
    found = rng.random(len(rates)) < rates
    return Simulated(truth, bootstrap_mean(found, bounds=UNIT, clusters=np.repeat(np.arange(100), sizes)))


def paired_difference(rng: np.random.Generator) -> Simulated:
    """Two systems' R@1; a third of the queries are hard for both."""
    rates = rng.uniform(0.02, 0.3, 2)
    easy = rng.random(QUERIES) > 1 / 3
    a, b = (easy & (rng.random(QUERIES) < rate) for rate in rates)
    return Simulated((rates[0] - rates[1]) * 2 / 3, paired_bootstrap(a, b, bounds=UNIT).interval)


def several_seeds(rng: np.random.Generator) -> Simulated:
    """Three seeds; seeds, queries and their combinations all vary."""
    of_seed, of_query, of_both = rng.uniform(0.1, 1, 3) * (0.02, 0.4, 0.4)
    values = (
        0.4
        + of_seed * rng.standard_normal((3, 1))
        + of_query * rng.standard_normal(QUERIES)
        + of_both * rng.standard_normal((3, QUERIES))
    )
    return Simulated(0.4, aggregate_seeds(values).interval)


def kinds() -> Sequence[Kind]:
    return (
        Kind("R@1 from 0.5% to 60%", recall_at_1(0.005, 0.6)),
        Kind("R@1 from 0.5% to 3%", recall_at_1(0.005, 0.03)),
        Kind("R@1 of clustered queries", clustered_recall),
        Kind("MRR", mean_reciprocal_rank),
        Kind("mean rank", mean_rank),
        Kind("median rank", median_rank),
        Kind("difference of R@1", paired_difference),
        Kind("three seeds", several_seeds),
    )


def coverage(kind: Kind, systems: int) -> float:
    rng = np.random.default_rng(0)
    return float(np.mean([kind.draw(rng).covered for _ in range(systems)]))


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)
def test_intervals_hold_the_truth_about_as_often_as_they_say(kind: Kind) -> None:
    assert coverage(kind, 60) >= 0.87


def test_percentiles_of_the_ordinary_bootstrap_would_not() -> None:
    """Exact coverage for 300 queries of which 0.7 to 1.3% succeed: theirs, and that of Jeffreys' interval."""
    successes, rates = np.arange(QUERIES + 1), np.linspace(0.007, 0.013, 61)
    ordinary = stats.binom.ppf([[0.025], [0.975]], QUERIES, successes / QUERIES) / QUERIES
    jeffreys = stats.beta.ppf([[0.025], [0.975]], successes + 0.5, QUERIES - successes + 0.5)
    reached = [
        np.mean([stats.binom.pmf(successes, QUERIES, p)[(low <= p) & (p <= high)].sum() for p in rates])
        for low, high in (ordinary, jeffreys)
    ]
    assert reached == pytest.approx([0.88, 0.94], abs=0.005)


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)
def test_nominal_95_percent_is_93_to_97(kind: Kind) -> None:
    """Over 1,000 systems; shown with ``pytest -m slow -s``."""
    reached = coverage(kind, 1000)
    print(f"\n{kind.name}: {100 * reached:.1f}%")
    assert 0.93 <= reached <= 0.97


@pytest.mark.slow
def test_equal_systems_seem_to_differ_in_five_of_a_hundred_cases() -> None:
    rng, found = np.random.default_rng(0), []
    for _ in range(1000):
        rate = rng.uniform(0.02, 0.4)
        a, b = rng.random((2, QUERIES)) < rate
        found.append(
            (paired_bootstrap(a, b, bounds=UNIT).p <= 0.05, permutation_test(a, b, resamples=2000) <= 0.05)
        )
    bootstrap, permutation = np.mean(found, axis=0)
    print(
        f"\nfalse alarms at 5%: paired bootstrap {100 * bootstrap:.1f}%, permutation {100 * permutation:.1f}%"
    )
    assert 0.03 <= bootstrap <= 0.07
    assert permutation <= 0.065


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("count", [4, 8, 30])
def test_a_rank_correlation_is_scipys(count: int, ties: bool) -> None:
    rng = np.random.default_rng(count)
    for _ in range(10):
        one = rng.normal(size=count)
        other = 0.5 * one + rng.normal(size=count)
        if ties:
            one, other = np.round(one), np.round(other)
        found = rank_correlation(one, other)
        if np.ptp(one) == 0 or np.ptp(other) == 0:
            assert (found.rho, found.p) == (0.0, 1.0)
            continue
        expected = stats.spearmanr(one, other)
        assert found.rho == pytest.approx(expected.statistic)
        if count == 30 and not ties:
            assert found.p == pytest.approx(expected.pvalue, abs=0.02)


def test_the_p_of_a_rank_correlation_counts_every_order() -> None:
    # Of the 24 orders of four things one rises and one falls throughout.
    assert rank_correlation([1, 2, 3, 4], [10, 20, 30, 40]).p == pytest.approx(2 / 24)
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]).rho == pytest.approx(-1)


def test_a_rank_correlation_of_too_little_is_refused() -> None:
    with pytest.raises(UsageError, match="at least three things"):
        rank_correlation([1, 2], [2, 1])
    with pytest.raises(UsageError, match="3 and 4"):
        rank_correlation([1, 2, 3], [1, 2, 3, 4])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"clusters": [None] * 10}, "clusters cannot be read as an array of numbers"),
        ({"clusters": [[1], [1, 2]] * 5}, "clusters cannot be read as an array"),
        ({"clusters": [np.nan] * 10}, "labels of clusters are not finite"),
        ({"clusters": 3}, "one label for each query"),
        ({"seed": "x"}, "the seed must be a whole number"),
        ({"seed": -1}, "the seed must not be negative"),
        ({"seed": 1.5}, "the seed must be a whole number"),
        ({"resamples": 100.5}, "the number of resamples must be a whole number"),
        ({"level": "high"}, "a level must be a number"),
        ({"bounds": 1}, "bounds are the lowest and the highest value"),
        ({"bounds": "ab"}, "bounds are the lowest and the highest value"),
        ({"bounds": (1, 0)}, "must not lie above the highest"),
    ],
)
def test_options_of_another_type_are_refused_by_name(options, said):
    for measure in (bootstrap_mean, bootstrap_median):
        with pytest.raises(UsageError, match=said):
            measure(np.arange(10) / 10, **options)


def test_labels_of_clusters_may_be_text():
    values = np.arange(10) / 10
    labels = ["a"] * 5 + ["b"] * 5
    assert bootstrap_mean(values, clusters=labels) == bootstrap_mean(values, clusters=[0] * 5 + [1] * 5)


def test_p_values_are_numbers_by_name():
    with pytest.raises(UsageError, match="a p value must be a number"):
        holm({"de": "small"})
    with pytest.raises(UsageError, match="p values must be a mapping"):
        holm([0.1])
