"""From the cells of a grid to the figures of a study: means, differences and their noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from polyreel.evaluation.results import Matrix
from polyreel.metrics.significance import (
    aggregate_seeds,
    bootstrap_mean,
    holm,
    paired_bootstrap,
    rank_correlation,
)
from polyreel.study.arms import arms_of, contrasts_of
from polyreel.study.design import AGREEMENT, ALL, GAP, OTHERS, OUTCOMES, TOGETHER, Spec, SwitchingRoles
from polyreel.study.recipe import StudyRecipe
from polyreel.study.results_v1 import BenchmarkValues, FirstCellResult, ShownQuery

__all__ = [
    "ArmFigures",
    "BenchmarkFacts",
    "Contrast",
    "CoverageTrend",
    "Estimated",
    "StudyResults",
    "Values",
    "contrast",
    "estimated",
    "summarise",
]

_LEVEL = 0.05
# Of a 95% interval's half width: what is found in four of five repetitions, (1.96 + 0.84) / 1.96.
_POWER = 1.43
_DIGITS = 4
_LEAST_LANGUAGES = 4
Array = NDArray[np.float64]
_Mean = TypeVar("_Mean")
_ByArm = dict[str, dict[str, _Mean]]


class Estimated(Spec):
    """A figure with its 95% interval, for new seeds and new queries."""

    value: float
    low: float
    high: float


class ArmFigures(Spec):
    """One arm with one encoder on one benchmark.

    Attributes:
        encoder, arm, benchmark: which.
        seeds, queries: how many, the queries in each language.
        figures: language, or ``mean``, ``others`` (mean without English), ``gap`` (English minus the others),
            ``gap de`` (English minus German), ``all languages at once`` and ``agreement`` -> figure.
        further: figures without interval, means over seeds.
        matrix: mean over seeds, query language by gallery language.
    """

    encoder: str
    arm: str
    benchmark: str
    seeds: int
    queries: int
    figures: Mapping[str, Estimated]
    further: Mapping[str, float] = {}
    matrix: Matrix | None = None


class Contrast(Spec):
    """One arm against another, in points.

    Attributes:
        encoder, benchmark, outcome: as in ``ArmFigures``.
        one, other: the difference is ``one`` minus ``other``.
        difference, low, high: with its 95% interval for new seeds and queries (``aggregate_seeds``).
        within_low, within_high, p: paired bootstrap over queries, for these very seeds.
        p_holm: corrected for the number of languages; None for what is not a language.
        detectable: smallest difference that four of five such studies would have found.
    """

    encoder: str
    benchmark: str
    outcome: str
    one: str
    other: str
    difference: float
    low: float
    high: float
    within_low: float
    within_high: float
    p: float
    p_holm: float | None = None
    detectable: float

    @property
    def is_clear(self) -> bool:
        """Whether chance, in seeds and in queries, is ruled out at 5%."""
        return (self.low > 0 or self.high < 0) and (self.p if self.p_holm is None else self.p_holm) < _LEVEL

    @property
    def words(self) -> str:
        """The outcome in a word."""
        if not self.is_clear:
            return "no clear difference"
        return "better" if self.difference > 0 else "worse"


class BenchmarkFacts(Spec):
    """What was asked: metric, gallery, queries in each language, languages."""

    name: str
    metric: str
    gallery: int
    queries: int
    languages: tuple[str, ...]


class CoverageTrend(Spec):
    """Whether switching helps a language more whose lexicon translates more: Spearman's correlation over
    languages of lexicon coverage and the gain of the code-switched arm over its baseline.

    Attributes:
        encoder, benchmark: where the gain was measured.
        languages: how many.
        rho, p: as ``metrics.significance.rank_correlation`` gives them.
    """

    encoder: str
    benchmark: str
    languages: int
    rho: float
    p: float


class StudyResults(Spec):
    """``results.json``.

    Attributes:
        schema_version: of this document.
        digest: of the cells that it was made from.
        command: that makes it.
        recipe: of the study.
        made_with: versions.
        arms: name -> what it is.
        benchmarks: what was asked.
        figures: of every arm.
        contrasts: of pairs of arms.
        switched: encoder -> arm -> language -> share of all words switched, mean over seeds.
        coverage: language -> share of the words of English captions that its lexicon translates.
        trends: of the gain by switching over that coverage.
        texts: encoder -> arm -> texts seen in training, mean over seeds.
        examples: arm -> nearest clips of a few queries, with the first encoder and seed.
    """

    schema_version: Literal[1] = 1
    digest: str
    command: str
    recipe: StudyRecipe
    made_with: Mapping[str, str]
    arms: Mapping[str, str]
    benchmarks: tuple[BenchmarkFacts, ...]
    figures: tuple[ArmFigures, ...]
    contrasts: tuple[Contrast, ...]
    switched: Mapping[str, Mapping[str, Mapping[str, float]]]
    coverage: Mapping[str, float]
    trends: tuple[CoverageTrend, ...] = ()
    texts: Mapping[str, Mapping[str, float]]
    examples: Mapping[str, tuple[ShownQuery, ...]] = {}

    def figure(self, encoder: str, arm: str, benchmark: str) -> ArmFigures | None:
        """The figures of an arm on a benchmark, if there are any.

        Args:
            encoder, arm, benchmark: Their names.
        """
        wanted = (encoder, arm, benchmark)
        return next((f for f in self.figures if (f.encoder, f.arm, f.benchmark) == wanted), None)

    @property
    def first_retrieval(self) -> str:
        """The first text-to-video benchmark of the recipe."""
        return self.recipe.measure.retrieval[0].name

    def fact(self, benchmark: str) -> BenchmarkFacts | None:
        """What was asked in a benchmark, if it was measured."""
        return next((fact for fact in self.benchmarks if fact.name == benchmark), None)

    def contrast(self, encoder: str, one: str, other: str, benchmark: str, outcome: str) -> Contrast | None:
        """The difference of two arms, if it was measured.

        Args:
            encoder, benchmark: Their names.
            one, other: Names of the arms; the difference is ``one`` minus ``other``.
            outcome: A language, or one of ``design.OUTCOMES``.
        """
        wanted = (encoder, one, other, benchmark, outcome)
        return next(
            (c for c in self.contrasts if (c.encoder, c.one, c.other, c.benchmark, c.outcome) == wanted), None
        )


class Values:
    """What the cells of a study hold, as arrays.

    Args:
        cells: all of them.
        seeds: of the study; an arm that is not trained counts for each.
    """

    def __init__(self, cells: Sequence[FirstCellResult], seeds: Sequence[int]) -> None:
        self._seeds = tuple(seeds)
        self._cells = {(cell.encoder, cell.arm, cell.seed): cell for cell in cells}

    def of(self, encoder: str, arm: str, benchmark: str, outcome: str) -> Array | None:
        """(seeds, queries) values of an outcome; None where it was not measured.

        Args:
            encoder, arm, benchmark: Their names.
            outcome: A language, or one of ``design.OUTCOMES``.
        """
        found = self.benchmarks(encoder, arm, benchmark)
        rows = [_outcome(values, outcome) for values in found]
        if not rows or any(row is None for row in rows):
            return None
        return np.stack([row for row in rows if row is not None])

    def benchmarks(self, encoder: str, arm: str, benchmark: str) -> list[BenchmarkValues]:
        """One for each seed that the arm was trained with; none if it was not measured on this.

        Args:
            encoder, arm, benchmark: Their names.
        """
        cells = [self._cells.get((encoder, arm, seed)) for seed in self._seeds]
        found = [cell.benchmark(benchmark) for cell in cells if cell is not None]
        return [values for values in found if values is not None]


def estimated(values: Array, *, bounds: tuple[float, float] = (-100.0, 100.0)) -> Estimated:
    """Mean of (seeds, queries) and its interval; of one seed, an interval over queries alone.

    Args:
        values: in percent.
        bounds: lowest and highest value that is possible; an interval of few seeds may pass them.
    """
    if len(values) > 1:
        summary = aggregate_seeds(values)
        mean, interval = summary.mean, summary.interval
    else:
        mean, interval = float(values.mean()), bootstrap_mean(values[0], bounds=bounds)
    low, high = np.clip([float(interval.low), float(interval.high)], *bounds).tolist()
    return Estimated(value=round(mean, _DIGITS), low=round(low, _DIGITS), high=round(high, _DIGITS))


def contrast(
    one: Array, other: Array, *, names: tuple[str, str], where: tuple[str, str, str], resamples: int
) -> Contrast:
    """The difference of two arms on the same queries.

    Args:
        one, other: (seeds, queries); an arm with one row stands for every seed.
        names: of the arms.
        where: encoder, benchmark, outcome.
        resamples: of the bootstrap.
    """
    seeds = max(len(one), len(other))
    one, other = (np.broadcast_to(values, (seeds, values.shape[1])) for values in (one, other))
    wide = estimated(one - other)
    encoder, benchmark, outcome = where
    drawn = paired_bootstrap(
        one.mean(axis=0), other.mean(axis=0), bounds=_bounds(outcome), resamples=resamples
    )
    return Contrast(
        encoder=encoder,
        benchmark=benchmark,
        outcome=outcome,
        one=names[0],
        other=names[1],
        difference=wide.value,
        low=wide.low,
        high=wide.high,
        within_low=round(float(drawn.interval.low), _DIGITS),
        within_high=round(float(drawn.interval.high), _DIGITS),
        p=round(drawn.p, 6),
        detectable=round(_POWER * (wide.high - wide.low) / 2, _DIGITS),
    )


def summarise(
    recipe: StudyRecipe,
    cells: Sequence[FirstCellResult],
    *,
    coverage: Mapping[str, float],
    command: str,
    digest: str,
    made_with: Mapping[str, str],
) -> StudyResults:
    """Everything that the report, the claims and the tables are made from.

    Args:
        recipe: Of the study.
        cells: All of them.
        coverage: Language -> share of the words of English captions that its lexicon translates.
        command: That makes the study.
        digest: Of the grid.
        made_with: Versions.
    """
    values = Values(cells, recipe.seeds)
    facts = _facts(cells)
    figures, contrasts = [], []
    for encoder in recipe.encoders:
        arms = arms_of(recipe, encoder)
        for fact in facts:
            figures += [
                found for arm in arms if (found := _arm_figures(values, encoder, arm.name, fact)) is not None
            ]
            contrasts += list(
                _contrasts(values, encoder, contrasts_of(recipe, encoder), fact, recipe.resamples)
            )
    return StudyResults(
        digest=digest,
        command=command,
        recipe=recipe,
        made_with=made_with,
        arms={arm.name: arm.title for encoder in recipe.encoders for arm in arms_of(recipe, encoder)},
        benchmarks=tuple(facts),
        figures=tuple(figures),
        contrasts=tuple(contrasts),
        switched=_by_arm(cells, _mean_switched),
        coverage=coverage,
        trends=tuple(_trends(contrasts, coverage, recipe.design.switching)),
        texts=_by_arm(cells, lambda group: float(np.mean([cell.texts for cell in group]))),
        examples={cell.arm: cell.examples for cell in reversed(cells) if cell.examples},
    )


def _facts(cells: Sequence[FirstCellResult]) -> list[BenchmarkFacts]:
    found: dict[str, BenchmarkFacts] = {}
    for cell in cells:
        for values in cell.benchmarks:
            found.setdefault(
                values.name,
                BenchmarkFacts(
                    name=values.name,
                    metric=values.metric,
                    gallery=values.gallery,
                    queries=len(values.together),
                    languages=values.languages,
                ),
            )
    return list(found.values())


def _bounds(outcome: str) -> tuple[float, float]:
    return (-100.0 if outcome.startswith(GAP) else 0.0, 100.0)


def _outcome(values: BenchmarkValues, outcome: str) -> Array | None:
    if outcome == TOGETHER:
        return np.array(values.together)
    if outcome == AGREEMENT:
        return np.array(values.agreement)
    if outcome in values.values:
        return values.array(outcome)
    if outcome == ALL:
        return np.asarray(np.mean([values.array(tag) for tag in values.languages], axis=0))
    kind, _, tag = outcome.partition(" ")
    if kind == GAP and tag in values.values and "en" in values.values:
        return np.asarray(values.array("en") - values.array(tag))
    others = [values.array(tag) for tag in values.languages if tag != "en"]
    if not others or outcome not in (OTHERS, GAP):
        return None
    mean: Array = np.mean(others, axis=0)
    if outcome == OTHERS:
        return mean
    return values.array("en") - mean if "en" in values.values else None


def _arm_figures(values: Values, encoder: str, arm: str, fact: BenchmarkFacts) -> ArmFigures | None:
    found = values.benchmarks(encoder, arm, fact.name)
    if not found:
        return None
    outcomes = {
        outcome: estimated(rows, bounds=_bounds(outcome))
        for outcome in (
            *fact.languages,
            *OUTCOMES,
            *(f"{GAP} {tag}" for tag in fact.languages if tag != "en"),
        )
        if (rows := values.of(encoder, arm, fact.name, outcome)) is not None
    }
    further = {
        name: round(float(np.mean([each.figures[name] for each in found])), _DIGITS)
        for name in found[0].figures
    }
    return ArmFigures(
        encoder=encoder,
        arm=arm,
        benchmark=fact.name,
        seeds=len(found),
        queries=fact.queries,
        figures=outcomes,
        further=further,
        matrix=_mean_matrix([each.matrix for each in found if each.matrix is not None]),
    )


def _mean_matrix(matrices: Sequence[Matrix]) -> Matrix | None:
    if not matrices:
        return None
    first = matrices[0]
    stacked = np.stack([np.array(matrix.values) for matrix in matrices])
    rows = [[round(float(value), 2) for value in row] for row in stacked.mean(axis=0)]
    return Matrix(rows=first.rows, columns=first.columns, values=tuple(map(tuple, rows)))


def _contrasts(
    values: Values,
    encoder: str,
    pairs: Sequence[tuple[str, str]],
    fact: BenchmarkFacts,
    resamples: int,
) -> Iterator[Contrast]:
    for pair in pairs:
        found = []
        for outcome in (*fact.languages, *OUTCOMES):
            one, other = (values.of(encoder, name, fact.name, outcome) for name in pair)
            if one is not None and other is not None:
                where = (encoder, fact.name, outcome)
                found.append(contrast(one, other, names=pair, where=where, resamples=resamples))
        corrected = holm({c.outcome: c.p for c in found if c.outcome in fact.languages})
        for each in found:
            yield each.model_copy(update={"p_holm": corrected.get(each.outcome)})


def _trends(
    contrasts: Sequence[Contrast], coverage: Mapping[str, float], roles: SwitchingRoles | None
) -> Iterator[CoverageTrend]:
    gains: dict[tuple[str, str], dict[str, float]] = {}
    pair = None if roles is None else (roles.arm, roles.baseline)
    for found in contrasts:
        if (found.one, found.other) == pair and found.outcome in coverage:
            gains.setdefault((found.encoder, found.benchmark), {})[found.outcome] = found.difference
    for (encoder, benchmark), gain in gains.items():
        if len(gain) >= _LEAST_LANGUAGES:
            trend = rank_correlation([coverage[tag] for tag in gain], list(gain.values()))
            yield CoverageTrend(
                encoder=encoder,
                benchmark=benchmark,
                languages=len(gain),
                rho=round(trend.rho, _DIGITS),
                p=round(trend.p, 6),
            )


def _mean_switched(cells: Sequence[FirstCellResult]) -> dict[str, float]:
    tags = dict.fromkeys(tag for cell in cells for tag in cell.switched)
    return {
        tag: round(float(np.mean([cell.switched.get(tag, 0.0) for cell in cells])), _DIGITS) for tag in tags
    }


def _by_arm(
    cells: Sequence[FirstCellResult], mean: Callable[[Sequence[FirstCellResult]], _Mean]
) -> _ByArm[_Mean]:
    """Encoder -> arm -> what ``mean`` makes of its cells; empty means are left out."""
    groups: dict[tuple[str, str], list[FirstCellResult]] = {}
    for cell in cells:
        groups.setdefault((cell.encoder, cell.arm), []).append(cell)
    found: _ByArm[_Mean] = {}
    for (encoder, arm), group in groups.items():
        if (value := mean(group)) != {}:
            found.setdefault(encoder, {})[arm] = value
    return found
