"""The grid of a study, and the training recipe of each of its cells."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polyreel.models.specs import HASHED_BAG
from polyreel.study.design import Arm
from polyreel.study.recipe import WEIGHTS, EncoderSpec, SettingSpec, StudyRecipe

__all__ = ["HALF_A", "HALF_B", "Cell", "cells_of", "needs_video", "training_document", "tuned_arms"]

HALF_A, HALF_B = "half-a", "half-b"
"""Splits of the tables that arms train on."""

_NEED_VIDEO = {"inter_modal", "conditional_cross_lingual", "distillation"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm with one setting, encoder and seed.

    Attributes:
        setting: Name in the recipe.
        encoder: Name in the recipe.
        arm: Which.
        seed: Of the training.
    """

    setting: str
    encoder: str
    arm: Arm
    seed: int

    @property
    def name(self) -> str:
        """Of the cell's file."""
        return f"{self.setting}--{self.encoder}--{self.arm.name.replace('+', 'plus')}--{self.seed}"


def cells_of(recipe: StudyRecipe) -> tuple[Cell, ...]:
    """The grid, all arms of one seed before the next seed, so that a stopped study is a smaller study."""
    found: dict[tuple[str, str, str, int], Cell] = {}
    for seed in sorted({seed for grid in recipe.grids for seed in grid.seeds}):
        for grid in recipe.grids:
            for setting in grid.settings if seed in grid.seeds else ():
                for name in grid.arms or tuple(recipe.design.arms):
                    cell = Cell(setting, grid.encoder, recipe.design.arms[name], seed)
                    found.setdefault((setting, grid.encoder, name, seed), cell)
    return tuple(found.values())


def tuned_arms(recipe: StudyRecipe) -> tuple[tuple[str, Arm], ...]:
    """(encoder, arm) of everything that is tuned, in the order of the grid."""
    if recipe.tuning is None:
        return ()
    arms = recipe.design.arms
    cells = [(cell.encoder, cell.arm.tuned_as or cell.arm.name) for cell in cells_of(recipe)]
    return tuple(
        (encoder, arms[name]) for encoder, name in dict.fromkeys(cells) if recipe.tuning.settings.get(encoder)
    )


def training_document(
    recipe: StudyRecipe, cell: Cell, *, folder: str, features: str, tuned: Mapping[str, float]
) -> dict[str, Any]:
    """The training recipe of a cell, as ``training.Recipe`` reads it.

    Clips are drawn from the same two halves in every arm, so that arms that show a clip the same captions
    draw the same texts. Where English and the other languages are on different halves a step draws twice as
    many clips, so that it shows as many texts of each language as the others do.

    Args:
        recipe: Of the study.
        cell: Which.
        folder: Of the table that it trains on.
        features: Kind of features that it reads.
        tuned: What was chosen for the arm: dotted key, or ``weights`` -> value.
    """
    arm, setting, encoder = cell.arm, recipe.settings[cell.setting], recipe.encoders[cell.encoder]
    document = copy.deepcopy(recipe.training)
    for layer in (encoder.training, setting.training, arm.training):
        document = _merged(document, layer)
    for key, value in tuned.items():
        if key != WEIGHTS:
            document = _merged(document, _nested(key, value))
    weights = tuned.get(WEIGHTS, 1.0)
    switching = {**document["code_switching"], "lexicons": recipe.lexicons, "languages": list(setting.others)}
    batch = dict(document.get("batch", {}))
    batch["batch_size"] = batch.get("batch_size", 64) * (2 if arm.texts == "halves" else 1)
    model = {**document.get("model", {}), "text": _text_tower(encoder, setting)}
    if not arm.sees:
        model["video"] = None
    return {
        **document,
        "run": cell.name,
        "description": arm.title,
        "seed": cell.seed,
        "languages": list(setting.languages) if arm.texts in ("halves", "human") else ["en"],
        "data": _data(arm, setting, folder, features),
        "model": model,
        "objectives": [_weighted(term, weights if at else 1.0) for at, term in enumerate(arm.objectives)],
        "code_switching": switching if arm.texts == "switched" else None,
        "batch": {"captions": "all", **batch},
    }


def _text_tower(encoder: EncoderSpec, setting: SettingSpec) -> dict[str, Any]:
    """The text tower; one that has rows for each language has those of the setting, unless it says which."""
    if encoder.text.get("encoder") != HASHED_BAG:
        return encoder.text
    bag = {"languages": list(setting.languages), **(encoder.text.get("hashed_bag") or {})}
    return {**encoder.text, "hashed_bag": bag}


def _data(arm: Arm, setting: SettingSpec, folder: str, features: str) -> list[dict[str, Any]]:
    shown: Sequence[Sequence[str]] = {
        "english": (("en",), ("en",)),
        "switched": (("en",), ("en",)),
        "halves": (("en",), setting.others),
        "human": (setting.languages, setting.languages),
    }[arm.texts]
    return [
        {"corpus": folder, "split": half, "languages": list(tags), "features": [features] if arm.sees else []}
        for half, tags in zip((HALF_A, HALF_B), shown, strict=True)
    ]


def needs_video(term: Mapping[str, Any]) -> bool:
    """Whether a term of the loss means nothing without videos."""
    return term.get("name") in _NEED_VIDEO


def _weighted(term: Mapping[str, Any], factor: float) -> dict[str, Any]:
    return {**term, "weight": term.get("weight", 1.0) * factor}


def _nested(key: str, value: float) -> dict[str, Any]:
    """``{"optimiser": {"lr": value}}`` of ``optimiser.lr``."""
    head, _, rest = key.partition(".")
    return {head: _nested(rest, value) if rest else value}


def _merged(one: dict[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """``one`` with what ``other`` says, mappings within mappings too."""
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(one.get(key), dict)
        one[key] = _merged(dict(one[key]), value) if both else value
    return one
