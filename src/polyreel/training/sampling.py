"""Which clips each step draws: decided by the seed and the step, and taken up again from a saved position."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from polyreel.errors import TrainingError

__all__ = ["Draw", "Position", "Sampler", "Supply"]


@dataclass(frozen=True, slots=True)
class Draw:
    """One clip of a batch.

    Attributes:
        training_set: number of the training set.
        row: index of the clip in that set's table.
        epoch: how often the set had been gone through before.
    """

    training_set: int
    row: int
    epoch: int


class Position(BaseModel):
    """How far a run has gone through its data.

    Attributes:
        step: batches drawn.
        taken: clips drawn from each training set.
        epoch, passed: how often each training set was gone through, and the clips of the present epoch that
            are past, taken or not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int
    taken: tuple[int, ...]
    epoch: tuple[int, ...]
    passed: tuple[int, ...]

    @classmethod
    def start(cls, training_sets: int) -> Position:
        """Before the first batch."""
        zeros = (0,) * training_sets
        return cls(step=0, taken=zeros, epoch=zeros, passed=zeros)


class Supply(Protocol):
    """What clips are drawn from."""

    @property
    def name(self) -> str:
        """For messages."""
        ...

    @property
    def size(self) -> int:
        """Clips, about."""
        ...

    @property
    def weight(self) -> float:
        """How often a clip is drawn, by one of weight 1."""
        ...

    def order(self, *, seed: int, epoch: int, start: int) -> Iterator[int]:
        """Rows of the clips of one epoch from a position on.

        Args:
            seed, epoch: What the order depends on.
            start: Clips that are skipped.
        """
        ...

    def usable(self, row: int) -> bool:
        """Whether a clip can be trained on."""
        ...


class Sampler:
    """Draws batches of clips; every training set comes in its share of each batch, evenly over time.

    Args:
        training_sets: what is drawn from.
        batch_size: clips in a batch.
        seed: of the run.
        position: where to go on; None begins.

    Raises:
        TrainingError: the position is that of other data.
    """

    def __init__(
        self, training_sets: Sequence[Supply], *, batch_size: int, seed: int, position: Position | None = None
    ) -> None:
        self._training_sets, self._batch_size, self._seed = training_sets, batch_size, seed
        weights = np.array([training_set.weight * training_set.size for training_set in training_sets])
        self._shares = weights / weights.sum()
        start = position or Position.start(len(training_sets))
        if len(start.taken) != len(training_sets):
            raise TrainingError(
                "the saved position is that of other data",
                value=f"{len(start.taken)} corpora, not {len(training_sets)}",
            )
        self._step, self._taken = start.step, np.array(start.taken)
        self._epoch, self._passed = list(start.epoch), list(start.passed)
        self._orders: dict[int, Iterator[int]] = {}

    @property
    def position(self) -> Position:
        """After the batches drawn so far."""
        return Position(
            step=self._step,
            taken=tuple(map(int, self._taken)),
            epoch=tuple(self._epoch),
            passed=tuple(self._passed),
        )

    def draw(self) -> list[Draw]:
        """The clips of the next batch, in random order."""
        counts = self._counts()
        drawn = [self._next(number) for number, count in enumerate(counts) for _ in range(count)]
        self._taken += counts
        mixed = np.random.default_rng([self._seed, self._step]).permutation(len(drawn))
        self._step += 1
        return [drawn[place] for place in mixed]

    def _counts(self) -> NDArray[np.int64]:
        """How many clips of each training set keep what was taken nearest to the shares."""
        due = (self._step + 1) * self._batch_size * self._shares - self._taken
        counts: NDArray[np.int64] = np.maximum(np.floor(due), 0).astype(np.int64)
        while (missing := self._batch_size - int(counts.sum())) > 0:
            counts[int((due - counts).argmax())] += 1
        while missing < 0:
            counts[int(np.where(counts > 0, due - counts, np.inf).argmin())] -= 1
            missing += 1
        return counts

    def _next(self, number: int) -> Draw:
        training_set = self._training_sets[number]
        for _ in range(2):  # what is left of one epoch may hold nothing; a whole one has to
            if number not in self._orders:
                self._orders[number] = training_set.order(
                    seed=self._seed, epoch=self._epoch[number], start=self._passed[number]
                )
            for row in self._orders[number]:
                self._passed[number] += 1
                if training_set.usable(row):
                    return Draw(number, row, self._epoch[number])
            del self._orders[number]
            self._epoch[number] += 1
            self._passed[number] = 0
        raise TrainingError(
            "no clip of the corpus can be trained on",
            item=training_set.name,
            remedy="Check its languages, its features, what is held out and what 'without_sources_of' leaves",
        )
