"""Two systems on one benchmark, query by query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from polyreel.evaluation.results import LanguageResult, Result, differences
from polyreel.metrics.significance import holm, paired_bootstrap, permutation_test
from polyreel.report.labelled import LabelledResult
from polyreel.report.wording import p_value, signed

__all__ = ["MEAN", "Comparison", "LanguageComparison", "compare", "obstacles"]

MEAN = "mean"
"""Name of the row over all languages."""

_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class LanguageComparison:
    """R@1 of two systems on the same queries.

    Attributes:
        language: BCP-47 tag, or "mean" for all of them together.
        n_queries: queries compared.
        one, other: R@1 of each, in percent.
        difference: ``other - one``, in points.
        low, high: its 95% interval, by paired bootstrap.
        p: two-sided, by permutation test.
        p_holm: corrected for the number of languages; that of the mean is ``p``, since it is a single test.
    """

    language: str
    n_queries: int
    one: float
    other: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float

    @property
    def verdict(self) -> str:
        """How the second stands to the first, at 5% after correction."""
        if self.p_holm >= _LEVEL:
            return "no clear difference"
        return "better" if self.difference > 0 else "worse"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two results, or why they are not compared.

    Attributes:
        one, other: labels; a positive difference speaks for ``other``.
        obstacles: what differs besides the system; empty where ``rows`` are there.
        rows: one for each language, then the mean where all languages ask about the same items.
        seed: of the resampling.
    """

    one: str
    other: str
    obstacles: tuple[str, ...]
    rows: tuple[LanguageComparison, ...] = ()
    seed: int = 0

    @property
    def languages(self) -> tuple[LanguageComparison, ...]:
        """The rows without the mean."""
        return tuple(row for row in self.rows if row.language != MEAN)

    @property
    def mean(self) -> LanguageComparison | None:
        """The row over all languages, if there is one."""
        return next((row for row in self.rows if row.language == MEAN), None)

    @property
    def words(self) -> str:
        """The outcome as a sentence."""
        tags = {
            verdict: [row.language for row in self.languages if row.verdict == verdict]
            for verdict in ("better", "worse")
        }
        found = [f"{verdict} in {', '.join(found)}" for verdict, found in tags.items() if found]
        sentence = (
            f"{self.other} against {self.one}: {' and '.join(found) or 'no clear difference in any language'}"
        )
        if self.mean is not None:
            sentence += f"; on the mean {signed(self.mean.difference)} points (p {p_value(self.mean.p)})"
        return sentence + "."


def compare(one: LabelledResult, other: LabelledResult) -> Comparison:
    """Set ``other`` against ``one``: R@1 in each language, with intervals, tests and Holm's correction.

    The seed is that of ``one``.
    """
    if found := obstacles(one.result, other.result):
        return Comparison(one.label, other.label, tuple(found))
    seed = one.result.seed
    pairs = {tag: (one.result.languages[tag], other.result.languages[tag]) for tag in one.result.languages}
    tested = [_tested(tag, [pair], seed) for tag, pair in pairs.items()]
    corrected = holm({row.language: row.p for row in tested})
    rows = [replace(row, p_holm=corrected[row.language]) for row in tested]
    if len(pairs) > 1 and _same_items([a for a, _ in pairs.values()]):
        rows.append(_tested(MEAN, list(pairs.values()), seed))
    return Comparison(one.label, other.label, (), tuple(rows), seed)


def obstacles(one: Result, other: Result) -> list[str]:
    """Why two results must not be compared query by query; empty if they may.

    Beyond ``differences``: there must be two items at least, or nothing can be said about chance.
    """
    found = differences(one, other)
    if not found:
        found += [
            f"a single item in {tag}, which says nothing about chance"
            for tag, language in one.languages.items()
            if len(set(language.clusters)) < 2
        ]
    return found


def _tested(
    language: str, pairs: Sequence[tuple[LanguageResult, LanguageResult]], seed: int
) -> LanguageComparison:
    """All queries of ``pairs`` together, p not yet corrected."""
    one, other = (100 * np.concatenate([pair[side].hits for pair in pairs]) for side in (0, 1))
    clusters = np.concatenate([pair[0].clusters for pair in pairs])
    drawn = paired_bootstrap(other, one, bounds=(0.0, 100.0), clusters=clusters, seed=seed)
    p = permutation_test(other, one, clusters=clusters, seed=seed)
    return LanguageComparison(
        language=language,
        n_queries=len(one),
        one=float(one.mean()),
        other=float(other.mean()),
        difference=drawn.difference,
        low=float(drawn.interval.low),
        high=float(drawn.interval.high),
        p=p,
        p_holm=p,
    )


def _same_items(languages: list[LanguageResult]) -> bool:
    return all(language.clusters == languages[0].clusters for language in languages)
