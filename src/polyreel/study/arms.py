"""What each arm trains: the same training recipe with one thing changed at a time."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from polyreel.study.recipe import ARM_NAMES, StudyRecipe

__all__ = ["ARMS", "Arm", "Cell", "arms_of", "cells_of", "text_tower", "training_document"]

StudyData = Literal["none", "text", "captions", "video", "shuffled"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One condition.

    Attributes:
        name: for tables.
        title: what it is, for people.
        material: what it trains on: nothing, ``text`` of the text-only baselines, the ``captions`` of the
            videos without them, the ``video``s, or these with the pictures ``shuffled`` between clips.
        switched: whether English captions are code-switched.
        multilingual: whether captions in other languages are shown.
        p: chance of switching; None takes the recipe's.
        mode: of switching; None takes the recipe's.
        without: language that is left out of the switching.
    """

    name: str
    title: str
    material: StudyData
    switched: bool = False
    multilingual: bool = False
    p: float | None = None
    mode: str | None = None
    without: str | None = None

    @property
    def is_trained(self) -> bool:
        """Whether there is anything to train."""
        return self.material != "none"

    @property
    def sees(self) -> bool:
        """Whether the arm has a video tower."""
        return self.material in ("video", "shuffled")


_ROWS = (
    Arm("T0", "the encoder as it is", "none"),
    Arm("T1", "text only, English", "text"),
    Arm("T2", "text only, code-switched", "text", switched=True),
    Arm("V1", "video and English captions", "video"),
    Arm("V2", "video and code-switched captions", "video", switched=True),
    Arm("V3", "video and real multilingual captions", "video", multilingual=True),
    Arm("V2-blind", "V2 without vision, at the same text", "captions", switched=True),
    Arm("V2-shuffled", "V2 with videos shuffled between clips", "shuffled", switched=True),
)
ARMS: Mapping[str, Arm] = {arm.name: arm for arm in _ROWS}
"""Name -> arm."""
assert tuple(ARMS) == ARM_NAMES


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm with one encoder and one seed.

    Attributes:
        encoder: name in the recipe.
        arm: which.
        seed: of the training; 0 for all seeds where nothing is drawn at random.
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
    chosen = [arm for arm in _ROWS if arm.name in recipe.arms]
    if encoder not in recipe.variant_encoders:
        return tuple(chosen)
    switching = recipe.training.get("code_switching") or {}
    variants = recipe.variants
    chosen += [
        Arm(f"V2 p={p:g}", f"V2, switched with p = {p:g}", "video", switched=True, p=p)
        for p in variants.p
        if p != switching.get("p", 0.5)
    ]
    chosen += [
        Arm(f"V2 without {tag}", f"V2, never switched into {tag}", "video", switched=True, without=tag)
        for tag in variants.leave_out
    ]
    chosen += [
        Arm(f"V2 {mode}", f"V2, {mode} switching", "video", switched=True, mode=mode)
        for mode in variants.modes
        if mode != switching.get("mode", "multilingual")
    ]
    return tuple(chosen)


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
        recipe: of the study.
        cell: with an arm that is trained.
        data: what it trains on, as a training recipe says it.
        languages: of the captions that are there.
    """
    arm = cell.arm
    document = _merged(copy.deepcopy(recipe.training), recipe.by_encoder.get(cell.encoder, {}))
    model = {**document.get("model", {}), "text": text_tower(recipe, cell.encoder)}
    objectives = document.get("objectives", [])
    if not arm.sees:
        model["video"] = None
        objectives = [entry for entry in objectives if entry.get("name") not in _NEED_VIDEO]
    if not arm.switched and not arm.multilingual:
        objectives = [_for_one_language(entry) for entry in objectives if entry.get("name") not in _NEED_TWO]
    switching = _switching(recipe, document.get("code_switching"), arm) if arm.switched else None
    shown = recipe.texts_per_clip - (switching.get("copies", 1) if switching else 0)
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
    """The text tower of an encoder, as ``model.TextTowerSpec`` reads it.

    Args:
        recipe: of the study.
        encoder: name in it.
        weights: file that an encoder ``scratch`` was pretrained into.
    """
    tower = recipe.encoders[encoder]
    return (
        tower if weights is None else {**tower, "scratch": {**tower.get("scratch", {}), "weights": weights}}
    )


_NEED_VIDEO = {"inter_modal", "conditional_cross_lingual", "distillation"}
_NEED_TWO = {"conditional_cross_lingual", "distillation"}


def _for_one_language(entry: dict[str, Any]) -> dict[str, Any]:
    """With English alone, captions of one clip are pairs of each other."""
    return {**entry, "pairs": "all"} if entry.get("name") == "text_contrastive" else entry


def _switching(recipe: StudyRecipe, given: dict[str, Any] | None, arm: Arm) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if arm.p is not None:
        changes["p"] = arm.p
    if arm.mode is not None:
        changes["mode"] = arm.mode
    document = {"languages": list(recipe.others), **(given or {}), **changes}
    if arm.without is not None:
        document["languages"] = [tag for tag in document["languages"] if tag != arm.without]
    return document


def _merged(one: dict[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """``one`` with what ``other`` says, mappings within mappings too."""
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(one.get(key), dict)
        one[key] = _merged(dict(one[key]), value) if both else value
    return one
