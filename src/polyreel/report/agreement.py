"""What the figures of cross-lingual consistency say, where they lie, and what chance would give."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from polyreel.evaluation.results import Result

__all__ = ["AgreementRow", "describe_agreement"]

_TOP = 10
_RANK_C_DEPTH = 40
_DRAWN_ITEMS = 10_000


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """One figure of several systems.

    Attributes:
        title: its name.
        values: one for each system, as written; a dash where it has none.
        random: what a system scores whose scores say nothing and differ from language to language.
        range: lowest and highest possible.
        meaning: one sentence.
    """

    title: str
    values: tuple[str, ...]
    random: str
    range: str
    meaning: str


@dataclass(frozen=True, slots=True)
class _Figure:
    """``random`` is a function of k, gallery size and number of languages."""

    title: str
    digits: int
    range: str
    meaning: str
    random: Callable[[int, int, int], float]


def _random_rank_c(_k: int, gallery: int, _languages: int) -> float:
    """Chance agreement of the first j is j / gallery, and the weights fall by e from one j to the next."""
    places = range(1, min(gallery, _RANK_C_DEPTH) + 1)
    weights = [math.exp(-place) for place in places]
    return sum(w * j for w, j in zip(weights, places, strict=True)) / sum(weights) / gallery


def _random_kendall(k: int, gallery: int, _languages: int) -> float:
    """With ``m`` first items in common, a pair of which each list has one alone disagrees; no other leans.

    So tau is ``-(k - m)^2 / C(2 k - m, 2)``, and ``m`` is hypergeometric.
    """
    least = max(0, 2 * k - gallery)
    return sum(
        math.comb(k, m)
        * math.comb(gallery - k, k - m)
        / math.comb(gallery, k)
        * -((k - m) ** 2)
        / max(1, math.comb(2 * k - m, 2))
        for m in range(least, k + 1)
    )


def _random_spread(_k: int, gallery: int, languages: int) -> float:
    """Drawn, since the mean of a standard deviation has no simple form; good to a percent."""
    ranks = np.random.default_rng(0).integers(1, gallery + 1, (_DRAWN_ITEMS, languages))
    return float(ranks.std(axis=1).mean())


_FIGURES = {
    "overlap": _Figure(
        "Overlap",
        3,
        "0 to 1, higher is better",
        "Share of the first hits that two languages have in common, mean over pairs of languages.",
        lambda k, gallery, _languages: k / gallery,
    ),
    "rank_c": _Figure(
        "RankC",
        3,
        "0 to 1, higher is better",
        "Like overlap, but nearly all of the weight is on the very first hits.",
        _random_rank_c,
    ),
    "kendall_tau_top": _Figure(
        "Kendall tau-b of the top",
        3,
        "−1 to 1, higher is better",
        "Whether two languages agree on the order of what either has among its first 10, mean over pairs.",
        _random_kendall,
    ),
    "rank_spread": _Figure(
        "Spread of rank",
        1,
        "0 up, lower is better",
        "Standard deviation over languages of the right item's rank, mean over items (the MRV of CCRK); "
        "a system that is equally bad in every language scores well.",
        _random_spread,
    ),
    "all_languages_r@1": _Figure(
        "R@1 in all languages",
        1,
        "0 to 100, higher is better",
        "Share of items, in %, that come first whatever the language of the query.",
        lambda _k, gallery, languages: 100 * float(gallery) ** -languages,
    ),
}
_NAME = re.compile(r"(overlap|rank_c|kendall_tau_top|rank_spread|all_languages_r@1)(?:@(\d+))?( .*)?")


def describe_agreement(results: Sequence[Result]) -> tuple[AgreementRow, ...]:
    """The consistency figures of results that may be compared, a row each."""
    names = dict.fromkeys(name for result in results for name in result.consistency)
    return tuple(_row(name, results) for name in names)


def _row(name: str, results: Sequence[Result]) -> AgreementRow:
    found = _NAME.fullmatch(name)
    if found is None:
        return AgreementRow(
            name, _written(name, results, 3), "–", "–", "Not known to this version of polyreel."
        )
    figure = _FIGURES[found[1]]
    k, suffix = found[2], found[3] or ""
    gallery = results[0].gallery
    # Where the name says no k, it is the runners' ten.
    chance = figure.random(min(int(k or _TOP), gallery), gallery, len(results[0].languages))
    title = figure.title + (f"@{k}" if k else "") + suffix
    written = f"{chance:.{figure.digits}f}".replace("-", "−")
    least = 10**-figure.digits
    return AgreementRow(
        title=title,
        values=_written(name, results, figure.digits),
        random=f"< {least:g}" if 0 < chance < least / 2 else written,
        range=figure.range,
        meaning=figure.meaning,
    )


def _written(name: str, results: Sequence[Result], digits: int) -> tuple[str, ...]:
    values = [result.consistency.get(name) for result in results]
    return tuple("–" if value is None else f"{value:.{digits}f}".replace("-", "−") for value in values)
