"""What is chosen for each arm before any cell is run: from the same grid, by switched captions alone."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ValidationError

from polyreel.files import write_atomically
from polyreel.study.design import Arm, Spec
from polyreel.study.recipe import WEIGHTS, TuningSpec

__all__ = [
    "Choice",
    "TuningScore",
    "candidates",
    "chosen",
    "read_choices",
    "read_score",
    "write_choices",
    "write_score",
]


class TuningScore(Spec):
    """What one candidate was worth in one setting.

    Attributes:
        digest: of everything that decides it.
        log2_rank: mean log2 rank of switched captions, lower is better.
        took_s: seconds of one core.
    """

    digest: str
    log2_rank: float
    took_s: float = 0.0


class Choice(Spec):
    """What was chosen for one arm with one encoder.

    Attributes:
        encoder, arm: which.
        digest: of everything that decides it.
        values: chosen; dotted key of the training recipe, or ``weights``.
        tried: every candidate's mean log2 rank of switched captions over the settings, in the grid's order.
    """

    encoder: str
    arm: str
    digest: str
    values: Mapping[str, float]
    tried: tuple[tuple[Mapping[str, float], float], ...]


class _Choices(Spec):
    schema_version: Literal[1] = 1
    choices: tuple[Choice, ...]


def candidates(spec: TuningSpec, arm: Arm) -> list[dict[str, float]]:
    """Every point of the grid; of an arm with one term, whose weight changes nothing, those without it."""
    axes = {key: values for key, values in spec.grid.items() if key != WEIGHTS or len(arm.objectives) > 1}
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def chosen(
    tried: Sequence[Mapping[str, float]], scores: Sequence[Sequence[float]]
) -> tuple[Mapping[str, float], tuple[float, ...]]:
    """The candidate of the lowest mean score, the first of equal ones, and every candidate's mean.

    Args:
        tried: candidates.
        scores: of each candidate in each setting.
    """
    means = [float(np.mean(each)) for each in scores]
    return tried[int(np.argmin(means))], tuple(round(mean, 4) for mean in means)


def read_score(path: Path, digest: str) -> TuningScore | None:
    """The score in ``path``; None if it is not there, damaged, or was made from something else."""
    try:
        found = TuningScore.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return found if found.digest == digest else None


def write_score(path: Path, score: TuningScore) -> None:
    """Write the file whole."""
    write_atomically(path, score.model_dump_json().encode() + b"\n")


def read_choices(path: Path) -> tuple[Choice, ...]:
    """What ``write_choices`` wrote; nothing if it is not there or damaged, for then it is chosen again."""
    try:
        return _Choices.model_validate_json(path.read_bytes()).choices
    except (OSError, ValidationError):
        return ()


def write_choices(path: Path, choices: Sequence[Choice]) -> None:
    """Write the file whole."""
    write_atomically(path, _Choices(choices=tuple(choices)).model_dump_json(indent=1).encode() + b"\n")
