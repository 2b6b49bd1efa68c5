"""What is made of the ranks in cells."""

from __future__ import annotations

import numpy as np
import pytest

from polyreel.errors import ResultError
from polyreel.metrics.kept_ranks import cohen_kappa, found_at
from polyreel.study.outcomes import Asked, StudyRanks, chance_of
from polyreel.study.results import CellResult, QueryList, StudyCells, TaskRanks

LISTS = {
    "all": QueryList(ids=("a", "b", "c", "d"), sources=("1", "1", "2", "3")),
    "de": QueryList(ids=("a", "c", "d"), sources=("1", "2", "3")),
}
EN_DE = Asked("u", ("films",), "text to text", "english")
DE_EN = Asked("u", ("films",), "text to text", "others")
BOTH = Asked("u", ("films",), "text to text", "all")
VIDEO = Asked("u", ("films",), "text to video", "others")


def ranks(
    numbers: tuple[float, ...], query: str, gallery: str = "", *, task: str = "text to text", of: str = "all"
) -> TaskRanks:
    return TaskRanks(
        task=task,  # type: ignore[arg-type]
        query_language=query,
        gallery_language=gallery,
        gallery=20,
        ranks=numbers,
        queries=of,
    )


def cell(arm: str, seed: int, *found: TaskRanks, setting: str = "films") -> CellResult:
    return CellResult(setting=setting, encoder="u", arm=arm, seed=seed, digest="", ranks=found)


def study(*cells: CellResult) -> StudyRanks:
    return StudyRanks(StudyCells(study="toy", queries=LISTS, cells=cells), resamples=200)


def both_ways(english: tuple[float, ...], german: tuple[float, ...]) -> tuple[TaskRanks, TaskRanks]:
    return ranks(english, "en", "de"), ranks(german, "de", "en")


FIRST = both_ways((1, 2, 11, 4), (1, 16, 12, 4))
SECOND = both_ways((2, 2, 8, 20), (1, 1, 1, 1))


@pytest.fixture
def toy() -> StudyRanks:
    return study(
        *(cell(arm, seed, *found) for arm, found in (("A", FIRST), ("B", SECOND)) for seed in (0, 1))
    )


@pytest.mark.parametrize(
    ("asked", "outcome", "value"),
    [
        (EN_DE, "r@10", 75),
        (DE_EN, "r@10", 50),
        (BOTH, "r@10", 62.5),
        (EN_DE, "log2 rank", np.log2([1, 2, 11, 4]).mean()),
        (EN_DE, "mrr", np.mean([1, 1 / 2, 1 / 11, 1 / 4])),
        (BOTH, "r@1", 25),
        (BOTH, "found in both@10", 50),
        (BOTH, "kappa@10", cohen_kappa(found_at([1, 2, 11, 4], 10), found_at([1, 16, 12, 4], 10))),
    ],
)
def test_outcomes_of_an_arm(toy: StudyRanks, asked: Asked, outcome: str, value: float) -> None:
    found = toy.estimate(asked, outcome, "A")  # type: ignore[arg-type]
    assert found is not None
    assert found.mean == pytest.approx(value)
    assert found.clusters == 3


def test_more_is_better_in_every_difference(toy: StudyRanks) -> None:
    better = toy.difference(DE_EN, "log2 rank", ("B", "A"))
    assert better is not None
    assert better.mean == pytest.approx(np.log2([1, 16, 12, 4]).mean())
    found = toy.difference(DE_EN, "r@10", ("B", "A"))
    assert found is not None
    assert found.mean == 50


def test_found_in_both_is_by_id_where_languages_ask_for_other_clips() -> None:
    found = (
        ranks((1, 1, 20, 1), "en", task="text to video"),
        ranks((20, 1, 2), "de", task="text to video", of="de"),
    )
    toy = study(cell("A", 0, *found), cell("A", 1, *found))
    both = toy.estimate(VIDEO, "found in both@10", "A")
    assert both is not None
    assert both.mean == pytest.approx(100 / 3)
    assert toy.estimate(VIDEO, "r@10", "A").mean == pytest.approx(200 / 3)  # type: ignore[union-attr]


def test_folds_are_put_side_by_side() -> None:
    lists = {f"fold-{n}": QueryList(ids=(f"{n}a", f"{n}b"), sources=(f"{n}a", f"{n}b")) for n in (0, 1)}
    cells = tuple(
        cell("A", seed, ranks((1.0, 3.0 + seed), "en", "de", of=f"fold-{seed % 2}")) for seed in range(4)
    )
    found = StudyRanks(StudyCells(study="toy", queries=lists, cells=cells)).estimate(EN_DE, "log2 rank", "A")
    assert found is not None
    assert (found.seeds, found.queries) == (4, 4)
    assert found.mean == pytest.approx(np.log2([1, 3, 1, 4, 1, 5, 1, 6]).mean())


def test_settings_count_alike() -> None:
    cells = [cell("A", seed, ranks((1, 1, 1, 1), "en", "de")) for seed in (0, 1)]
    cells += [cell("A", seed, ranks((20, 20, 20), "en", "de", of="de"), setting="more") for seed in (0, 1)]
    found = study(*cells).estimate(Asked("u", ("films", "more"), "text to text", "all"), "r@10", "A")
    assert found is not None
    assert found.mean == 50


def test_what_was_not_measured_is_none(toy: StudyRanks) -> None:
    assert toy.estimate(VIDEO, "r@10", "A") is None
    assert toy.estimate(EN_DE, "r@10", "C") is None
    assert toy.difference(EN_DE, "r@10", ("A", "C")) is None
    assert toy.estimate(Asked("u", ("films", "other"), "text to text", "all"), "r@10", "A") is None
    once = study(cell("A", 0, *FIRST), cell("B", 1, *SECOND), cell("B", 0, *SECOND))
    assert once.difference(EN_DE, "r@10", ("A", "B")) is None  # one seed in common
    assert toy.arms("u", ["films"]) == ["A", "B"]
    assert toy.languages(BOTH) == ["de"]
    assert toy.languages(VIDEO) == []


def test_arms_that_were_asked_other_queries_are_not_compared() -> None:
    other = ranks((1, 1, 1), "en", "de", of="de")
    cells = [cell(arm, seed, found) for seed in (0, 1) for arm, found in (("A", FIRST[0]), ("B", other))]
    with pytest.raises(ResultError, match=r"different queries.*films, seed 0: A and B"):
        study(*cells).difference(EN_DE, "r@10", ("A", "B"))


def test_cells_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(ResultError, match="u, films, A, seed 0"):
        study(cell("A", 0, *FIRST), cell("A", 0, *SECOND))
    with pytest.raises(ResultError, match="differ in number"):
        study(cell("A", 0, ranks((1, 2), "en", "de")))
    with pytest.raises(ResultError, match="differ in number"):
        study(cell("A", 0, ranks((1, 2), "en", "de", of="none")))


@pytest.mark.parametrize(
    ("outcome", "expected"), [("r@10", 5), ("found in both@10", 0.25), ("kappa@10", 0), ("log2 rank", 6.22)]
)
def test_chance(outcome: str, expected: float) -> None:
    assert chance_of(outcome, 200) == pytest.approx(expected, abs=0.01)  # type: ignore[arg-type]
