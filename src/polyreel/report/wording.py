"""Names, units and meanings of figures, as a reader sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from polyreel.evaluation.results import LanguageResult, Result

__all__ = ["Measure", "best_of", "headline", "measure", "p_value", "shown_metrics", "signed"]


@dataclass(frozen=True, slots=True)
class Measure:
    """How a metric is written.

    Attributes:
        title: its name.
        digits: after the point.
        higher_is_better: which way is up.
        percent: whether it counts from 0 to 100.
    """

    title: str
    digits: int
    higher_is_better: bool = True
    percent: bool = False

    def write(self, value: float) -> str:
        """The figure in its usual precision."""
        return f"{value:,.{self.digits}f}"


_MEASURES: Mapping[str, Measure] = {
    "median_rank": Measure("median rank", 1, higher_is_better=False),
    "mean_rank": Measure("mean rank", 1, higher_is_better=False),
    "mrr": Measure("MRR", 3),
    "ndcg@10": Measure("nDCG@10", 3),
    "map": Measure("mAP", 3),
}
_USUAL = ("r@1", "r@5", "r@10", "median_rank", "mrr")
_LEFT_TO_THE_FILE = ("mean_rank", "ndcg@10", "map")


def measure(name: str) -> Measure:
    """How the metric ``name`` is written; one that is not known has three digits."""
    if name in _MEASURES:
        return _MEASURES[name]
    if name.startswith("r@"):
        return Measure("R" + name[1:], 1, percent=True)
    if name.startswith(("accuracy", "triplet")):
        return Measure(name, 1, percent=True)
    return Measure(name, 3)


def shown_metrics(result: Result) -> tuple[str, ...]:
    """Names of the metrics that tables show, in their order."""
    names = next(iter(result.languages.values())).metrics
    own = [name for name in names if name not in _USUAL and name not in _LEFT_TO_THE_FILE]
    first = [name for name in own if measure(name).percent and not name.startswith("r@")]
    usual = [name for name in _USUAL if name in names]
    return (*first, *usual, *(name for name in own if name not in first))


def headline(result: Result) -> str:
    """The metric that plots show: accuracy@1 where there is one, else R@1."""
    return "accuracy@1" if "accuracy@1" in next(iter(result.languages.values())).metrics else "r@1"


def signed(points: float) -> str:
    """A difference as ``+1.2`` or ``−0.3``."""
    return f"{points:+.1f}".replace("-", "−")


def p_value(p: float) -> str:
    """A p as ``0.041`` or ``< 0.001``."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def best_of(name: str, languages: Mapping[str, LanguageResult]) -> tuple[str, str]:
    """Tags of the best and of the worst language by the metric ``name``."""
    order = sorted(languages, key=lambda tag: languages[tag].metrics[name].value)
    if not measure(name).higher_is_better:
        order.reverse()
    return order[-1], order[0]
