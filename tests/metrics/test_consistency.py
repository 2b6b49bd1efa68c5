"""Agreement between languages: by definition, over every order of ties, no flattery of constants."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from scipy.stats import kendalltau
from tied_orders import orders

from polyreel.errors import UnknownNameError, UsageError
from polyreel.metrics import consistency
from polyreel.metrics.consistency import (
    PairwiseAgreement,
    all_languages_recall_at_1,
    kendall_top_k,
    macro_mean,
    mean_rank_spread,
    overlap_at,
    rank_c,
    transfer_gap,
)
from polyreel.metrics.ranks import Ranks, Relevance, rank_scores
from polyreel.metrics.retrieval import expected_rank

EXACT = 1e-9
Scores = dict[str, NDArray[np.floating]]
MEASURES: Mapping[str, Callable[[Scores], PairwiseAgreement]] = {
    "overlap": lambda scores: overlap_at(scores, 3),
    "rank_c": rank_c,
    "kendall": lambda scores: kendall_top_k(scores, 3),
}
every_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


def noisy(
    languages: str = "en de sw", *, queries: int = 20, gallery: int = 50, noise: float = 1.0, seed: int = 0
) -> Scores:
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((queries, gallery))
    return {tag: common + noise * rng.standard_normal(common.shape) for tag in languages.split()}


def constant(languages: str = "en de sw", *, queries: int = 5, gallery: int = 40) -> Scores:
    return {tag: np.full((queries, gallery), 0.5, np.float32) for tag in languages.split()}


def overlap(one: list[int], other: list[int], k: int) -> float:
    return len(set(one[:k]) & set(other[:k])) / k


def rank_c_weights(gallery: int) -> list[Fraction]:
    """softmax(N..1) as it is written down, with as many digits as it takes."""
    with localcontext(prec=50):
        powers = [Fraction(Decimal(gallery - j).exp()) for j in range(gallery)]
    return [power / sum(powers) for power in powers]


def ranking(row: NDArray[np.floating]) -> list[int]:
    return np.argsort(-row, kind="stable").tolist()


few_levels = arrays.arrays(np.float64, (2, 4), elements=st.integers(0, 2))


class TestOverlap:
    @given(few_levels, st.integers(1, 4))
    def test_ties_are_the_expectation_over_all_pairs_of_orders(self, rows: NDArray, k: int) -> None:
        pairs = product(orders(rows[0].tolist()), orders(rows[1].tolist()))
        expected = np.mean([overlap(one, other, k) for one, other in pairs])
        found = overlap_at({"en": rows[:1], "de": rows[1:]}, k)
        assert found.mean == pytest.approx(expected, abs=EXACT)

    def test_without_ties_it_is_the_definition(self) -> None:
        scores = noisy()
        found = overlap_at(scores, 10)
        assert found.languages == ("en", "de", "sw")
        expected = np.ones((3, 3))
        for (i, one), (j, other) in combinations(enumerate(scores.values()), 2):
            shares = [overlap(ranking(a), ranking(b), 10) for a, b in zip(one, other, strict=True)]
            expected[i, j] = expected[j, i] = np.mean(shares)
        assert found.matrix == pytest.approx(expected, abs=EXACT)
        assert found.mean == pytest.approx(expected[np.triu_indices(3, 1)].mean(), abs=EXACT)

    def test_a_constant_system_scores_as_a_random_one(self) -> None:
        assert overlap_at(constant(gallery=40), 10).mean == pytest.approx(10 / 40, abs=EXACT)
        random = overlap_at(noisy(queries=2000, gallery=40, noise=1e6), 10)
        assert random.mean == pytest.approx(10 / 40, abs=0.005)

    def test_a_language_does_not_agree_with_itself_about_ties(self) -> None:
        assert np.diag(overlap_at(constant(gallery=40), 10).matrix) == pytest.approx([0.25] * 3)

    def test_the_whole_gallery_overlaps(self) -> None:
        assert overlap_at(noisy(gallery=10), 10).mean == pytest.approx(1)

    @pytest.mark.parametrize("k", [0, -1, 51])
    def test_a_cut_off_outside_the_gallery(self, k: int) -> None:
        for measure in (overlap_at, kendall_top_k):
            with pytest.raises(UsageError, match=r"within the gallery.*of 50 items"):
                measure(noisy(), k)


class TestRankC:
    @given(few_levels)
    def test_ties_are_the_expectation_over_all_pairs_of_orders(self, rows: NDArray) -> None:
        weights = [float(weight) for weight in rank_c_weights(4)]
        expected = np.mean(
            [
                sum(weight * overlap(one, other, j + 1) for j, weight in enumerate(weights))
                for one, other in product(orders(rows[0].tolist()), orders(rows[1].tolist()))
            ]
        )
        assert rank_c({"en": rows[:1], "de": rows[1:]}).mean == pytest.approx(expected, abs=EXACT)

    @pytest.mark.parametrize("gallery", [1, 2, 39, 40, 41, 150])
    def test_it_is_the_definition_with_fifty_digits(self, gallery: int) -> None:
        scores = noisy("en de", queries=3, gallery=gallery, noise=0.3)
        weights = rank_c_weights(gallery)
        for query in range(3):
            one, other = (ranking(matrix[query]) for matrix in scores.values())
            shared = [Fraction(overlap(one, other, j + 1)) for j in range(gallery)]
            exact = sum(weight * share for weight, share in zip(weights, shared, strict=True))
            assert rank_c(scores).values[query] == pytest.approx(float(exact), abs=1e-14)

    def test_a_gallery_of_which_the_exponentials_overflow(self) -> None:
        scores = noisy("en de", queries=2, gallery=3000, noise=0)
        assert rank_c(scores).mean == pytest.approx(1, abs=EXACT)

    @pytest.mark.parametrize("gallery", [7, 40, 1000])
    def test_a_constant_system_scores_as_a_random_one(self, gallery: int) -> None:
        weights = rank_c_weights(gallery)
        expected = float(sum(weight * (j + 1) / gallery for j, weight in enumerate(weights)))
        assert rank_c(constant(gallery=gallery, queries=2)).mean == pytest.approx(expected, abs=EXACT)
        if gallery == 40:
            assert rank_c(noisy(queries=4000, gallery=40, noise=1e6)).mean == pytest.approx(
                expected, abs=0.004
            )


class TestKendall:
    def by_definition(self, one: NDArray, other: NDArray, k: int) -> float:
        """scipy's tau-b over the items that are among either's first k in every order of ties."""
        union = [
            i
            for i in range(len(one))
            if any((row > row[i]).sum() + (row == row[i]).sum() <= k for row in (one, other))
        ]
        if len(union) < 2 or len(set(one[union])) < 2 or len(set(other[union])) < 2:
            return 0.0
        return kendalltau(one[union], other[union]).statistic

    @given(arrays.arrays(np.float64, (2, 12), elements=st.integers(0, 15)), st.integers(1, 12))
    def test_it_is_that_of_scipy(self, rows: NDArray, k: int) -> None:
        found = kendall_top_k({"en": rows[:1], "de": rows[1:]}, k)
        assert found.mean == pytest.approx(self.by_definition(rows[0], rows[1], k), abs=EXACT)

    @pytest.mark.parametrize("k", [1, 5, 50])
    def test_several_languages_and_queries(self, k: int) -> None:
        scores = noisy()
        found = kendall_top_k(scores, k)
        pairs = list(combinations(scores.values(), 2))
        expected = np.array([[self.by_definition(a[i], b[i], k) for i in range(20)] for a, b in pairs])
        assert found.values == pytest.approx(expected.mean(axis=0), abs=EXACT)
        assert found.matrix[np.triu_indices(3, 1)] == pytest.approx(expected.mean(axis=1), abs=EXACT)
        assert np.array_equal(found.matrix, found.matrix.T)
        assert np.diag(found.matrix) == pytest.approx([1.0 if k > 1 else 0.0] * 3)

    def test_scores_a_hair_apart_are_not_tied(self) -> None:
        tiny = np.array([[0.0, 5e-324, 1e-323]])
        assert kendall_top_k({"en": tiny, "de": np.array([[1.0, 2.0, 3.0]])}, 3).mean == 1

    def test_undefined_is_zero(self) -> None:
        assert kendall_top_k(constant(), 10).mean == 0
        assert kendall_top_k(constant(gallery=10), 10).mean == 0

    def test_a_random_system_scores_below_zero(self) -> None:
        found = kendall_top_k(noisy(queries=500, gallery=2000, noise=1e6), 10)
        assert found.mean == pytest.approx(-10 / 19, abs=0.03)


class TestEveryMeasure:
    @every_measure
    def test_one_list_in_every_language_agrees_fully(
        self, measure: Callable[[Scores], PairwiseAgreement]
    ) -> None:
        found = measure(noisy(noise=0))
        assert found.matrix == pytest.approx(np.ones((3, 3)))
        assert found.values == pytest.approx(np.ones(20))

    @every_measure
    @pytest.mark.parametrize("levels", [3, 1000])
    def test_the_size_of_pieces_does_not_matter(
        self,
        measure: Callable[[Scores], PairwiseAgreement],
        levels: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        scores = {tag: np.round(matrix * levels) for tag, matrix in noisy().items()}
        whole = measure(scores)
        for size in (1, 8 * 3 * 50 * 7):
            monkeypatch.setattr(consistency, "_BLOCK_BYTES", size)
            pieces = measure(scores)
            assert pieces.matrix == pytest.approx(whole.matrix, abs=EXACT)
            assert pieces.values == pytest.approx(whole.values, abs=EXACT)

    @every_measure
    def test_floats_of_any_size_mix(self, measure: Callable[[Scores], PairwiseAgreement]) -> None:
        scores = {tag: np.round(matrix * 8) for tag, matrix in noisy().items()}
        kinds = dict(zip(scores, (np.float16, np.float32, np.float64), strict=True))
        mixed = {tag: matrix.astype(kinds[tag]) for tag, matrix in scores.items()}
        assert measure(mixed).values == pytest.approx(measure(scores).values, abs=EXACT)

    @every_measure
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda s: {}, r"two languages.*none"),
            (lambda s: {"en": s["en"]}, r"two languages.*en"),
            (lambda s: s | {"de": s["de"][:19]}, r"different queries.*en and de.*\(19, 50\)"),
            (lambda s: s | {"sw": s["sw"][:, :49]}, r"different queries.*en and sw.*\(20, 49\)"),
            (lambda s: s | {"de": s["de"][:0]}, r"no scores.*de"),
            (lambda s: s | {"de": s["de"][0]}, r"no scores.*de"),
            (lambda s: {tag: m[:, :0] for tag, m in s.items()}, r"no scores.*en"),
            (lambda s: s | {"de": s["de"].astype(int)}, r"floating point.*de.*int64"),
        ],
    )
    def test_what_it_refuses(
        self,
        measure: Callable[[Scores], PairwiseAgreement],
        change: Callable[[Scores], Scores],
        message: str,
    ) -> None:
        with pytest.raises(UsageError, match=message):
            measure(change(noisy()))

    @every_measure
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_a_score_that_is_not_finite_names_language_and_row(
        self, measure: Callable[[Scores], PairwiseAgreement], value: float
    ) -> None:
        scores = noisy()
        scores["sw"][[4, 9], 3] = value
        with pytest.raises(UsageError, match=r"not finite.*rows 4, 9 of sw"):
            measure(scores)


def ranks_of(rows: NDArray[np.floating], relevant: list[int]) -> dict[str, Ranks]:
    """Ranks of one query in as many languages as there are rows."""
    truth = Relevance.of([relevant], rows.shape[1])
    return {str(i): rank_scores(row[None], truth) for i, row in enumerate(rows)}


class TestRanks:
    """Spread of rank, and first in every language."""

    @given(few_levels, st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True))
    def test_ties_are_the_expectation_over_all_pairs_of_orders(
        self, rows: NDArray, relevant: list[int]
    ) -> None:
        places = [
            [min(order.index(item) for item in relevant) + 1 for order in orders(row.tolist())]
            for row in rows
        ]
        pairs = np.array(list(product(*places)))
        found = ranks_of(rows, relevant)
        assert mean_rank_spread(found) == pytest.approx(math.sqrt(pairs.var(axis=1).mean()), abs=EXACT)
        assert all_languages_recall_at_1(found) == pytest.approx((pairs == 1).all(axis=1).mean(), abs=EXACT)

    def test_without_ties_the_spread_is_the_standard_deviation(self) -> None:
        truth = Relevance.of([[i] for i in range(20)], 50)
        ranks = {tag: rank_scores(matrix, truth) for tag, matrix in noisy().items()}
        places = np.array([expected_rank(own) for own in ranks.values()])
        assert mean_rank_spread(ranks) == pytest.approx(places.std(axis=0).mean(), abs=EXACT)
        assert all_languages_recall_at_1(ranks) == (places == 1).all(axis=0).mean()

    def test_a_constant_system_is_as_inconsistent_as_chance(self) -> None:
        ranks = ranks_of(np.zeros((9, 1000)), [3])
        assert mean_rank_spread(ranks) == pytest.approx(math.sqrt((1 - 1 / 9) * (1000**2 - 1) / 12))
        rng = np.random.default_rng(0)
        chance = rng.integers(1, 1001, (9, 10_000)).std(axis=0).mean()
        assert mean_rank_spread(ranks) == pytest.approx(chance, rel=0.02)
        assert all_languages_recall_at_1(ranks) == pytest.approx(1000.0**-9)

    @pytest.mark.parametrize("measure", [mean_rank_spread, all_languages_recall_at_1])
    def test_what_they_refuse(self, measure: Callable[[dict[str, Ranks]], float]) -> None:
        ranks = ranks_of(np.zeros((2, 5)), [0])
        with pytest.raises(UsageError, match=r"two languages.*0"):
            measure({"0": ranks["0"]})
        with pytest.raises(UsageError, match=r"0 and 1.*\(1, 5\) and \(1, 6\)"):
            measure({"0": ranks["0"], "1": ranks_of(np.zeros((1, 6)), [0])["0"]})
        with pytest.raises(UsageError, match=r"0 and 1.*\(1, 5\) and \(2, 5\)"):
            measure({"0": ranks["0"], "1": ranks["1"].take([0, 0])})


class TestFigures:
    """What is made of one figure for each language."""

    def test_a_gap(self) -> None:
        gap = transfer_gap({"de": 16.3, "en": 21.0, "sw": 5.7})
        assert (gap.source, gap.absolute, gap.relative) == ("en", pytest.approx(10.0), pytest.approx(10 / 21))
        assert gap.per_language == pytest.approx({"de": 4.7, "sw": 15.3})

    def test_another_source(self) -> None:
        assert transfer_gap({"de": 10.0, "en": 20.0}, source="de").absolute == -10

    def test_a_source_that_finds_nothing(self) -> None:
        gap = transfer_gap({"en": 0.0, "de": 2.0})
        assert (gap.absolute, gap.relative) == (-2, 0)

    def test_a_source_that_is_not_there(self) -> None:
        with pytest.raises(UnknownNameError, match="no language has this name: 'en'"):
            transfer_gap({"de": 1.0, "fr": 2.0})

    def test_a_source_alone(self) -> None:
        with pytest.raises(UsageError, match="another language"):
            transfer_gap({"en": 1.0})

    def test_a_mean_over_languages(self) -> None:
        assert macro_mean({"en": 1.0, "de": 2.0, "sw": 6.0}) == 3

    @pytest.mark.parametrize("measure", [transfer_gap, macro_mean])
    def test_an_empty_language_is_named(self, measure: Callable[[dict[str, float]], object]) -> None:
        with pytest.raises(UsageError, match=r"not finite.*sw"):
            measure({"en": 1.0, "sw": math.nan})
        with pytest.raises(UsageError, match="no language"):
            measure({})
