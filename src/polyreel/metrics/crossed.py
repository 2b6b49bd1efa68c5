"""Figures over several training seeds and many queries, both drawn at random: the crossed bootstrap.

A study wants to know what another training, asked other queries, would find. Seeds and queries are *crossed*:
every query is asked of several trainings. An interval over queries alone, or over seeds alone, is too short.

A resample gives each seed and each cluster of queries a random weight (exponential with mean 1, the Bayesian
bootstrap of Rubin 1981) and takes the mean of all values by the product of both. Drawing both at once counts
the noise of single values three times (Owen 2007), and ten seeds are few, so the resamples give the *shape*
of the interval and the two-way clustered variance (Cameron, Gelbach and Miller 2011) its *width*::

    u_i = (value_i - mean of its setting) / (values of the setting * settings)
    V   = G / (G - 1) (sum over seeds (sum u)^2 + sum over clusters (sum u)^2 - sum over both (sum u)^2)

with ``G`` the lesser of seeds and clusters, for each setting by itself; to it comes what clusters of one
label have in common between settings. For seed effects, cluster effects and independent noise ``V`` is
unbiased, to a term of the order of the seeds' variance over all values: with every query asked of every seed
as well as in folds, where a query is asked of some. It is never taken below that of the clusters alone.
``tests/metrics/test_crossed.py`` checks how often such intervals hold the truth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyreel.arrays import as_array
from polyreel.errors import UsageError
from polyreel.metrics.significance import Interval, Labels
from polyreel.metrics.student import t_cdf, t_quantile
from polyreel.metrics.tables import Tabular

__all__ = ["CrossedEstimate", "CrossedValues", "crossed_bootstrap", "crossed_bootstrap_of_settings"]

_NORMAL = NormalDist()
_POWER = 0.8
_HALVINGS = 24
_CHUNK_BYTES = 32 << 20
# Of standard errors: nearer to the mean the drawn median's own noise decides, and p is as good as 1.
_LEAST_REACH = 0.05


@dataclass(frozen=True, slots=True)
class CrossedValues:
    """What one setting (a data set with its languages, say) measured.

    Attributes:
        values: (seeds, queries); NaN where a seed did not ask a query, as in folds.
        clusters: (queries,) labels; queries of one label are drawn together, in other settings too. None:
            each query by itself.
    """

    values: ArrayLike
    clusters: Labels | None = None


@dataclass(frozen=True, slots=True)
class CrossedEstimate(Tabular):
    """A mean, and how far it may be chance.

    Attributes:
        mean: of all values that were measured; over several settings the mean of their means.
        interval: for new seeds and new queries.
        p: two-sided, against ``null``; below ``1 - level`` exactly where the interval leaves ``null`` out.
        standard_error: root of the two-way clustered variance.
        freedom: degrees of freedom of that variance (Satterthwaite 1946).
        seeds: the fewest of any setting.
        queries: of all settings.
        clusters: different labels in all settings.
    """

    mean: float
    interval: Interval
    p: float
    standard_error: float
    freedom: float
    seeds: int
    queries: int
    clusters: int

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return float(self.interval.low)

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return float(self.interval.high)

    @property
    def detectable(self) -> float:
        """Difference that four of five such studies would find at 5%: ``(t(.975) + t(.8)) SE``."""
        return (t_quantile(0.975, self.freedom) + t_quantile(_POWER, self.freedom)) * self.standard_error


def crossed_bootstrap(
    values: ArrayLike,
    clusters: Labels | None = None,
    *,
    null: float = 0.0,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> CrossedEstimate:
    """Mean of values over seeds and queries, with an interval for new seeds *and* new queries.

    The values are of a system (scores of each query) or of a pair of systems that were trained with the same
    seeds and asked the same queries (differences).

    Args:
        values: (seeds, queries); NaN where a seed did not ask a query.
        clusters: (queries,) labels; queries of one label (captions of one video) are drawn together. None:
            each by itself.
        null: what ``p`` is against.
        resamples: how many.
        seed: seed of the bootstrap; the result is the same for the same seed.
        level: how often the interval should hold the truth.

    Raises:
        UsageError: fewer than two seeds or clusters, a seed or query without any value, an infinite value,
            labels and queries that differ in number, or an option out of range.
    """
    return crossed_bootstrap_of_settings(
        [CrossedValues(values, clusters)], null=null, resamples=resamples, seed=seed, level=level
    )


def crossed_bootstrap_of_settings(
    settings: Sequence[CrossedValues],
    *,
    null: float = 0.0,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> CrossedEstimate:
    """The same over several settings, each of which counts alike however many queries it has.

    Seeds are drawn for each setting by itself, since its trainings are others. Clusters of the same label are
    drawn together in all settings, since they are the same clips: three languages of one set of photos are
    not three independent samples.

    Args:
        settings: one at least.
        null: what ``p`` is against.
        resamples: how many.
        seed: seed of the bootstrap.
        level: how often the interval should hold the truth.

    Raises:
        UsageError: as ``crossed_bootstrap``, or there is no setting.
    """
    if resamples < 100:
        raise UsageError("fewer than 100 resamples say nothing", value=resamples)
    if not 0 < level < 1:
        raise UsageError("a level lies between 0 and 1", value=level)
    tables = _tables(settings)
    mean = float(np.mean([table.mean for table in tables]))
    variance, freedom = _variance(tables)
    error = math.sqrt(variance)
    drawn = np.sort(_drawn_deviations(tables, resamples, seed))
    spread = drawn.std()
    drawn *= error / spread if spread > 0 else 0.0
    reach = t_quantile((1 + level) / 2, freedom)
    interval = Interval(
        np.asarray(mean + _end(drawn, -reach, freedom)), np.asarray(mean + _end(drawn, reach, freedom))
    )
    return CrossedEstimate(
        mean=mean,
        interval=interval,
        p=_p_value(drawn, mean - null, freedom),
        standard_error=error,
        freedom=freedom,
        seeds=min(len(table.counts) for table in tables),
        queries=sum(table.queries for table in tables),
        clusters=len(np.unique(np.concatenate([table.labels for table in tables]))),
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """One setting: ``sums`` and ``counts`` (seeds, clusters), ``labels`` (clusters,) over settings."""

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]
    labels: NDArray[np.intp]
    queries: int

    @property
    def mean(self) -> float:
        return float(self.sums.sum() / self.counts.sum())

    def shares(self, settings: int) -> NDArray[np.float64]:
        """(seeds, clusters) sums of ``u``."""
        found: NDArray[np.float64] = (self.sums - self.mean * self.counts) / (self.counts.sum() * settings)
        return found


def _tables(settings: Sequence[CrossedValues]) -> list[_Table]:
    if not settings:
        raise UsageError("there is no setting to take a mean over", remedy="Give one at least")
    arrays, labels = [], []
    for place, setting in enumerate(settings):
        values = _values(setting.values)
        arrays.append(values)
        labels.append(_labels(setting.clusters, values.shape[1], place))
    numbers: dict[object, int] = {}
    tables = []
    for values, own in zip(arrays, labels, strict=True):
        found = np.array([numbers.setdefault(label, len(numbers)) for label in own])
        present, column = np.unique(found, return_inverse=True)
        if len(present) < 2:
            raise UsageError(
                "one query, or one cluster of them, says nothing about chance",
                value=f"{values.shape[1]:,} queries",
                remedy="Give more",
            )
        there = np.isfinite(values)
        sums, counts = (
            np.stack([np.bincount(column.reshape(-1), row, len(present)).astype(np.float64) for row in rows])
            for rows in (np.where(there, values, 0.0), there.astype(np.float64))
        )
        tables.append(_Table(sums, counts, present, values.shape[1]))
    return tables


def _values(given: ArrayLike) -> NDArray[np.float64]:
    found = as_array(given, "values")
    if found.dtype.kind not in "biuf":
        raise UsageError("values are not numbers", value=str(found.dtype))
    if found.ndim != 2 or len(found) < 2:
        raise UsageError(
            "seeds need values of shape (seeds, queries), two seeds at least", value=f"shape {found.shape}"
        )
    values: NDArray[np.float64] = found.astype(np.float64)
    if np.isinf(values).any():
        raise UsageError("values are infinite", remedy="NaN stands for what was not measured")
    there = np.isfinite(values)
    for what, missing in (("seed", ~there.any(axis=1)), ("query", ~there.any(axis=0))):
        if missing.any():
            raise UsageError(
                f"a {what} has no value at all",
                item=f"{what} {int(np.flatnonzero(missing)[0])}",
                remedy="Leave it out, and say so",
            )
    return values


def _labels(given: Labels | None, queries: int, setting: int) -> list[object]:
    if given is None:
        return [(setting, query) for query in range(queries)]
    labels: list[object] = np.asarray(given).tolist()
    if len(labels) != queries:
        raise UsageError(
            "clusters need one label for each query", value=f"{len(labels):,} for {queries:,} queries"
        )
    return labels


def _variance(tables: Sequence[_Table]) -> tuple[float, float]:
    """Of the mean, and its degrees of freedom."""
    size = 1 + max(int(table.labels.max()) for table in tables)
    of_clusters, own, parts, alone = np.zeros(size), 0.0, 0.0, 0.0
    for table in tables:
        share = table.shares(len(tables))
        few = min(share.shape) / (min(share.shape) - 1)
        by_seed, by_cluster = share.sum(axis=1), share.sum(axis=0)
        of_clusters[table.labels] += by_cluster
        alone += float(by_cluster @ by_cluster)
        own += few * float(by_seed @ by_seed + by_cluster @ by_cluster - (share**2).sum())
        parts += (few * float(by_seed @ by_seed)) ** 2 / (len(share) - 1)
    clusters = float(of_clusters @ of_clusters) * size / (size - 1)
    # What clusters of one label have in common between settings needs no correction for few seeds.
    between = float(of_clusters @ of_clusters) - alone
    variance = max(own + between, clusters)
    parts += clusters**2 / (size - 1)
    least = min(min(table.counts.shape) for table in tables) - 1.0
    return variance, max(variance**2 / parts, least) if parts else least


def _drawn_deviations(tables: Sequence[_Table], resamples: int, seed: int) -> NDArray[np.float64]:
    """(resamples,) means of resamples, less their own mean."""
    rng = np.random.default_rng(seed)
    size = 1 + max(int(table.labels.max()) for table in tables)
    drawn = np.zeros(resamples)
    height = max(1, _CHUNK_BYTES // (8 * size))
    for start in range(0, resamples, height):
        rows = slice(start, min(start + height, resamples))
        weights = rng.standard_exponential((rows.stop - rows.start, size))
        for table in tables:
            own = weights[:, table.labels]
            of_seeds = rng.standard_exponential((len(own), len(table.sums)))
            sums = ((own @ (table.sums - table.mean * table.counts).T) * of_seeds).sum(axis=1)
            drawn[rows] += sums / ((own @ table.counts.T) * of_seeds).sum(axis=1)
    centred: NDArray[np.float64] = (drawn - drawn.mean()) / len(tables)
    return centred


def _end(drawn: NDArray[np.float64], reach: float, freedom: float) -> float:
    """Deviation at ``reach`` standard errors: the drawn quantile, wider by what t is wider than normal.

    ``drawn`` is sorted.
    """
    normal = -_NORMAL.inv_cdf(1 - t_cdf(abs(reach), freedom))
    place = _NORMAL.cdf(math.copysign(normal, reach)) * (len(drawn) - 1)
    quantile = float(np.interp(place, np.arange(len(drawn)), drawn))
    return quantile * abs(reach) / normal


def _p_value(drawn: NDArray[np.float64], distance: float, freedom: float) -> float:
    """Of the interval that ends where the mean is ``distance`` away: ``2 / (resamples + 1)`` at least."""
    floor = 2 / (len(drawn) + 1)
    low, high = _LEAST_REACH, t_quantile(1 - floor / 2, freedom)
    side = -math.copysign(1.0, distance)

    def is_inside(reach: float) -> bool:
        return abs(_end(drawn, side * reach, freedom)) >= abs(distance)

    if distance == 0 or is_inside(low):
        return 1.0
    if not is_inside(high):
        return floor
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_inside(middle) else (middle, high)
    return min(1.0, 2 * (1 - t_cdf(high, freedom)))
