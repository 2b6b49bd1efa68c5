"""One result in a report: under a name of its own, and in agreement with itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from polyreel.errors import ResultError
from polyreel.evaluation.results import Estimate, LanguageResult, Result

__all__ = ["LabelledResult", "check_result", "labelled"]

_ROUNDING = 0.01
_LARGEST = 1e12


@dataclass(frozen=True, slots=True)
class LabelledResult:
    """A result under a name that no other result of its benchmark has."""

    label: str
    result: Result


def check_result(result: Result, *, item: object) -> None:
    """That a result agrees with itself, so that what is drawn from it is what was measured.

    Args:
        result: what was read.
        item: named in the message.

    Raises:
        ResultError: lists of another length than stated, figures that are not numbers or not the mean of what
            they stand for, ragged tables; the message says which.
    """
    for where, problem in _problems(result):
        raise ResultError(
            "the result contradicts itself",
            item=f"{item}, {where}" if where else item,
            value=problem,
            remedy="Make it again with 'polyreel eval'",
        )


def labelled(results: Sequence[Result]) -> list[LabelledResult]:
    """The results of one benchmark, each under a name that no other one has."""
    entries: dict[str, LabelledResult] = {}
    for result in results:
        label = name = " + ".join([result.label, *result.options])
        number = 1
        while name in entries:
            number += 1
            name = f"{label} no. {number}"
        entries[name] = LabelledResult(name, result)
    return list(entries.values())


def _problems(result: Result) -> Iterator[tuple[str, str]]:
    """Where, and what."""
    if not result.languages:
        yield "", "no language"
        return
    if result.gallery < 1 or result.seed < 0:
        yield "", f"gallery {result.gallery}, seed {result.seed}"
    names = next(iter(result.languages.values())).metrics.keys()
    for tag, language in result.languages.items():
        if "r@1" not in language.metrics or language.metrics.keys() != names:
            yield tag, f"other metrics: {', '.join(language.metrics)}"
            return
        yield from ((tag, problem) for problem in _problems_of_language(language))
        yield from ((tag, problem) for problem in _problems_of_figures(language.metrics))
    if result.macro.keys() != names:
        yield "mean", f"other metrics: {', '.join(result.macro)}"
    yield from (("mean", problem) for problem in _problems_of_figures(result.macro))
    for name, gap in (result.gap or {}).items():
        if not all(map(_is_figure, (gap.absolute, gap.relative, *gap.per_language.values()))):
            yield "gap", f"{name} is not a number"
    for name, table in result.tables.items():
        widths = {len(row) for row in table.values}
        if len(table.values) != len(table.rows) or widths != {len(table.columns)} or not table.columns:
            yield name, "not a table of its rows and columns"
        elif not all(_is_figure(value) or math.isnan(value) for row in table.values for value in row):
            yield name, "a cell that is not a number"


def _problems_of_language(language: LanguageResult) -> Iterator[str]:
    for name, values in (("ranks", language.ranks), ("hits", language.hits), ("clusters", language.clusters)):
        if len(values) != language.n_queries or not values:
            yield f"{language.n_queries:,} queries, {len(values):,} {name}"
            return
    if not all(0 <= hit <= 1 for hit in language.hits):
        yield "a hit that is not a probability"
        return
    found = 100 * math.fsum(language.hits) / language.n_queries
    if abs(found - language.metrics["r@1"].value) > _ROUNDING:
        yield f"r@1 is {language.metrics['r@1'].value:.2f}, the mean of its hits {found:.2f}"


def _problems_of_figures(metrics: Mapping[str, Estimate]) -> Iterator[str]:
    for name, figure in metrics.items():
        if not all(_is_figure(v) for v in (figure.value, figure.low, figure.high) if v is not None):
            yield f"{name} is not a number"
        if (figure.low is None) != (figure.high is None):
            yield f"{name} has half an interval"


def _is_figure(value: float) -> bool:
    return abs(value) < _LARGEST
