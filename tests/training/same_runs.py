"""Runs that one process and two processes make alike."""

from __future__ import annotations

from typing import Any

import torch

import toys
from polyreel.datasets.dataset_catalog import DatasetCatalog
from polyreel.losses.conditioner import Conditioner
from polyreel.training.assembly import build_batches, build_engine, open_training_sets
from polyreel.training.distributed import Group
from polyreel.training.encoding import encoded_of, encodings_of
from polyreel.training.gradcache import backward
from polyreel.training.recipe import Recipe

STEPS, STOPPED_AT = 12, 5


def with_dropout(world: toys.World) -> dict[str, Any]:
    """A run of several epochs whose dropout draws from the generators that a checkpoint has to bring back.

    A batch is 12 of 78 clips: the first epoch ends within step 7.
    """
    model = world.document()["model"]
    return {
        "optimiser": {"lr": 0.003, "steps": STEPS, "warmup_steps": 2, "ema": 0.9},
        "validation": toys.VALIDATION,
        "code_switching": {"languages": ["de"], "p": 0.5},
        "batch": {"batch_size": 12, "captions": 2, "micro_batch": 7},
        "model": {**model, "text": {**model["text"], "dropout": 0.2}},
    }


def with_a_bag(world: toys.World) -> dict[str, Any]:
    """A run on hashed words of three languages, whose gradients are sparse."""
    bag = {"languages": list(toys.LANGUAGES), "buckets": 64, "width": 8}
    model = {
        **world.document()["model"],
        "text": {"encoder": "hashed-bag", "hashed_bag": bag, "head": "none"},
    }
    return {
        "model": model,
        "code_switching": {"languages": ["de"], "p": 0.5},
        "batch": {"batch_size": 12, "captions": 2},
    }


def gradients(recipe: Recipe, world: toys.World, group: Group | None = None) -> dict[str, torch.Tensor]:
    """Of the recipe's first batch, by name of the parameter."""
    group = group or Group()
    catalog = DatasetCatalog(world.home)
    training_sets = open_training_sets(recipe, catalog)
    engine = build_engine(recipe, training_sets, total_steps=10, device=torch.device("cpu"), group=group)
    for module in engine.objectives.modules():
        if isinstance(
            module, Conditioner
        ):  # what it adds starts at zero, and all behind it without a gradient
            torch.nn.init.normal_(module.out.weight, generator=torch.Generator().manual_seed(0))
    batch = build_batches(recipe, training_sets, engine, catalog=catalog).make()
    inputs = engine.prepare(batch.texts, batch.parts)
    masked = engine.views.masked(batch, inputs)

    def loss(vectors):
        encoded = encoded_of(vectors, batch, group, masked)
        return engine.objectives(encoded, engine.model.temperature).total

    backward(encodings_of(batch, inputs, engine.views, masked), loss)
    engine.group.reduce_gradients(own=engine.own, shared=engine.shared, sparse=engine.sparse)
    return {name: parameter.grad.to_dense() for name, parameter in engine.named.items()}
