"""The grid of a study, and the training recipe of each of its cells."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polyreel.study.design import Arm
from polyreel.study.recipe import StudyRecipe

__all__ = ["Cell", "arms_of", "cells_of", "contrasts_of", "text_tower", "training_document"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm with one encoder and one seed.

    Attributes:
        encoder: Name in the recipe.
        arm: Which.
        seed: Of the training; the study's first where nothing is trained.
    """

    encoder: str
    arm: Arm
    seed: int

    @property
    def name(self) -> str:
        """Of the cell's file."""
        return f"{self.encoder}--{self.arm.name.replace(' ', '-').replace('=', '')}--{self.seed}"


def arms_of(recipe: StudyRecipe, encoder: str) -> tuple[Arm, ...]:
    """The arms that are trained with an encoder, variants last."""
    chosen = tuple(arm for name, arm in recipe.design.arms.items() if name in recipe.arms)
    return chosen + (_variants(recipe) if encoder in recipe.variant_encoders else ())


def _variants(recipe: StudyRecipe) -> tuple[Arm, ...]:
    if recipe.design.switching is None:
        return ()
    arm, variants = recipe.design.arms[recipe.design.switching.arm], recipe.variants
    base = recipe.training.get("code_switching") or {}
    languages = base.get("languages", recipe.others)
    changes: list[tuple[str, str, dict[str, Any]]] = []
    for p in variants.p:
        if p != base.get("p", 0.5):
            changes.append((f"p={p:g}", f"switched with p = {p:g}", {"p": p}))
    for tag in variants.leave_out:
        seen = [other for other in languages if other != tag]
        changes.append((f"without {tag}", f"never switched into {tag}", {"languages": seen}))
    for mode in variants.modes:
        if mode != base.get("mode", "multilingual"):
            changes.append((mode, f"{mode} switching", {"mode": mode}))
    return tuple(
        arm.model_copy(
            update={
                "name": f"{arm.name} {name}",
                "title": f"{arm.name}, {title}",
                "training": _merged(dict(arm.training), {"code_switching": change}),
            }
        )
        for name, title, change in changes
    )


def contrasts_of(recipe: StudyRecipe, encoder: str) -> list[tuple[str, str]]:
    """Pairs of arms that are compared: the design's, and each variant against the arm that it varies.

    An arm that leaves a language out of the switching is also set against the arm without any.
    """
    names = [arm.name for arm in arms_of(recipe, encoder)]
    pairs = [pair for pair in recipe.design.contrasts if set(pair) <= set(names)]
    if (roles := recipe.design.switching) is not None:
        variants = [name for name in names if name not in recipe.design.arms]
        pairs += [(name, roles.arm) for name in variants]
        left_out = [f"{roles.arm} without {tag}" for tag in recipe.variants.leave_out]
        pairs += [(name, roles.baseline) for name in left_out if {name, roles.baseline} <= set(names)]
    return pairs


def cells_of(recipe: StudyRecipe) -> tuple[Cell, ...]:
    """The grid, all arms of one seed before the next seed, so that a stopped study is a smaller study."""
    return tuple(
        Cell(encoder, arm, seed)
        for seed in recipe.seeds
        for encoder in recipe.encoders
        for arm in arms_of(recipe, encoder)
        if arm.is_trained or seed == recipe.seeds[0]
    )


def training_document(
    recipe: StudyRecipe, cell: Cell, *, data: Sequence[Mapping[str, Any]], languages: Sequence[str]
) -> dict[str, Any]:
    """The training recipe of a cell, as ``training.Recipe`` reads it.

    Args:
        recipe: Of the study.
        cell: With an arm that is trained.
        data: What it trains on, as a training recipe says it.
        languages: Of the captions that are there.
    """
    arm = cell.arm
    document = _merged(copy.deepcopy(recipe.training), recipe.by_encoder.get(cell.encoder, {}))
    if arm.code_switched:
        document["code_switching"] = {
            "languages": list(recipe.others),
            **(document.get("code_switching") or {}),
        }
    document = _merged(document, arm.training)
    model = {**document.get("model", {}), "text": text_tower(recipe, cell.encoder)}
    objectives = document.get("objectives", [])
    if not arm.sees:
        model["video"] = None
        objectives = [entry for entry in objectives if entry.get("name") not in _NEED_VIDEO]
    if not arm.code_switched and not arm.multilingual:
        objectives = [_for_one_language(entry) for entry in objectives if entry.get("name") not in _NEED_TWO]
    switching = document["code_switching"] if arm.code_switched else None
    shown = recipe.texts_per_clip - (int(switching.get("copies", 1)) if switching else 0)
    return {
        **document,
        "run": cell.name,
        "description": arm.title,
        "seed": cell.seed,
        "languages": list(languages),
        "data": [dict(entry) for entry in data],
        "model": model,
        "objectives": objectives,
        "code_switching": switching,
        "batch": {**document.get("batch", {}), "captions": max(1, shown)},
    }


def text_tower(recipe: StudyRecipe, encoder: str, weights: str | None = None) -> dict[str, Any]:
    """The text tower of an encoder, as ``models.specs.TextTowerSpec`` reads it.

    Args:
        recipe: Of the study.
        encoder: Name in it.
        weights: File that an encoder ``scratch`` was pretrained into.
    """
    tower = recipe.encoders[encoder]
    return (
        tower
        if weights is None
        else {**tower, "scratch": {**(tower.get("scratch") or {}), "weights": weights}}
    )


_NEED_VIDEO = {"inter_modal", "conditional_cross_lingual", "distillation"}
_NEED_TWO = {"conditional_cross_lingual", "distillation"}


def _for_one_language(entry: dict[str, Any]) -> dict[str, Any]:
    """With English alone, captions of one clip are pairs of each other."""
    return {**entry, "pairs": "all"} if entry.get("name") == "text_contrastive" else entry


def _merged(one: dict[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """``one`` with what ``other`` says, mappings within mappings too."""
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(one.get(key), dict)
        one[key] = _merged(dict(one[key]), value) if both else value
    return one
