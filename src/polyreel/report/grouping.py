"""Results sorted for a report: by benchmark, and within one by what may be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from polyreel.errors import UsageError
from polyreel.evaluation.cards import BenchmarkCard
from polyreel.evaluation.results import Result
from polyreel.report.comparison import Comparison, compare, obstacles
from polyreel.report.labelled import LabelledResult, check_result, labelled

__all__ = ["BenchmarkGroup", "group_results"]


@dataclass(frozen=True, slots=True)
class BenchmarkGroup:
    """All results of one benchmark.

    Attributes:
        card: of the first result.
        sets: results that may be compared with each other; more than one set where galleries or queries
            differ.
        comparisons: of each pair of results.
    """

    card: BenchmarkCard
    sets: tuple[tuple[LabelledResult, ...], ...]
    comparisons: tuple[Comparison, ...]

    @property
    def entries(self) -> tuple[LabelledResult, ...]:
        """All results, set by set."""
        return tuple(entry for entries in self.sets for entry in entries)


def group_results(results: Sequence[Result]) -> tuple[BenchmarkGroup, ...]:
    """Results by benchmark, in the order of their first appearance, each pair of them compared.

    Raises:
        UsageError: there is no result.
        ResultError: a result contradicts itself.
    """
    if not results:
        raise UsageError("there is no result to report", remedy="Name files that 'polyreel eval --out' wrote")
    by_name: dict[str, list[Result]] = {}
    for result in results:
        check_result(result, item=f"{result.label} on {result.card.name}")
        by_name.setdefault(result.card.name, []).append(result)
    groups = []
    for found in by_name.values():
        entries = labelled(found)
        comparisons = tuple(compare(one, other) for one, other in combinations(entries, 2))
        groups.append(BenchmarkGroup(found[0].card, _comparable_sets(entries), comparisons))
    return tuple(groups)


def _comparable_sets(entries: Sequence[LabelledResult]) -> tuple[tuple[LabelledResult, ...], ...]:
    """Nothing differs within a set: that is an equivalence, so one member stands for all."""
    sets: list[list[LabelledResult]] = []
    for entry in entries:
        for members in sets:
            if not obstacles(members[0].result, entry.result):
                members.append(entry)
                break
        else:
            sets.append([entry])
    return tuple(map(tuple, sets))
