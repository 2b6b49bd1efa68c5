"""Two systems on the same queries: which way, how far, how sure, and when not at all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from made_up import make_card, make_language, make_result

from polyreel.evaluation.results import LanguageResult, MissingItem, Result
from polyreel.report.comparison import Comparison, compare
from polyreel.report.grouping import group_results
from polyreel.report.labelled import LabelledResult


def with_hits(hits: dict[str, Sequence[float]], *, clusters: Sequence[int] | None = None) -> Result:
    languages: dict[str, LanguageResult] = {
        tag: make_language(values, clusters=clusters) for tag, values in hits.items()
    }
    return make_result(languages=("en", "de")).model_copy(update={"languages": languages, "gallery": 500})


def compared(one: Result, other: Result) -> Comparison:
    return compare(LabelledResult("one", one), LabelledResult("other", other))


def rows_of(comparison: Comparison) -> dict[str, tuple[float, float]]:
    return {row.language: (row.difference, row.p) for row in comparison.rows}


def test_a_positive_difference_speaks_for_the_second() -> None:
    comparison = compared(make_result(skill=0.2), make_result("large", skill=0.8, seed=1))
    english = comparison.rows[0]
    assert english.language == "en"
    assert english.other > english.one
    assert english.difference == pytest.approx(english.other - english.one)
    assert 0 < english.low < english.difference < english.high
    assert english.verdict == "better"
    assert "other against one: better in en" in comparison.words
    back = compared(make_result("large", skill=0.8, seed=1), make_result(skill=0.2))
    assert back.rows[0].difference == -english.difference
    assert back.rows[0].verdict == "worse"


def test_numbers_equal_a_direct_computation() -> None:
    rng = np.random.default_rng(5)
    one = {tag: rng.integers(0, 2, 12).astype(float) for tag in ("en", "de")}
    other = {tag: np.clip(values + (rng.random(12) < 0.4), 0, 1) for tag, values in one.items()}
    found = rows_of(
        compared(
            with_hits({tag: values.tolist() for tag, values in one.items()}),
            with_hits({tag: values.tolist() for tag, values in other.items()}),
        )
    )
    direct = {}
    for tag in one:
        gains = other[tag] - one[tag]
        sums = [abs(np.dot(signs, gains)) for signs in itertools.product((-1, 1), repeat=12)]
        direct[tag] = (100 * gains.mean(), np.mean([value >= abs(gains.sum()) - 1e-9 for value in sums]))
        assert found[tag] == pytest.approx(direct[tag])
    # The mean is of both languages' queries, swapped item by item.
    gains = other["en"] - one["en"] + other["de"] - one["de"]
    sums = [abs(np.dot(signs, gains)) for signs in itertools.product((-1, 1), repeat=12)]
    assert found["mean"] == pytest.approx(
        (100 * gains.sum() / 24, np.mean([value >= abs(gains.sum()) - 1e-9 for value in sums]))
    )


def test_intervals_agree_with_the_normal_approximation() -> None:
    rng = np.random.default_rng(6)
    one, other = ((rng.random(400) < chance).astype(float) for chance in (0.4, 0.5))
    row = compared(with_hits({"en": one.tolist()}), with_hits({"en": other.tolist()})).rows[0]
    gains = 100 * (other - one)
    reach = 1.96 * gains.std() / 20
    assert row.difference == pytest.approx(gains.mean())
    assert row.high - row.low == pytest.approx(2 * reach, rel=0.08)
    assert (row.high + row.low) / 2 == pytest.approx(gains.mean(), abs=0.3)


def test_captions_of_one_item_count_once() -> None:
    rng = np.random.default_rng(7)
    one, other = ((rng.random(100) < chance).astype(float) for chance in (0.3, 0.45))
    single = compared(with_hits({"en": one.tolist()}), with_hits({"en": other.tolist()})).rows[0]
    items = np.repeat(np.arange(100), 5).tolist()
    fivefold = compared(
        with_hits({"en": np.repeat(one, 5).tolist()}, clusters=items),
        with_hits({"en": np.repeat(other, 5).tolist()}, clusters=items),
    ).rows[0]
    assert fivefold.n_queries == 500
    assert fivefold.p == pytest.approx(single.p, abs=0.01)
    assert (fivefold.low, fivefold.high) == pytest.approx((single.low, single.high), abs=0.2)


def test_holm_over_languages() -> None:
    comparison = compared(make_result(skill=0.4), make_result("large", skill=0.55, seed=1))
    ordered = sorted(comparison.languages, key=lambda row: row.p)
    running = 0.0
    for place, row in enumerate(ordered):
        running = max(running, min(1.0, (len(ordered) - place) * row.p))
        assert row.p_holm == pytest.approx(running)
    mean = comparison.rows[-1]
    assert mean.language == "mean"
    assert mean.p_holm == mean.p


def test_without_the_same_items_in_each_language_there_is_no_mean() -> None:
    results = [make_result(seed=seed) for seed in (0, 1)]
    fewer = [
        result.model_copy(
            update={"languages": dict(result.languages) | {"sw": make_language([1.0, 0.0, float(seed)])}}
        )
        for seed, result in enumerate(results)
    ]
    comparison = compared(*fewer)
    assert comparison.languages == comparison.rows
    assert [row.n_queries for row in comparison.rows] == [120, 120, 120, 3]


def test_equal_systems_do_not_differ() -> None:
    comparison = compared(make_result(), make_result())
    assert {(row.difference, row.p, row.p_holm) for row in comparison.rows} == {(0.0, 1.0, 1.0)}
    assert "no clear difference in any language" in comparison.words


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (make_result(queries=100), "120 against 100 queries in de"),
        (make_result(gallery=99), "gallery of 120 against 99"),
        (make_result(card=make_card(split="train")), "benchmark made-up"),
        (make_result(languages=("en", "de")), "120 against 0 queries in sw"),
        (make_result(options={"qb-norm": "k 10"}), "options"),
        (make_result(missing=[MissingItem(id="x", reason="")]), "items that only one of them lacks: x"),
        (
            make_result().model_copy(
                update={
                    "languages": {
                        t: make_language([1.0] * 120, clusters=[7] * 120) for t in make_result().languages
                    }
                }
            ),
            "queries about other items in en",
        ),
    ],
)
def test_what_differs_is_named_instead(other: Result, said: str) -> None:
    group = group_results([make_result(), other])[0]
    assert len(group.sets) == 2
    (comparison,) = group.comparisons
    assert not comparison.rows
    assert said in "; ".join(comparison.obstacles)


def test_a_single_item_says_nothing_about_chance() -> None:
    alone = with_hits({"en": [1.0, 0.0]}, clusters=[3, 3])
    assert compared(alone, alone).obstacles == ("a single item in en, which says nothing about chance",)


def test_results_of_other_benchmarks_are_not_set_against_each_other() -> None:
    groups = group_results([make_result(), make_result(card=make_card("else")), make_result("large", seed=1)])
    assert [(group.card.name, len(group.entries), len(group.comparisons)) for group in groups] == [
        ("made-up", 2, 1),
        ("else", 1, 0),
    ]
