"""The heads of several seeds as one pair of heads.

Seeds differ by a rotation of the space that texts and clips share, which changes no score, and by what chance
made of the data. Turned into one space (orthogonal Procrustes, Schönemann 1966), they are averaged: much of
the chance goes, as it does in a mean of their scores, which would cost an embedding for each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.build.trained_heads import Arrays, TrainedHeads
from polyreel.errors import TrainingError

__all__ = ["merge_heads"]

_LINEAR = {"head.weight", "head.bias"}
_ROUNDS = 2


def merge_heads(heads: Sequence[TrainedHeads], outputs: Sequence[NDArray[np.float32]]) -> TrainedHeads:
    """The mean of linear heads, after each is turned to agree with the others.

    Args:
        heads: of runs that differ in their seed alone.
        outputs: what each makes of the same texts and clips, (texts and clips, dim), rows of length 1.

    Raises:
        TrainingError: a head is not linear, or they are of different recipes.
    """
    first = heads[0]
    for each in heads:
        if each.text.keys() != _LINEAR or each.video.keys() != _LINEAR:
            raise TrainingError("only linear heads have a mean", value=", ".join(sorted(each.video)))
        if (each.prior_weight, each.power, each.dim) != (first.prior_weight, first.power, first.dim):
            raise TrainingError("heads of different recipes have no mean")
    middle = outputs[0].astype(np.float64)
    turns: list[NDArray[np.float64]] = []
    for _ in range(_ROUNDS):
        turns = [_turn(rows, middle) for rows in outputs]
        middle = np.mean([rows @ turn.T for rows, turn in zip(outputs, turns, strict=True)], axis=0)
    text, video = (
        _mean([_turned(arrays, turn) for arrays, turn in zip(towers, turns, strict=True)])
        for towers in ([each.text for each in heads], [each.video for each in heads])
    )
    return replace(first, text=text, video=video)


def _turn(rows: NDArray[np.float32], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation, reflections among them, that brings ``rows`` nearest to ``wanted``."""
    left, _, right = np.linalg.svd(wanted.T @ rows.astype(np.float64))
    turn: NDArray[np.float64] = left @ right
    return turn


def _turned(arrays: Arrays, turn: NDArray[np.float64]) -> Arrays:
    return {name: np.asarray(turn @ array, np.float32) for name, array in arrays.items()}


def _mean(found: Sequence[Arrays]) -> Arrays:
    return {name: np.mean([arrays[name] for arrays in found], axis=0) for name in _LINEAR}
