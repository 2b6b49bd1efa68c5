"""What a run tells while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from polyreel.training.step import StepReport

__all__ = ["Event", "Noted", "Preparing", "Saved", "Started", "Stepped", "Tell", "Validated"]


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
        items: in a batch, over all processes.
    """

    step: int
    total: int
    trained: int
    frozen: int
    items: int


@dataclass(frozen=True, slots=True)
class Stepped:
    """A step was done."""

    report: StepReport


@dataclass(frozen=True, slots=True)
class Validated:
    """The model was judged; ``score`` is what ``best`` is the best of."""

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
Tell = Callable[[Event], None]
