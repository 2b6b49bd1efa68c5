"""Student's t, which the standard library of Python does not have."""

from __future__ import annotations

import math
from statistics import NormalDist

__all__ = ["t_cdf", "t_quantile"]

_TINY, _CLOSE, _NEAR = 1e-300, 1e-15, 1e-10
_MOST_TERMS = 10_000
_STEPS = 100


def t_cdf(value: float, freedom: float) -> float:
    """Chance that Student's t is at most ``value``.

    ``1 - I(v / (v + t^2); v / 2, 1 / 2) / 2`` for ``t >= 0``, with ``I`` the regularised incomplete beta
    function (Abramowitz and Stegun 26.7.1).

    Args:
        value: t.
        freedom: degrees of freedom ``v``, above 0.
    """
    beyond = _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + value * value)) / 2
    return 1 - beyond if value > 0 else beyond


def t_quantile(probability: float, freedom: float) -> float:
    """Value that Student's t stays below with ``probability``, from 1/2 up to, but without, 1.

    Args:
        probability: 1/2 to 1.
        freedom: degrees of freedom, above 0.
    """
    low, high = 0.0, math.inf
    value = NormalDist().inv_cdf(probability)
    for _ in range(_STEPS):
        beyond = t_cdf(value, freedom) - probability
        low, high = (low, value) if beyond > 0 else (value, high)
        step = beyond / _density(value, freedom)
        if abs(step) <= _NEAR * max(1.0, value):
            break
        # Newton's step, unless it leaves what is known to hold the value: the tails of few degrees are flat.
        after = value - step
        value = after if low < after < high else (low + min(high, 2 * low + 2)) / 2
    return value


def _density(value: float, freedom: float) -> float:
    log_scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    return math.exp(log_scale - (freedom + 1) / 2 * math.log1p(value * value / freedom))


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularised, by its continued fraction (Abramowitz and Stegun 26.5.8), evaluated as Lentz does."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    upper, lower = 1.0, 1 / _apart(1 - (a + b) * x / (a + 1))
    fraction = lower
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            lower = 1 / _apart(1 + term * lower)
            upper = _apart(1 + term / upper)
            step = lower * upper
            fraction *= step
        if abs(step - 1) < _CLOSE:
            break
    return math.exp(log_front) * fraction / a


def _apart(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
