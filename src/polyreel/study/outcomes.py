"""What is made of the ranks that cells keep: one value for each seed and query, and its mean over both."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyreel.errors import ResultError
from polyreel.metrics.crossed import CrossedEstimate, CrossedValues, crossed_bootstrap_of_settings
from polyreel.metrics.kept_ranks import cohen_kappa_values, found_at, found_in_both_at, log2_ranks
from polyreel.study.register import Outcome, QueriesIn, Task
from polyreel.study.results import CellResult, StudyCells, TaskRanks

__all__ = ["BOUNDS", "UNITS", "Asked", "StudyRanks", "chance_of"]

UNITS: Mapping[Outcome, str] = {
    "log2 rank": "bits",
    "r@10": "points",
    "mrr": "",
    "r@1": "points",
    "found in both@10": "points",
    "found in both@1": "points",
    "kappa@10": "",
}
"""Outcome -> unit of its differences."""

BOUNDS: Mapping[Outcome, tuple[float, float]] = {
    "log2 rank": (0.0, math.inf),
    "r@10": (0.0, 100.0),
    "mrr": (0.0, 1.0),
    "r@1": (0.0, 100.0),
    "found in both@10": (0.0, 100.0),
    "found in both@1": (0.0, 100.0),
    "kappa@10": (-1.0, 1.0),
}
"""Outcome -> least and most that an arm can have."""

_ENGLISH = "en"
_Array = NDArray[np.float64]
_Of: Mapping[Outcome, Callable[[_Array], _Array]] = {
    "log2 rank": log2_ranks,
    "r@10": lambda ranks: 100 * found_at(ranks, 10),
    "r@1": lambda ranks: 100 * found_at(ranks, 1),
    "mrr": lambda ranks: 1 / ranks,
}
_OfPair: Mapping[Outcome, Callable[[_Array, _Array], _Array]] = {
    "found in both@10": lambda a, b: 100 * found_in_both_at(a, b, 10),
    "found in both@1": lambda a, b: 100 * found_in_both_at(a, b, 1),
    "kappa@10": lambda a, b: cohen_kappa_values(found_at(a, 10), found_at(b, 10)),
}

_Key = tuple[str, str, str]
"""Language of the query, of what is searched, and the query's id."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is measured, and of which encoder.

    Attributes:
        encoder: name.
        settings: each counts alike.
        task, queries: what is asked, and in which languages; see ``register.QueriesIn``.
        language: only pairs of English with this one; None for all.
    """

    encoder: str
    settings: tuple[str, ...]
    task: Task
    queries: QueriesIn
    language: str | None = None


@dataclass(frozen=True, slots=True)
class _Values:
    """Key -> column, source of each column, and seed -> key -> value."""

    of_seed: Mapping[int, Mapping[_Key, float]]
    sources: Mapping[_Key, str]


class StudyRanks:
    """The cells of a study, by what they are of.

    Args:
        cells: all that there are.
        resamples: of the bootstrap.

    Raises:
        ResultError: two cells are of the same arm, setting, encoder and seed, or a list of queries is missing
            or of another length.
    """

    def __init__(self, cells: StudyCells, *, resamples: int = 10_000) -> None:
        self._queries = cells.queries
        self._resamples = resamples
        self._cells: dict[tuple[str, str, str], dict[int, CellResult]] = {}
        self._cache: dict[tuple[object, ...], _Values | None] = {}
        for cell in cells.cells:
            own = self._cells.setdefault((cell.encoder, cell.setting, cell.arm), {})
            if cell.seed in own:
                raise ResultError(
                    "two cells are of the same arm, setting, encoder and seed", item=name_of(cell)
                )
            own[cell.seed] = cell
            for task in cell.ranks:
                listed = self._queries.get(task.queries)
                if listed is None or len(listed.ids) != len(task.ranks):
                    raise ResultError(
                        "ranks and their list of queries differ in number",
                        item=f"{name_of(cell)}, {task.queries}",
                        value=f"{len(task.ranks):,} and {'none' if listed is None else len(listed.ids)}",
                    )

    def arms(self, encoder: str, settings: Sequence[str]) -> list[str]:
        """Arms that have cells in all of the settings, in the order of the cells."""
        found = dict.fromkeys(arm for of, _, arm in self._cells if of == encoder)
        return [arm for arm in found if all((encoder, each, arm) in self._cells for each in settings)]

    def languages(self, asked: Asked) -> list[str]:
        """Languages besides English that the task was asked with, in any arm."""
        found = {
            tag
            for (encoder, setting, _), seeds in self._cells.items()
            if encoder == asked.encoder and setting in asked.settings
            for cell in seeds.values()
            for task in cell.ranks
            if task.task == asked.task
            for tag in (task.query_language, task.gallery_language)
        }
        return sorted(found - {_ENGLISH, ""})

    def estimate(self, asked: Asked, outcome: Outcome, arm: str) -> CrossedEstimate | None:
        """An arm's own figure; None where it was not measured with two seeds in each setting.

        Args:
            asked: What.
            outcome: What is made of its ranks.
            arm: Which.
        """
        return self._estimate(asked, lambda setting: self._values(asked, setting, outcome, arm), 0.0, 1)

    def difference(
        self, asked: Asked, outcome: Outcome, arms: tuple[str, str], *, null: float = 0.0
    ) -> CrossedEstimate | None:
        """The first arm minus the second on the same seeds and queries; more is better, of log2 rank too.

        Args:
            asked: What.
            outcome: What is made of the ranks.
            arms: Their names.
            null: What ``p`` is against.

        Raises:
            ResultError: arms of one setting and seed were asked different queries.
        """
        sign = -1 if outcome == "log2 rank" else 1
        return self._estimate(asked, lambda setting: self._paired(asked, setting, outcome, arms), null, sign)

    def _estimate(
        self, asked: Asked, values_of: Callable[[str], _Values | None], null: float, sign: int
    ) -> CrossedEstimate | None:
        found = [values_of(setting) for setting in asked.settings]
        there = [values for values in found if values is not None and len(values.of_seed) > 1]
        if len(there) < len(found) or not there:
            return None
        return crossed_bootstrap_of_settings(
            [_table(values, sign) for values in there], null=null, resamples=self._resamples
        )

    def _paired(self, asked: Asked, setting: str, outcome: Outcome, arms: tuple[str, str]) -> _Values | None:
        one, other = (self._values(asked, setting, outcome, arm) for arm in arms)
        if one is None or other is None:
            return None
        differences: dict[int, dict[_Key, float]] = {}
        for seed in one.of_seed.keys() & other.of_seed.keys():
            first, second = one.of_seed[seed], other.of_seed[seed]
            if first.keys() != second.keys():
                raise ResultError(
                    "two arms were asked different queries, so they cannot be compared",
                    item=f"{asked.encoder}, {setting}, seed {seed}: {arms[0]} and {arms[1]}",
                    value=f"{asked.task}, {' '.join(min(first.keys() ^ second.keys()))}",
                )
            differences[seed] = {key: value - second[key] for key, value in first.items()}
        keys = {key for own in differences.values() for key in own}
        return _Values(dict(sorted(differences.items())), {k: s for k, s in one.sources.items() if k in keys})

    def _values(self, asked: Asked, setting: str, outcome: Outcome, arm: str) -> _Values | None:
        """None where the arm has no cell, or was not asked this."""
        name = (asked.encoder, setting, asked.task, asked.queries, asked.language, outcome, arm)
        if name not in self._cache:
            self._cache[name] = self._made(asked, setting, outcome, arm)
        return self._cache[name]

    def _made(self, asked: Asked, setting: str, outcome: Outcome, arm: str) -> _Values | None:
        sources: dict[_Key, str] = {}
        of_seed: dict[int, dict[_Key, float]] = {}
        for seed, cell in sorted(self._cells.get((asked.encoder, setting, arm), {}).items()):
            tasks = [task for task in cell.ranks if _is_wanted(task, asked)]
            own: dict[_Key, float] = {}
            streams = self._single(tasks, asked, outcome) if outcome in _Of else self._both(tasks, outcome)
            for pair, ids, own_sources, values in streams:
                keys = [(*pair, query) for query in ids]
                own.update(zip(keys, values.tolist(), strict=True))
                sources.update(zip(keys, own_sources, strict=True))
            if own:
                of_seed[seed] = own
        return _Values(of_seed, sources) if of_seed else None

    def _single(self, tasks: Sequence[TaskRanks], asked: Asked, outcome: Outcome) -> Iterator[_Stream]:
        for task in tasks:
            if asked.queries != "all" and (task.query_language == _ENGLISH) != (asked.queries == "english"):
                continue
            listed = self._queries[task.queries]
            pair = task.query_language, task.gallery_language
            yield pair, listed.ids, listed.sources, _Of[outcome](task.array)

    def _both(self, tasks: Sequence[TaskRanks], outcome: Outcome) -> Iterator[_Stream]:
        """Of each other language with English: both ways from text to text, else both asking for the same."""
        by_pair = {(task.query_language, task.gallery_language): task for task in tasks}
        for (query, gallery), one in by_pair.items():
            if one.task == "text to text":
                english = by_pair.get((gallery, query)) if query != _ENGLISH else None
            else:
                english = by_pair.get((_ENGLISH, gallery)) if query != _ENGLISH else None
            if english is None:
                continue
            first, second = self._by_id(one), self._by_id(english)
            listed = self._queries[one.queries]
            both = [
                (each, source)
                for each, source in zip(listed.ids, listed.sources, strict=True)
                if each in second
            ]
            if both:
                a, b = (np.array([ranks[each] for each, _ in both]) for ranks in (first, second))
                ids, sources = zip(*both, strict=True)
                yield (query, gallery), ids, sources, _OfPair[outcome](a, b)

    def _by_id(self, task: TaskRanks) -> dict[str, float]:
        return dict(zip(self._queries[task.queries].ids, task.ranks, strict=True))


_Stream = tuple[tuple[str, str], Sequence[str], Sequence[str], _Array]


def name_of(cell: CellResult) -> str:
    """Of a cell, for messages."""
    return f"{cell.encoder}, {cell.setting}, {cell.arm}, seed {cell.seed}"


def chance_of(outcome: Outcome, gallery: float) -> float:
    """What a system scores whose scores say nothing, over galleries of this mean size.

    Args:
        outcome: What is made of ranks.
        gallery: items that are searched, one of them wanted.
    """
    if outcome == "log2 rank":
        places = np.arange(1, round(gallery) + 1)
        return float(np.log2(places).mean())
    if outcome == "mrr":
        return float((1 / np.arange(1, round(gallery) + 1)).mean())
    if outcome == "kappa@10":
        return 0.0
    cut = int(outcome.rpartition("@")[2])
    share = min(1.0, cut / gallery)
    return 100 * (share * share if outcome.startswith("found in both") else share)


def _is_wanted(task: TaskRanks, asked: Asked) -> bool:
    pair = {task.query_language, task.gallery_language}
    return task.task == asked.task and (asked.language is None or pair <= {asked.language, _ENGLISH, ""})


def _table(values: _Values, sign: int) -> CrossedValues:
    column = {key: place for place, key in enumerate(values.sources)}
    table = np.full((len(values.of_seed), len(column)), np.nan)
    for row, own in zip(table, values.of_seed.values(), strict=True):
        row[[column[key] for key in own]] = list(own.values())
    return CrossedValues(sign * table, list(values.sources.values()))
