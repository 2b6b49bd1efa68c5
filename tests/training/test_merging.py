"""Heads of several seeds become one."""

from __future__ import annotations

import numpy as np
import pytest

from polyreel.encoders.build.trained_heads import TrainedHeads
from polyreel.errors import TrainingError
from polyreel.training.merging import merge_heads

DIM, FEATURES, ITEMS = 6, 9, 40


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def linear(rng: np.random.Generator, inputs: int) -> dict[str, np.ndarray]:
    shapes = {"head.weight": (DIM, inputs), "head.bias": (DIM,)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def outputs(heads: TrainedHeads, vectors: np.ndarray) -> np.ndarray:
    rows = np.concatenate(
        [vectors @ tower["head.weight"].T + tower["head.bias"] for tower in (heads.text, heads.video)]
    )
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def cosines(heads: TrainedHeads, vectors: np.ndarray) -> np.ndarray:
    text, video = np.split(outputs(heads, vectors), 2)
    return text @ video.T


def test_what_differs_by_a_turn_alone_keeps_its_scores(rng):
    first = TrainedHeads(linear(rng, FEATURES), linear(rng, FEATURES), 0.6, power=0.5)
    vectors = rng.normal(size=(ITEMS, FEATURES)).astype(np.float32)
    turns = [np.linalg.qr(rng.normal(size=(DIM, DIM)))[0] for _ in range(3)]
    same = [first]
    for turn in turns:
        towers = [
            {name: turn @ array for name, array in tower.items()} for tower in (first.text, first.video)
        ]
        same.append(TrainedHeads(*towers, 0.6, power=0.5))
    merged = merge_heads(same, [outputs(heads, vectors) for heads in same])
    np.testing.assert_allclose(cosines(merged, vectors), cosines(first, vectors), atol=1e-5)
    assert (merged.prior_weight, merged.power, merged.dim) == (0.6, 0.5, DIM)


def test_chance_that_differs_between_seeds_is_less_in_the_mean(rng):
    truth = TrainedHeads(linear(rng, FEATURES), linear(rng, FEATURES), 0.6)
    vectors = rng.normal(size=(ITEMS, FEATURES)).astype(np.float32)
    seeds = []
    for _ in range(4):
        turn = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0]
        towers = [
            {name: turn @ (array + 0.3 * rng.normal(size=array.shape)) for name, array in tower.items()}
            for tower in (truth.text, truth.video)
        ]
        seeds.append(TrainedHeads(*towers, 0.6))
    merged = merge_heads(seeds, [outputs(heads, vectors) for heads in seeds])
    off = [np.abs(cosines(heads, vectors) - cosines(truth, vectors)).mean() for heads in (merged, *seeds)]
    assert off[0] < 0.75 * min(off[1:])


def test_what_has_no_mean_is_said(rng):
    heads = TrainedHeads(linear(rng, FEATURES), linear(rng, FEATURES), 0.6)
    rows = outputs(heads, rng.normal(size=(ITEMS, FEATURES)))
    other = TrainedHeads(heads.text, heads.video, 0.6, power=0.5)
    with pytest.raises(TrainingError, match="different recipes"):
        merge_heads([heads, other], [rows, rows])
    perceptron = TrainedHeads(heads.text, {"head.hidden.weight": heads.video["head.weight"]}, 0.6)
    with pytest.raises(TrainingError, match=r"only linear heads.*head\.hidden\.weight"):
        merge_heads([heads, perceptron], [rows, rows])
