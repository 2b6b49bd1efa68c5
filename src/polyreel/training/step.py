"""One training step."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from polyreel.errors import TrainingError
from polyreel.losses.objectives import Losses
from polyreel.training.batches import Batch
from polyreel.training.encoding import encoded_of, encodings_of
from polyreel.training.engine import Engine
from polyreel.training.gradcache import backward
from polyreel.training.optimiser import clip_gradients

__all__ = ["StepReport", "train_step"]

_NAMED = 8


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one step did.

    Attributes:
        step: steps done, this one included.
        loss: weighted sum of the terms.
        terms: name -> unweighted term.
        rate: learning rate of what is not the text encoder.
        gradient: length of the gradient before clipping.
        temperature: of the model.
        items, texts, cut: in the part of this process; texts that were too long and were cut.
        seconds: that it took.
    """

    step: int
    loss: float
    terms: Mapping[str, float]
    rate: float
    gradient: float
    temperature: float
    items: int
    texts: int
    cut: int
    seconds: float


def train_step(engine: Engine, batch: Batch, step: int) -> StepReport:
    """Follow the gradient of one batch.

    Args:
        engine: Model, optimiser and average, which are changed.
        batch: Part of the batch that this process computes.
        step: Number of the step, from 0.

    Raises:
        TrainingError: the loss or its gradient is not finite; nothing was changed then.
    """
    began = time.perf_counter()
    rate = engine.set_rate(step)
    engine.optimiser.zero_grad(set_to_none=True)
    inputs = engine.prepare(batch.texts, batch.parts)
    masked = engine.views.masked(batch, inputs)
    found: list[Losses] = []

    def loss(vectors: Mapping[str, Tensor]) -> Tensor:
        encoded = encoded_of(vectors, batch, engine.group, masked)
        found.append(engine.objectives(encoded, engine.model.temperature))
        return found[0].total

    backward(encodings_of(batch, inputs, engine.views, masked), loss)
    engine.group.reduce_gradients(own=engine.own, shared=engine.shared, sparse=engine.sparse)
    gradient = clip_gradients(engine.named.values(), engine.recipe.optimiser.clip_norm)
    terms = {name: float(term.detach()) for name, term in found[0].terms.items()}
    total = float(found[0].total.detach())
    _require_finite({**terms, "loss": total, "gradient": float(gradient)}, batch, step)
    engine.optimiser.step()
    if engine.average is not None:
        engine.average.update(step)
    return StepReport(
        step=step + 1,
        loss=total,
        terms=terms,
        rate=rate,
        gradient=float(gradient),
        temperature=float(engine.model.temperature.detach()),
        items=len(batch.items),
        texts=len(batch.texts),
        cut=0 if inputs.cut is None else int(inputs.cut.sum()),
        seconds=time.perf_counter() - began,
    )


def _require_finite(numbers: Mapping[str, float], batch: Batch, step: int) -> None:
    wrong = [name for name, number in numbers.items() if not torch.isfinite(torch.tensor(number))]
    if not wrong:
        return
    items = ", ".join(batch.items[:_NAMED]) + (", .." if len(batch.items) > _NAMED else "")
    raise TrainingError(
        f"{wrong[0]} is not a finite number any more",
        item=f"step {step + 1}, batch of {len(batch.items)} items: {items}",
        value=numbers[wrong[0]],
        remedy=(
            "Lower 'optimiser.lr' or 'optimiser.clip_norm' in a run of another name; its 'start_from' can be "
            "this run, whose last checkpoint is kept"
        ),
    )
