"""Whether languages agree: the same query in another language should find the same items.

Scores are given as language -> (queries, gallery), where query ``i`` means the same in every language. Ties
favour nobody here either: where items tie at a cut, each language orders them at random and independently,
and a measure is its expectation over those orders. So a constant system does not pass for a consistent one.
"Random" below is a system whose scores say nothing, over a gallery of ``N`` items.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyreel.arrays import as_array, raise_if_any
from polyreel.errors import UnknownNameError, UsageError, require_type
from polyreel.metrics.ranks import Ranks
from polyreel.metrics.retrieval import hits_at
from polyreel.metrics.tables import Tabular

__all__ = [
    "PairwiseAgreement",
    "TransferGap",
    "all_languages_recall_at_1",
    "kendall_top_k",
    "macro_mean",
    "mean_rank_spread",
    "overlap_at",
    "rank_c",
    "transfer_gap",
]

Scores = Mapping[str, NDArray[np.floating]]

_BLOCK_BYTES = 32 << 20
# exp(-40) is below the last bit of 1: deeper cut-offs of RankC cannot be seen.
_RANK_C_DEPTH = 40


@dataclass(frozen=True, slots=True)
class PairwiseAgreement(Tabular):
    """How far every two languages agree.

    Attributes:
        languages: in the order of the scores.
        matrix: (languages, languages), mean over queries; symmetric. The diagonal says how far a language
            agrees with itself when its ties are ordered twice: 1 without ties at a cut.
        values: (queries,) mean over pairs of different languages, for intervals (``bootstrap_mean``).
    """

    languages: tuple[str, ...]
    matrix: NDArray[np.float64]
    values: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Over pairs of different languages and queries."""
        return float(self.values.mean())

    def rows(self) -> list[dict[str, Any]]:
        """A row for each pair of languages."""
        return [
            {"language": one, "other": other, "agreement": float(self.matrix[i, j])}
            for i, one in enumerate(self.languages)
            for j, other in enumerate(self.languages)
        ]


@dataclass(frozen=True, slots=True)
class TransferGap(Tabular):
    """What is lost outside the source language.

    Attributes:
        source: the language that was trained on.
        absolute: its figure minus the mean of the others; positive where transfer loses.
        relative: ``absolute`` by the source's figure; 0 where that is 0.
        per_language: other language -> source's figure minus its own.
    """

    source: str
    absolute: float
    relative: float
    per_language: Mapping[str, float]

    def rows(self) -> list[dict[str, Any]]:
        """A row for each other language."""
        return [{"language": tag, "gap": gap} for tag, gap in self.per_language.items()]


def overlap_at(scores: Mapping[str, ArrayLike], k: int) -> PairwiseAgreement:
    """Share of the first ``k`` items that two languages have in common, 0 to 1.

    ``|top_k(l) & top_k(m)| / k``; with ties ``sum over items of p_l p_m / k``, where ``p`` is the probability
    that an item is among the first ``k``: 1 above the cut, ``(k - above) / tied`` in the tied group at the
    cut, else 0. A constant system and a random one both score ``k / N``.

    Source: agreement at depth ``k`` in Webber, Moffat and Zobel (2010).

    Args:
        scores: language -> (queries, gallery).
        k: cut-off, at most the gallery.

    Raises:
        UsageError: fewer than two languages, shapes that differ, no query, a type that is no float, a score
            that is not finite, or a ``k`` out of range; the message names the language.
    """
    scores = _checked(scores)
    languages = tuple(scores)
    _check_cut(scores, k)
    return _weighted_overlap(scores, languages, np.array([k]), np.ones(1))


def rank_c(scores: Mapping[str, ArrayLike]) -> PairwiseAgreement:
    """RankC (Qi, Fernandez and Bisazza 2023): overlap at all cut-offs, the first ones weighing most, 0 to 1.

    ``sum over j = 1..N of w_j P@j`` with ``P@j`` the overlap at ``j`` and ``w = softmax(N, N - 1, .., 1)``,
    so ``w_j = exp(1 - j) (1 - 1/e) / (1 - exp(-N))``; in this form nothing overflows, as it does for large
    ``N`` where the exponentials of N..1 are taken first. Cut-offs after the 40th weigh less than the last bit
    of the sum. A constant system and a random one both score ``sum of w_j j / N``, about ``1.58 / N``.

    Args:
        scores: language -> (queries, gallery).

    Raises:
        UsageError: as ``overlap_at``.
    """
    scores = _checked(scores)
    languages = tuple(scores)
    gallery = next(iter(scores.values())).shape[1]
    cuts = np.arange(1, min(gallery, _RANK_C_DEPTH) + 1)
    weights = np.exp(1.0 - cuts) * (math.expm1(-1) / math.expm1(-gallery))
    return _weighted_overlap(scores, languages, cuts, weights)


def kendall_top_k(scores: Mapping[str, ArrayLike], k: int) -> PairwiseAgreement:
    """Kendall's tau-b of two languages' scores over the first ``k`` items of either, -1 to 1.

    ``(concordant - discordant) / sqrt(pairs untied in l * pairs untied in m)`` (Kendall 1945) over pairs of
    the union. An item is among the first ``k`` if it is in every order of ties: a group that the cut divides
    stays out. Undefined (fewer than two items, or all tied in a language) counts as 0.

    A constant system scores 0. A random one does not: two lists with nothing in common disagree on every pair
    of which each has one, so it scores about ``-k / (2 k - 1)`` in a large gallery; 0 means more than chance.

    Args:
        scores: language -> (queries, gallery).
        k: cut-off, at most the gallery.

    Raises:
        UsageError: as ``overlap_at``.
    """
    scores = _checked(scores)
    languages = tuple(scores)
    _check_cut(scores, k)
    matrices = list(scores.values())
    queries, gallery = matrices[0].shape
    count = len(languages)
    total, values = np.zeros((count, count)), np.zeros(queries)
    height = max(1, _BLOCK_BYTES // max(8 * count * gallery, 64 * k * k))
    for start in range(0, queries, height):
        rows = slice(start, min(start + height, queries))
        blocks = [matrix[rows] for matrix in matrices]
        tops = [_certain_top(block, k) for block in blocks]
        for one in range(count):
            for other in range(one, count):
                tau = _tau_b(blocks[one], blocks[other], tops[one], tops[other])
                total[one, other] += tau.sum()
                if one != other:
                    total[other, one] += tau.sum()
                    values[rows] += tau
    return PairwiseAgreement(languages, total / queries, values / (count * (count - 1) / 2))


def mean_rank_spread(ranks: Mapping[str, Ranks]) -> float:
    """How far a query's rank moves between languages: standard deviation over languages, mean over queries.

    0 (best) to ``(N - 1) / 2``. Known as MRV, "mean rank variance" (CCRK, KDD 2024), whose code takes the
    standard deviation, as we do (over all languages, without Bessel's correction). With ties the root of the
    expected variance, ``sqrt(Var_l(E rank) + (1 - 1 / L) mean_l(Var rank))`` with ``L`` languages, each of
    which orders its ties by itself: the first of ``r`` relevant among ``t`` tied has variance
    ``r (t - r) (t + 1) / ((r + 1)^2 (r + 2))``.

    A constant system scores ``sqrt((1 - 1 / L) (N^2 - 1) / 12)``; a random one the mean of a spread that
    varies about that, 18% less with two languages and 2% less with nine. A system that is equally bad in
    every language scores well: read it beside the recall.

    Args:
        ranks: language -> ranks of the same queries.

    Raises:
        UsageError: fewer than two languages, or queries or galleries that differ; the message names the
        language.
    """
    _check_ranks(ranks)
    expected, variance = [], []
    for own in ranks.values():
        above, tied, relevant = own.first
        expected.append(above + (tied + 1) / (relevant + 1))
        variance.append(relevant * (tied - relevant) * (tied + 1) / ((relevant + 1) ** 2 * (relevant + 2)))
    within = np.mean(variance, axis=0) * (1 - 1 / len(ranks))
    return float(np.sqrt(np.var(expected, axis=0) + within).mean())


def all_languages_recall_at_1(ranks: Mapping[str, Ranks]) -> float:
    """Share of queries whose relevant item comes first in every language, 0 to 1.

    With ties the product over languages of the probability that it does. A constant system and a random one
    both score ``N ** -L`` with ``L`` languages and one relevant item.

    Args:
        ranks: language -> ranks of the same queries.

    Raises:
        UsageError: fewer than two languages, or queries or galleries that differ; the message names the
        language.
    """
    _check_ranks(ranks)
    return float(np.prod([hits_at(own, 1) for own in ranks.values()], axis=0).mean())


def transfer_gap(per_language: Mapping[str, float], source: str = "en") -> TransferGap:
    """The source language's figure minus the mean of the others (XTREME's gap, Hu et al. 2020).

    For a figure from 0 to 100 it lies in -100 to 100. A constant system and a random one both have a gap of
    0: a small gap is worth something only beside a good figure.

    Args:
        per_language: BCP-47 tag -> a figure where more is better, such as R@1.
        source: the language that was trained on.

    Raises:
        UnknownNameError: the source is not among the languages.
        UsageError: there is no other language, or a figure is not finite.
    """
    _check_figures(per_language)
    if source not in per_language:
        raise UnknownNameError("language", source, per_language)
    others = {tag: figure for tag, figure in per_language.items() if tag != source}
    if not others:
        raise UsageError("a gap needs another language", item=source)
    own = per_language[source]
    gap = own - math.fsum(others.values()) / len(others)
    return TransferGap(
        source, gap, gap / own if own else 0.0, {tag: own - figure for tag, figure in others.items()}
    )


def macro_mean(per_language: Mapping[str, float]) -> float:
    """Mean over languages in which each counts the same, however many queries it has.

    Its range, and what a constant or a random system scores, are those of the figure.

    Raises:
        UsageError: there is no language, or a figure is not finite.
    """
    _check_figures(per_language)
    return math.fsum(per_language.values()) / len(per_language)


def _weighted_overlap(
    scores: Scores, languages: tuple[str, ...], cuts: NDArray[np.int64], weights: NDArray[np.float64]
) -> PairwiseAgreement:
    """Sum over cut-offs ``j`` of ``weight_j * overlap_j / j``."""
    matrices = list(scores.values())
    queries, gallery = matrices[0].shape
    count, depth = len(languages), int(cuts[-1])
    total, values = np.zeros((count, count)), np.zeros(queries)
    dtype = np.result_type(np.float32, *matrices)
    height = max(1, _BLOCK_BYTES // (8 * count * gallery))
    for start in range(0, queries, height):
        stop = min(start + height, queries)
        block = np.stack([matrix[start:stop] for matrix in matrices], axis=1, dtype=dtype)
        # Only these can be among a language's first items; what is deeper in all languages adds nothing.
        deepest = np.partition(block, gallery - depth, axis=2)[:, :, gallery - depth]
        reached = block >= deepest[:, :, None]
        for query, (rows, inside) in enumerate(zip(block, reached, strict=True), start):
            items = np.flatnonzero(inside.any(axis=0))
            standing = [_standing(*own) for own in zip(rows[:, items], inside[:, items], strict=True)]
            above, tied = (np.stack(column) for column in zip(*standing, strict=True))
            pairs = _expected_overlap(above, tied, cuts, weights / cuts)
            total += pairs
            values[query] = (pairs.sum() - np.trace(pairs)) / (count * (count - 1))
    return PairwiseAgreement(languages, total / queries, values)


def _standing(
    row: NDArray[np.floating], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How many items score above each, and how many the same; infinitely many above if not inside."""
    above, tied = np.full(len(row), np.inf), np.ones(len(row))
    ordered = np.sort(row[inside])
    end = np.searchsorted(ordered, row[inside], "right")
    above[inside] = len(ordered) - end
    tied[inside] = end - np.searchsorted(ordered, row[inside], "left")
    return above, tied


def _expected_overlap(
    above: NDArray[np.float64],
    tied: NDArray[np.float64],
    cuts: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(languages, languages) from (languages, items), summed over cut-offs."""
    pairs = np.zeros((len(above), len(above)))
    step = max(1, _BLOCK_BYTES // (8 * above.size))
    for first in range(0, len(cuts), step):
        some = slice(first, first + step)
        inclusion = np.clip((cuts[some, None, None] - above) / tied, 0.0, 1.0)
        pairs += np.tensordot(weights[some], inclusion @ inclusion.transpose(0, 2, 1), axes=1)
    return pairs


def _certain_top(block: NDArray[np.floating], k: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Columns of the first ``k`` scores, (queries, k), and which of them are there in every order of ties."""
    gallery = block.shape[1]
    if k == gallery:
        return np.tile(np.arange(k), (len(block), 1)), np.ones((len(block), k), np.bool_)
    order = np.argpartition(block, (gallery - k - 1, gallery - k), axis=1)[:, gallery - k - 1 :]
    found = np.take_along_axis(block, order, axis=1)
    return order[:, 1:], found[:, 1:] > found[:, :1]


def _tau_b(
    one: NDArray[np.floating],
    other: NDArray[np.floating],
    top_one: tuple[NDArray[np.intp], NDArray[np.bool_]],
    top_other: tuple[NDArray[np.intp], NDArray[np.bool_]],
) -> NDArray[np.float64]:
    """(queries,) tau-b over the union of both tops."""
    mine = (top_other[0][:, :, None] == top_one[0][:, None, :]) & top_one[1][:, None, :]
    columns = np.concatenate([top_one[0], top_other[0]], axis=1)
    there = np.concatenate([top_one[1], top_other[1] & ~mine.any(axis=2)], axis=1)
    both = there[:, :, None] & there[:, None, :]
    signs = []
    for block in (one, other):
        values = np.take_along_axis(block, columns, axis=1)
        # Compared, not subtracted: a difference can underflow.
        higher = (values[:, :, None] > values[:, None, :]).astype(np.int8)
        signs.append((higher - higher.transpose(0, 2, 1)) * both)
    agreed = (signs[0] * signs[1]).sum(axis=(1, 2), dtype=np.float64)
    untied = [np.count_nonzero(sign, axis=(1, 2)).astype(np.float64) for sign in signs]
    scale = np.sqrt(untied[0] * untied[1])
    tau: NDArray[np.float64] = np.divide(agreed, scale, out=np.zeros_like(agreed), where=scale > 0)
    return tau


def _checked(given: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.floating]]:
    _check_languages(given)
    scores = {tag: as_array(matrix, f"scores of {tag}") for tag, matrix in given.items()}
    first = next(iter(scores))
    for tag, matrix in scores.items():
        if matrix.ndim != 2 or 0 in matrix.shape:
            raise UsageError(
                "a language has no scores",
                item=tag,
                value=f"shape {matrix.shape}",
                remedy="Give (queries, gallery), or leave the language out and say so",
            )
        if matrix.shape != scores[first].shape:
            raise UsageError(
                "languages have different queries or galleries",
                item=f"{first} and {tag}",
                value=f"shapes {scores[first].shape} and {matrix.shape}",
                remedy="Keep the queries that every language has, in one order",
            )
        if matrix.dtype.kind != "f":
            raise UsageError("scores must be floating point", item=tag, value=str(matrix.dtype))
        bad = np.array([not np.isfinite(row).all() for row in matrix])
        raise_if_any(bad, "scores are not finite", "Nothing is dropped: correct the scores", of=tag)
    return scores


def _check_ranks(ranks: Mapping[str, Ranks]) -> None:
    _check_languages(ranks)
    first = next(iter(ranks))
    for tag, own in ranks.items():
        require_type(own, Ranks, f"what is given for {tag}")
        sizes = [(each.n_queries, each.gallery) for each in (ranks[first], own)]
        if sizes[0] != sizes[1]:
            raise UsageError(
                "languages have different queries or galleries",
                item=f"{first} and {tag}",
                value=f"{sizes[0]} and {sizes[1]}",
                remedy="Keep the queries that every language has, in one order",
            )


def _check_languages(given: Mapping[str, object]) -> None:
    if not isinstance(given, Mapping):
        raise UsageError(
            "agreement needs a mapping of languages",
            value=type(given).__name__,
            remedy="Give language -> scores",
        )
    if len(given) < 2:
        raise UsageError("agreement needs two languages", item=", ".join(given) or "none")


def _check_cut(scores: Scores, k: int) -> None:
    gallery = next(iter(scores.values())).shape[1]
    if not 1 <= k <= gallery:
        raise UsageError("a cut-off lies within the gallery", value=f"{k} of {gallery:,} items")


def _check_figures(per_language: Mapping[str, float]) -> None:
    require_type(per_language, Mapping, "figures of languages")
    for tag, figure in per_language.items():
        require_type(figure, Real, f"the figure of {tag}")
    if not per_language:
        raise UsageError("there is no language")
    if wrong := [tag for tag, figure in per_language.items() if not math.isfinite(figure)]:
        raise UsageError(
            "figures are not finite", item=", ".join(wrong), remedy="Leave an empty language out, and say so"
        )
