"""From how far a match stands out to the probability that it is what was asked for, and kinds put together.

A kind of evidence (a picture, the meaning of a line, its words) says how far a match lies beyond the best
that unrelated queries reach in the same library, in units of that scale (``calibration``). A logistic curve
makes that a probability; its numbers were fitted on queries half of which have an answer. The meaning of a
line counts by two things at once: by how far it stands out from what its own query has with other lines, and
by how close it is, between unrelated texts and the same text, which does not depend on what else there is.
And it has to stand out from what other queries reach.

Kinds are put together as a noisy-or: all doubts must hold at once for a hit to be wrong. So the result rises
with each kind, and a kind that knows nothing takes nothing away. Sums are of weights, ``-log(1 -
probability)``, which keep the order of hits that are all but certain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "EXACT",
    "LINES",
    "PICTURES",
    "UNSURE",
    "WORDS",
    "Curve",
    "LineCurve",
    "Weights",
    "probability",
    "weight_of",
]

Weights = NDArray[np.float64]
"""Of evidence: ``-log(1 - probability)``, 0 and up."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A logistic curve.

    Attributes:
        intercept: log odds where a match is as good as the location of what unrelated queries reach.
        slope: log odds that one scale more adds.
    """

    intercept: float
    slope: float

    def log_odds(self, deviations: NDArray[np.floating]) -> NDArray[np.float64]:
        """Log odds of matches that stand out so far; any shape."""
        return self.intercept + self.slope * np.asarray(deviations, np.float64)

    def weigh(self, deviations: NDArray[np.floating]) -> Weights:
        """Weight of matches that stand out so far; any shape."""
        return np.logaddexp(0.0, self.log_odds(deviations))


@dataclass(frozen=True, slots=True)
class LineCurve:
    """A logistic curve of two things, times the chance that so many unrelated queries all reach less.

    Attributes:
        intercept: log odds of a line that is as close as unrelated texts are and does not stand out.
        own: log odds that one scale more adds, by what the query has with other lines.
        close: log odds that lie between unrelated texts and the same text.
        unknown: by how many scales a line is taken to stand out where there are too few to tell.
        others: how many unrelated queries.
    """

    intercept: float
    own: float
    close: float
    unknown: float
    others: float

    def weigh(
        self,
        deviations: NDArray[np.floating],
        own: NDArray[np.floating],
        closeness: NDArray[np.floating],
    ) -> Weights:
        """Weight of lines.

        Args:
            deviations: how far they stand out from what unrelated queries reach; any shape.
            own: the same by what the query has with other lines; NaN where these are too few to tell.
            closeness: 0 for a line as close as unrelated texts are, 1 for the same text.
        """
        stands_out = np.where(np.isnan(own), self.unknown, own).astype(np.float64)
        log_odds = self.intercept + self.own * stands_out + self.close * np.asarray(closeness, np.float64)
        # What is left of the certainty, summed so that it never rounds to nothing.
        wrong = np.exp(-np.logaddexp(0.0, log_odds))
        with np.errstate(over="ignore"):  # far below the location it is the whole
            passed_by = -np.expm1(-self.others * np.exp(-np.asarray(deviations, np.float64)))
        return np.asarray(-np.log(wrong + (1 - wrong) * passed_by))


# Fitted by benchmarks/confidence.py on MSR-VTT dev and NTREX, on other videos and sentences than those that
# it measures on. With 16 other queries, not with 4, a list of pictures and lines loses less than a point of
# either kind on the sentences of the fit; the curve of lines was fitted with it.
# That of pictures was fitted for an earlier default bundle, and tells the truth about the present one.
PICTURES = Curve(-3.6, 0.39)
LINES = LineCurve(intercept=-6.63, own=0.87, close=10.99, unknown=1.0, others=16)
# Not fitted: of a library's own lines, 7% would pass for a fair match with another one by their words alone.
WORDS = Curve(-5.0, 1.4)

UNSURE = 0.37
"""From where on a picture may be a match for all that can be told: as far as one unrelated query in two.

Of captions that find their video first one in 25 lies below, of those that the curve was fitted on.
"""

EXACT = 4.0
"""Weight of a line that holds the whole query word for word: 98%."""


def probability(weight: float) -> float:
    """What a sum of weights stands for, 0 to 1; to nine places, because the order of summation differs."""
    return round(float(-np.expm1(-weight)), 9)


def weight_of(probability: float) -> float:
    """The weight that stands for a probability under 1."""
    return float(-np.log1p(-probability))
