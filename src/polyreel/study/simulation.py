"""Studies drawn at random whose truth is known: how often does the judge err, and what could a study see?

A query's item scores ``s`` among distractors of scores N(0, 1), so its rank is ``1 + (N - 1)(1 - Phi(s))``.
Over queries ``s`` is N(strength of the arm, 1): strength 0 is chance. Its variance has five parts: how hard a
query is for every arm; how an arm does on a source, in all directions and seeds; how it does on a query; how
a seed turned out, for all queries; and the rest. Captions of one clip share half of the first, and the
second.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from polyreel.study.results import CellResult, QueryList, StudyCells, Task, TaskRanks

__all__ = ["SimulatedSetting", "Variation", "recall_of", "simulate_cells", "strength_above", "strength_for"]

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Variation:
    """Where ``s`` varies, as shares of its variance; the rest is noise of single ranks.

    With the defaults the difference of two arms on 937 photos in five folds has intervals as wide as those of
    the exploration that the register rests on.

    Attributes:
        difficulty: of a query, for all arms.
        source: of an arm on a source, for all seeds.
        query: of an arm on a query, for all seeds.
        seed: of an arm's training, for all queries.
    """

    difficulty: float = 0.74
    source: float = 0.02
    query: float = 0.02
    seed: float = 0.0005

    @property
    def rest(self) -> float:
        """What is noise."""
        return 1 - self.difficulty - self.source - self.query - self.seed


@dataclass(frozen=True)
class SimulatedSetting:
    """A setting as ``study`` runs them.

    Attributes:
        name: of the setting.
        clips: that are measured, in all folds.
        sources: that they are cut from; equal to ``clips`` where no two share one.
        language: besides English.
        folds: parts; a seed is measured on part (seed mod folds).
    """

    name: str
    clips: int
    sources: int
    language: str
    folds: int = 1

    @cached_property
    def source_of(self) -> NDArray[np.int64]:
        """(clips,) numbers."""
        return np.arange(self.clips) % self.sources

    def fold(self, seed: int) -> NDArray[np.int64]:
        """Clips that a seed is measured on; those of one source are in one fold."""
        return np.flatnonzero(self.source_of % self.folds == seed % self.folds)


def simulate_cells(
    settings: Sequence[SimulatedSetting],
    strengths: Mapping[Task, Mapping[str, float]],
    *,
    seeds: Sequence[int],
    rng: np.random.Generator,
    variation: Variation | None = None,
) -> StudyCells:
    """Cells of one encoder ``u``.

    Args:
        settings: Each with English and another language; text to text both ways, text to video in both.
        strengths: Task -> arm -> strength.
        seeds: Of each cell.
        rng: Draws everything.
        variation: Where scores vary.
    """
    variation = variation or Variation()
    queries: dict[str, QueryList] = {}
    cells: dict[tuple[str, str, int], list[TaskRanks]] = {}
    for setting in settings:
        for part in range(setting.folds):
            rows = setting.fold(part)
            queries[f"{setting.name}/fold-{part}"] = QueryList(
                ids=tuple(f"{setting.name} {row}" for row in rows),
                sources=tuple(f"{setting.name} {setting.source_of[row]}" for row in rows),
            )
        for task, arms in strengths.items():
            for arm, seed, found in _ranks(setting, task, arms, seeds, rng, variation):
                cells.setdefault((setting.name, arm, seed), []).append(found)
    return StudyCells(
        study="simulated",
        queries=queries,
        cells=tuple(
            CellResult(setting=s, encoder="u", arm=arm, seed=seed, digest="", ranks=tuple(ranks))
            for (s, arm, seed), ranks in cells.items()
        ),
    )


def _ranks(
    setting: SimulatedSetting,
    task: Task,
    arms: Mapping[str, float],
    seeds: Sequence[int],
    rng: np.random.Generator,
    variation: Variation,
) -> Iterator[tuple[str, int, TaskRanks]]:
    pairs = _pairs(task, setting.language)
    clips = setting.clips
    # Half of what makes a query hard is its clip, half its wording.
    hard = _normal(rng, variation.difficulty / 2, clips) + _normal(
        rng, variation.difficulty / 2, (len(pairs), clips)
    )
    for arm, strength in arms.items():
        own = hard + strength
        own = own + _normal(rng, variation.source, setting.sources)[setting.source_of]
        own = own + _normal(rng, variation.query, (len(pairs), clips))
        for seed in seeds:
            rows = setting.fold(seed)
            turned_out = float(_normal(rng, variation.seed, ()))
            scores = own[:, rows] + turned_out + _normal(rng, variation.rest, (len(pairs), len(rows)))
            for (query, gallery), line in zip(pairs, scores, strict=True):
                ranks = np.round(1 + (len(rows) - 1) * (1 - _cdf(line)))
                yield (
                    arm,
                    seed,
                    TaskRanks(
                        task=task,
                        query_language=query,
                        gallery_language=gallery,
                        gallery=len(rows),
                        ranks=tuple(ranks.tolist()),
                        queries=f"{setting.name}/fold-{seed % setting.folds}",
                    ),
                )


def _pairs(task: Task, language: str) -> list[tuple[str, str]]:
    if task == "text to video":
        return [("en", ""), (language, "")]
    return [("en", language), (language, "en")]


def _normal(rng: np.random.Generator, variance: float, shape: int | tuple[int, ...]) -> NDArray[np.float64]:
    return np.asarray(rng.normal(0.0, max(variance, 0.0) ** 0.5, shape))


def _cdf(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.interp(values, *_cdf_table())


@cache
def _cdf_table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    grid = np.linspace(-6, 6, 4096)
    return grid, np.array([_NORMAL.cdf(x) for x in grid])


def strength_for(recall: float, *, gallery: int, k: int = 10) -> float:
    """Strength of an arm whose recall at ``k`` is ``recall``, 0 to 100.

    Args:
        recall: wanted, in percent.
        gallery: items searched.
        k: cut-off.
    """
    # Half a place more: ranks are rounded.
    return _NORMAL.inv_cdf(recall / 100) + _NORMAL.inv_cdf(1 - (k - 0.5) / (gallery - 1))


def recall_of(strength: float, *, gallery: int, k: int = 10) -> float:
    """Recall at ``k``, 0 to 100, of an arm of this strength: ``strength_for`` turned round.

    Args:
        strength: of the arm; 0 is chance.
        gallery: items searched.
        k: cut-off.
    """
    return 100 * _NORMAL.cdf(strength - _NORMAL.inv_cdf(1 - (k - 0.5) / (gallery - 1)))


def strength_above(points: float, *, galleries: Sequence[int], base: float = 0.0, k: int = 10) -> float:
    """Strength that finds so many points more among the first ``k`` than ``base``, mean over galleries.

    Args:
        points: more, 0 to 100.
        galleries: items searched in each setting.
        base: strength of the other arm.
        k: cut-off.
    """
    low, high = base, base + 6.0
    for _ in range(60):
        middle = (low + high) / 2
        gains = [recall_of(middle, gallery=n, k=k) - recall_of(base, gallery=n, k=k) for n in galleries]
        low, high = (middle, high) if np.mean(gains) < points else (low, middle)
    return low
