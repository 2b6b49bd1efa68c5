"""Events of a run, for its progress display."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from polyreel.training.step import StepReport

__all__ = ["Event", "Noted", "OnProgress", "Preparing", "Saved", "Started", "Stepped", "Validated"]


@dataclass(frozen=True, slots=True)
class Preparing:
    """Something that has to be there first: ``done`` of ``total``, 0 where that is not known."""

    what: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Started:
    """The first step comes next.

    Attributes:
        step, total: steps done before, and in all.
        trained, frozen: numbers in parameters.
        batch_size: clips in a batch, over all processes.
    """

    step: int
    total: int
    trained: int
    frozen: int
    batch_size: int


@dataclass(frozen=True, slots=True)
class Stepped:
    """A step was done."""

    report: StepReport


@dataclass(frozen=True, slots=True)
class Validated:
    """The model was validated; ``score`` is what ``best`` is the best of."""

    step: int
    figures: Mapping[str, float]
    score: float
    best: tuple[float, int]


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint is on the disk."""

    folder: Path


@dataclass(frozen=True, slots=True)
class Noted:
    """Something to know."""

    text: str


Event = Preparing | Started | Stepped | Validated | Saved | Noted
OnProgress = Callable[[Event], None]
