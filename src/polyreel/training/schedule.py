"""The learning rate of each step: a function of the step alone, so that there is nothing to save."""

from __future__ import annotations

import math

from polyreel.training.recipe import OptimiserSpec

__all__ = ["rate_factor"]


def rate_factor(step: int, total: int, spec: OptimiserSpec) -> float:
    """What the highest learning rate is multiplied by, 0 to 1, in step ``step`` of ``total``, from 0.

    It grows linearly over the warm-up and then stays, or follows half a cosine down to 0, which it would
    reach in the step after the last (Loshchilov and Hutter 2017, without restarts).

    Args:
        step: Number of the step, from 0.
        total: Steps of the run.
        spec: Warm-up and decay.
    """
    if step < spec.warmup_steps:
        return (step + 1) / (spec.warmup_steps + 1)
    if spec.decay == "constant":
        return 1.0
    done = (step - spec.warmup_steps) / max(1, total - spec.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
