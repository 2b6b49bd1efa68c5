"""How far a figure may be chance: intervals, comparisons of two systems, several seeds, several tests.

What is drawn at random are queries, or clusters of them: captions of one clip succeed and fail together, so
they are drawn together. Everything is the same for the same seed.

Intervals come from the Bayesian bootstrap (Rubin 1981): each cluster gets a random weight, exponential with
mean 1, in place of the number of times that it was drawn. Where the bounds of the values are known, half a
cluster more stands at each of them. For a proportion that is Jeffreys' interval (Brown, Cai and DasGupta
2001), and it is what keeps the promise where few queries, or all, succeed: with 3 hits expected among 300
queries, percentiles of the ordinary bootstrap hold the truth in 88% of cases, because without a hit they say
"0 to 0"; with the half clusters it is 94%. ``tests/evaluation/test_significance.py`` checks the coverage.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyreel.arrays import as_array, raise_if_any
from polyreel.errors import UsageError, require_seed, require_type
from polyreel.metrics.student import t_quantile
from polyreel.metrics.tables import Tabular

__all__ = [
    "Difference",
    "Interval",
    "RankCorrelation",
    "SeedSummary",
    "aggregate_seeds",
    "bootstrap_mean",
    "bootstrap_means_and_median",
    "bootstrap_median",
    "holm",
    "numbered_clusters",
    "paired_bootstrap",
    "permutation_test",
    "rank_correlation",
]

Labels = Sequence[object] | NDArray[np.generic]
Bounds = tuple[ArrayLike, ArrayLike]

_CHUNK_BYTES = 32 << 20
_ALL_ORDERS_OF = 8


@dataclass(frozen=True, slots=True)
class Interval(Tabular):
    """Where a figure may well lie.

    Attributes:
        low: (metrics,), or () where the values were of one metric.
        high: likewise; never below ``low``, and the figure itself always lies between them.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Difference(Tabular):
    """One system against another.

    Attributes:
        difference: mean of the first minus mean of the second.
        interval: of the difference.
        p: two-sided, against "no difference"; never 0.
    """

    difference: float
    interval: Interval
    p: float


@dataclass(frozen=True, slots=True)
class SeedSummary(Tabular):
    """A method that was trained several times.

    Attributes:
        mean: over seeds and queries.
        within_se: standard error of one seed's mean that comes from the choice of queries.
        between_sd: standard deviation of the seeds' means.
        interval: of the mean, for new seeds and new queries.
    """

    mean: float
    within_se: float
    between_sd: float
    interval: Interval


def numbered_clusters(labels: Labels, queries: int) -> NDArray[np.int64]:
    """The cluster of each query as a number, (queries,) from 0.

    Raises:
        UsageError: there is not one label for each query, or a label is neither a finite number nor text.
    """
    given = as_array(labels, "clusters")
    if given.shape != (queries,):
        raise UsageError(
            "clusters need one label for each query", value=f"{given.shape} for {queries:,} queries"
        )
    if given.dtype.kind == "f":
        raise_if_any(~np.isfinite(given), "labels of clusters are not finite", "Give numbers or text")
    return np.unique(given, return_inverse=True)[1].reshape(-1)


def bootstrap_mean(
    values: ArrayLike,
    *,
    bounds: Bounds | None = None,
    clusters: Labels | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of the mean over queries: percentiles of the Bayesian bootstrap (see the module).

    A resample's mean is ``sum(w_c S_c) / sum(w_c n_c)`` over clusters of size ``n_c`` and sum ``S_c``, with
    weights ``w_c`` ~ Exp(1); at each bound stands a cluster of mean size with weight ~ Gamma(1/2).

    Args:
        values: (queries,) or (queries, metrics). All metrics see the same resamples.
        bounds: lowest and highest value that is possible, each a number or (metrics,); see ``metric_bounds``.
            Infinite where there is none; then intervals are too short where values are rare or far out.
        clusters: (queries,) labels; queries of one label are drawn together. None: each by itself.
        resamples: how many. The ends of the interval are themselves good to about ``2 / sqrt(resamples)`` of
            its length.
        level: how often the interval should hold the truth.
        seed: seed of the bootstrap.

    Raises:
        UsageError: a value is not finite or out of bounds (the message names the rows), labels and values
            differ in number, there are fewer than two clusters and no bounds, or an option is out of range.
    """
    _check_options(resamples, level, seed)
    table = _checked(values, bounds)
    drawn = _Means(table, bounds, clusters, resamples, seed)
    _draw([drawn], resamples, seed)
    return _interval(drawn.means, table.mean(axis=0), level, _float64(values).shape[1:])


def bootstrap_means_and_median(
    values: ArrayLike,
    median_of: ArrayLike,
    *,
    bounds: Bounds | None = None,
    clusters: Labels | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[Interval, Interval]:
    """What ``bootstrap_mean`` and, without bounds, ``bootstrap_median`` say, of weights that are drawn once.

    Args:
        values: (queries, metrics), of which the means are asked.
        median_of: (queries,), of which the median is.
        bounds: of ``values``; see ``bootstrap_mean``, as for the other arguments and errors.
        clusters: (queries,) labels.
        resamples: how many.
        level: how often an interval should hold the truth.
        seed: seed of the bootstrap.
    """
    _check_options(resamples, level, seed)
    table, column = _checked(values, bounds), _column(median_of, None)
    means = _Means(table, bounds, clusters, resamples, seed)
    medians = _Medians(column, None, clusters, resamples, seed)
    _draw([means, medians], resamples, seed)
    return (
        _interval(means.means, table.mean(axis=0), level, _float64(values).shape[1:]),
        _interval(medians.medians, np.median(column, keepdims=True), level, ()),
    )


def bootstrap_median(
    values: ArrayLike,
    *,
    bounds: tuple[float, float] | None = None,
    clusters: Labels | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of the median over queries, from the same weights as ``bootstrap_mean``.

    A resample's median is the least value at which half of the weight is reached.

    Args:
        values: (queries,), such as ``expected_rank``.
        bounds: lowest and highest value that is possible.
        clusters: see ``bootstrap_mean``, as for the other arguments and errors.
        resamples: how many.
        level: how often the interval should hold the truth.
        seed: seed of the bootstrap.
    """
    _check_options(resamples, level, seed)
    column = _column(values, bounds)
    drawn = _Medians(column, bounds, clusters, resamples, seed)
    _draw([drawn], resamples, seed)
    return _interval(drawn.medians, np.median(column, keepdims=True), level, ())


def _column(values: ArrayLike, bounds: tuple[float, float] | None) -> NDArray[np.float64]:
    given = _float64(values)
    if given.ndim != 1:
        raise UsageError("a median needs one value for each query", value=f"shape {given.shape}")
    return _checked(given, bounds)[:, 0]


def paired_bootstrap(
    a: ArrayLike,
    b: ArrayLike,
    *,
    bounds: tuple[float, float] | None = None,
    clusters: Labels | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Compare two systems on the same queries by resampling the queries' differences ``a - b``.

    ``p = 2 min(1 + #{d* <= 0}, 1 + #{d* >= 0}) / (resamples + 1)``, at most 1: below ``1 - level`` where the
    interval leaves out 0.

    Args:
        a: (queries,) values of the first system.
        b: (queries,) values of the second, of the same queries in the same order.
        bounds: lowest and highest value that the metric can have.
        clusters: see ``bootstrap_mean``, as for the other arguments and errors.
        resamples: how many; the least p is ``2 / (resamples + 1)``.
        level: coverage of the interval, 0 to 1.
        seed: seed of the bootstrap.
    """
    _check_options(resamples, level, seed)
    gains = _differences(a, b, bounds)
    width = None if bounds is None else bounds[1] - bounds[0]
    ends = None if width is None else (-width, width)
    means = _Means(gains[:, None], ends, clusters, resamples, seed)
    _draw([means], resamples, seed)
    drawn = means.means
    mean = gains.mean(keepdims=True)
    beyond = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p = min(1.0, 2 * (1 + beyond) / (resamples + 1))
    return Difference(float(mean[0]), _interval(drawn, mean, level, ()), p)


def permutation_test(
    a: ArrayLike,
    b: ArrayLike,
    *,
    clusters: Labels | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> float:
    """Two-sided p of "the two systems are exchangeable", by swapping them in random clusters.

    The statistic is ``|sum over clusters of s_c D_c|``, ``D_c`` the sum of ``a - b`` in a cluster and ``s_c``
    a random sign (Fisher 1935). If no more than ``log2(resamples)`` clusters differ, all signs are tried and
    p is exact; else ``p = (1 + #{T* >= T}) / (resamples + 1)`` (Phipson and Smyth 2010). 1 where nothing
    differs.

    Args:
        a: (queries,) values of the first system.
        b: (queries,) values of the second, of the same queries in the same order.
        clusters: (queries,) labels; queries of one label are swapped together. None: each by itself.
        resamples: how many random sign patterns.
        seed: seed of the random signs.

    Raises:
        UsageError: as ``bootstrap_mean``.
    """
    _check_options(resamples, 0.5, seed)
    gains = _differences(a, b, None)
    sums = _Sample.of(len(gains), clusters, least=1).sums(gains[:, None])[:, 0]
    sums = sums[sums != 0]
    # Orders of addition differ by rounding, and an equal statistic must count as equal.
    least = abs(sums.sum()) - 1e-9 * np.abs(sums).sum()
    if 2 ** min(len(sums), 64) <= resamples:
        patterns = np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums)) & 1
        return float((np.abs((2 * patterns - 1) @ sums) >= least).mean())
    rng = np.random.default_rng(seed)
    reached = 0
    for rows in _chunks(resamples, len(sums)):
        count = rows.stop - rows.start
        # Whole words for each row, so that the size of the pieces changes nothing.
        words = rng.integers(0, 2**64, (count, -(-len(sums) // 64)), np.uint64)
        signs = np.unpackbits(words.view(np.uint8), axis=1, count=len(sums)).astype(np.float64)
        reached += int((np.abs(2 * (signs @ sums) - sums.sum()) >= least).sum())
    return (1 + reached) / (resamples + 1)


def aggregate_seeds(values: ArrayLike, *, clusters: Labels | None = None, level: float = 0.95) -> SeedSummary:
    """A method's mean over ``S`` training seeds that were all measured on the same queries.

    Seeds and queries are crossed random effects. With ``B = between_sd^2 / S``; ``W`` the squared standard
    error, over clusters of queries, of the queries' means over seeds; and ``I`` the part that both contain
    (the squared standard error of what is left of ``values`` without seed means and query means, by ``S (S -
    1)``)::

        SE^2 = max(B + W - I, B, W)
        interval = mean +- t(level, v) SE,   v = SE^4 / (B^2 / (S - 1) + W^2 / (clusters - 1))

    (Satterthwaite 1946; ``v`` at least the smaller of ``S - 1`` and ``clusters - 1``). So the interval is
    wide
    with few seeds that differ, as it should be: three seeds know little about a fourth.

    Args:
        values: (seeds, queries).
        clusters: (queries,) labels; see ``bootstrap_mean``.
        level: how often the interval should hold the truth.

    Raises:
        UsageError: fewer than two seeds or clusters, or a value is not finite.
    """
    _check_options(100, level)
    given = _float64(values)
    if given.ndim != 2 or len(given) < 2:
        raise UsageError(
            "seeds need values of shape (seeds, queries), two seeds at least", value=f"shape {given.shape}"
        )
    table = _checked(given.T, None)
    sample = _Sample.of(len(table), clusters, least=2)
    seeds = table.shape[1]
    means, over_seeds = table.mean(axis=0), table.mean(axis=1, keepdims=True)
    mean = float(means.mean())
    within = sample.squared_errors(table).mean()
    between = float(means.var(ddof=1))
    queries = float(sample.squared_errors(over_seeds)[0])
    both = sample.squared_errors(table - over_seeds).sum() / (seeds * (seeds - 1))
    error = max(between / seeds + queries - both, between / seeds, queries)
    parts = (between / seeds) ** 2 / (seeds - 1) + queries**2 / (len(sample.sizes) - 1)
    least = min(seeds, len(sample.sizes)) - 1
    freedom = max(error**2 / parts, least) if parts else least
    reach = t_quantile((1 + level) / 2, freedom) * math.sqrt(error)
    interval = Interval(np.asarray(mean - reach), np.asarray(mean + reach))
    return SeedSummary(mean, math.sqrt(within), math.sqrt(between), interval)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p values adjusted so that the chance of any false claim among them stays below the level (Holm 1979).

    The i-th smallest of ``m`` becomes ``max over j <= i of min(1, (m - j + 1) p_j)``.

    Args:
        p_values: name (a language, say) -> p; the result has the same order.

    Raises:
        UsageError: a p is not between 0 and 1.
    """
    require_type(p_values, Mapping, "p values")
    for p in p_values.values():
        require_type(p, Real, "a p value")
    if wrong := [name for name, p in p_values.items() if not 0 <= p <= 1]:
        raise UsageError("p is a probability", item=", ".join(wrong), value=p_values[wrong[0]])
    adjusted, largest = {}, 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


@dataclass(frozen=True, slots=True)
class RankCorrelation(Tabular):
    """Whether two figures of the same things rise together.

    Attributes:
        rho: Spearman's, -1 to 1; 0 where one of the figures is the same for all.
        p: chance of a ``rho`` at least as far from 0 if the figures had nothing to do with each other.
    """

    rho: float
    p: float


def rank_correlation(
    one: ArrayLike, other: ArrayLike, *, resamples: int = 20_000, seed: int = 0
) -> RankCorrelation:
    """Spearman's rank correlation with a permutation test: exact for up to eight things, drawn for more.

    Args:
        one, other: (things,) figures; equal ones share their mean rank.
        resamples: permutations drawn where there are too many for all.
        seed: seed of the permutations.

    Raises:
        UsageError: fewer than three things, or not as many of one as of the other.
    """
    _check_options(resamples, 0.5, seed)
    first, second = (_centred_ranks(_float64(values)) for values in (one, other))
    if len(first) < 3 or first.shape != second.shape:
        raise UsageError(
            "a rank correlation needs two figures of at least three things",
            value=f"{len(first)} and {len(second)}",
        )
    length = float(np.sqrt((first @ first) * (second @ second)))
    if length == 0:
        return RankCorrelation(0.0, 1.0)
    if len(first) <= _ALL_ORDERS_OF:
        orders = np.array(list(itertools.permutations(range(len(first)))))
    else:
        rng = np.random.default_rng(seed)
        orders = rng.permuted(np.tile(np.arange(len(first)), (resamples, 1)), axis=1)
    found = float(first @ second)
    as_far = np.abs(second[orders] @ first) >= abs(found) - 1e-9
    # Of all orders the one that was found is one; beside drawn ones it counts, too.
    p = as_far.mean() if len(first) <= _ALL_ORDERS_OF else (as_far.sum() + 1) / (resamples + 1)
    return RankCorrelation(found / length, float(p))


def _centred_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    ranks: NDArray[np.float64] = mean_rank[places] - (len(values) + 1) / 2
    return ranks


def _middle(count: int) -> slice:
    """Where among so many ordered values a resample's median lies, as good as always: within five standard
    errors of the middle."""
    reach = math.ceil(2.5 * math.sqrt(count)) + 1
    return slice(max(0, count // 2 - reach), min(count, count // 2 + reach))


class _Means:
    """Means of resamples: ``means`` (resamples, metrics) from (queries, metrics)."""

    def __init__(
        self,
        table: NDArray[np.float64],
        bounds: Bounds | None,
        clusters: Labels | None,
        resamples: int,
        seed: int,
    ) -> None:
        self.sample = _Sample.of(len(table), clusters, least=2 if bounds is None else 1)
        self._sums = self.sample.sums(table)
        ends = np.stack(_ends(bounds, table.shape[1]))
        self._there = np.isfinite(ends)
        self._ends = np.where(self._there, ends, 0.0)
        self._end_weights = self.sample.end_weights(resamples, seed)
        self.means = np.empty((resamples, table.shape[1]))

    def take(self, rows: slice, weights: NDArray[np.float64]) -> None:
        end_weights = self._end_weights[rows]
        total = (weights @ self.sample.sizes)[:, None] + end_weights @ self._there
        self.means[rows] = (weights @ self._sums + end_weights @ self._ends) / total


class _Medians:
    """Medians of resamples: ``medians`` (resamples, 1) from (queries,)."""

    def __init__(
        self,
        column: NDArray[np.float64],
        bounds: tuple[float, float] | None,
        clusters: Labels | None,
        resamples: int,
        seed: int,
    ) -> None:
        self.sample = _Sample.of(len(column), clusters, least=2 if bounds is None else 1)
        order = np.argsort(column, kind="stable")
        self._owner = self.sample.cluster[order]
        ends = [float(end[0]) for end in _ends(bounds, 1)]
        self._places = np.concatenate([ends[:1], column[order], ends[1:]])
        self._end_weights = self.sample.end_weights(resamples, seed) * np.isfinite(ends)
        self._middle = _middle(len(column))
        below = np.bincount(self._owner[: self._middle.start], minlength=len(self.sample.sizes))
        self._below = below.astype(np.float64)
        self.medians = np.empty((resamples, 1))

    def take(self, rows: slice, weights: NDArray[np.float64]) -> None:
        end_weights, skipped = self._end_weights[rows], self._middle.start + 1
        start = end_weights[:, 0] + weights @ self._below
        half = (weights @ self.sample.sizes + end_weights.sum(axis=1)) / 2
        reached = start[:, None] + np.cumsum(weights[:, self._owner[self._middle]], axis=1)
        found = [skipped + np.searchsorted(*line) for line in zip(reached, half, strict=True)]
        # A median outside of the middle is seldom, but with few clusters or at a bound.
        for row in np.flatnonzero((start >= half) | (reached[:, -1] < half)):
            first, last = end_weights[row]
            line = np.cumsum(np.concatenate([[first], weights[row, self._owner], [last]]))
            found[row] = np.searchsorted(line, line[-1] / 2)
        self.medians[rows, 0] = self._places[found]


def _draw(figures: Sequence[_Means | _Medians], resamples: int, seed: int) -> None:
    """Hand all of ``figures``, which are of the same queries, the same resamples."""
    for rows, weights in figures[0].sample.weights(resamples, seed):
        for figure in figures:
            figure.take(rows, weights)


@dataclass(frozen=True, slots=True)
class _Sample:
    """Queries in clusters: ``cluster`` (queries,) numbers, ``sizes`` (clusters,)."""

    cluster: NDArray[np.intp]
    sizes: NDArray[np.float64]

    @classmethod
    def of(cls, queries: int, labels: Labels | None, *, least: int) -> _Sample:
        cluster = np.arange(queries) if labels is None else numbered_clusters(labels, queries)
        sizes = np.bincount(cluster).astype(np.float64)
        if len(sizes) < least:
            raise UsageError(
                "one query, or one cluster of them, says nothing about chance",
                value=f"{queries:,} queries",
                remedy="Give more, or the bounds of the values",
            )
        return cls(cluster, sizes)

    def sums(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """(clusters, metrics) from (queries, metrics)."""
        if len(self.sizes) == len(self.cluster):
            return table[np.argsort(self.cluster)]
        columns = [np.bincount(self.cluster, column) for column in table.T]
        return np.stack(columns, axis=1)

    def squared_errors(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """Squared standard errors of the columns' means, (metrics,), robust to clusters."""
        count = len(self.sizes)
        deviations = self.sums(table - table.mean(axis=0))
        squares: NDArray[np.float64] = (deviations**2).sum(axis=0)
        return squares * (count / (count - 1) / len(table) ** 2)

    def weights(self, resamples: int, seed: int) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Which resamples, and their (resamples, clusters) weights."""
        rng = np.random.default_rng([seed, 0])
        for rows in _chunks(resamples, len(self.cluster)):
            yield rows, rng.standard_exponential((rows.stop - rows.start, len(self.sizes)))

    def end_weights(self, resamples: int, seed: int) -> NDArray[np.float64]:
        """Weights of the half clusters at the two bounds, (resamples, 2)."""
        rng = np.random.default_rng([seed, 1])
        return float(self.sizes.mean()) * rng.standard_gamma(0.5, (resamples, 2))


def _chunks(resamples: int, width: int) -> Iterator[slice]:
    height = max(1, _CHUNK_BYTES // (8 * width))
    for start in range(0, resamples, height):
        yield slice(start, min(start + height, resamples))


def _ends(bounds: Bounds | None, metrics: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    try:
        low, high = (-np.inf, np.inf) if bounds is None else (np.asarray(end, np.float64) for end in bounds)
        ends = np.broadcast_to(low, metrics), np.broadcast_to(high, metrics)
    except (TypeError, ValueError) as error:
        raise UsageError(
            "bounds are the lowest and the highest value", value=repr(bounds)[:60], remedy="Such as (0, 1)"
        ) from error
    if not (ends[0] <= ends[1]).all():
        raise UsageError("the lowest value must not lie above the highest", value=repr(bounds)[:60])
    return ends


def _float64(values: ArrayLike) -> NDArray[np.float64]:
    found = as_array(values, "values")
    if found.dtype.kind not in "biuf":
        raise UsageError("values are not numbers", value=str(found.dtype))
    return found.astype(np.float64, copy=False)


def _checked(values: ArrayLike, bounds: Bounds | None) -> NDArray[np.float64]:
    """Values as (queries, metrics), all finite and within bounds."""
    table = _float64(values)
    if table.ndim not in (1, 2) or not len(table):
        raise UsageError("values are (queries,) or (queries, metrics)", value=f"shape {table.shape}")
    table = table.reshape(len(table), -1)
    raise_if_any(~np.isfinite(table).all(axis=1), "values are not finite", "Nothing is dropped: correct them")
    low, high = _ends(bounds, table.shape[1])
    slack = 1e-9 * np.where(np.isfinite(high - low), high - low, 0.0)
    outside = (table < low - slack) | (table > high + slack)
    raise_if_any(outside.any(axis=1), "values are out of bounds", "Give the bounds of this metric")
    return table


def _differences(a: ArrayLike, b: ArrayLike, bounds: tuple[float, float] | None) -> NDArray[np.float64]:
    first, second = _float64(a), _float64(b)
    if first.ndim != 1 or first.shape != second.shape:
        raise UsageError(
            "two systems are compared query by query", value=f"shapes {first.shape} and {second.shape}"
        )
    return _checked(first, bounds)[:, 0] - _checked(second, bounds)[:, 0]


def _check_options(resamples: int, level: float, seed: int = 0) -> None:
    require_type(resamples, Integral, "the number of resamples")
    require_type(level, Real, "a level")
    require_seed(seed)
    if resamples < 100:
        raise UsageError("fewer than 100 resamples say nothing", value=resamples)
    if not 0 < level < 1:
        raise UsageError("a level lies between 0 and 1", value=level)


def _interval(
    drawn: NDArray[np.float64], figure: NDArray[np.float64], level: float, shape: tuple[int, ...]
) -> Interval:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Interval(np.minimum(low, figure).reshape(shape), np.maximum(high, figure).reshape(shape))
