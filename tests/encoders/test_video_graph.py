"""Semantic pooling and the language-free space, against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyreel.encoders.build.language_neutral import estimate_language_neutral_projection
from polyreel.encoders.build.semantic_pooling import SemanticPooling
from polyreel.encoders.build.video_graph import build_video_graph

FEATURES, CLASSES, DIM = 12, 7, 5


@pytest.fixture(scope="module")
def parts():
    generator = np.random.default_rng(0)
    shapes = (CLASSES, FEATURES), (CLASSES,), (CLASSES, DIM)
    return [generator.normal(size=shape).astype(np.float32) for shape in shapes]


@pytest.fixture(scope="module")
def pooling(parts, onnx_session):
    return onnx_session(build_video_graph(SemanticPooling(parts[0].T, *parts[1:])).SerializeToString())


def run(pooling, features: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return pooling.run(None, {"features": features, "mask": mask.astype(np.float32)})[0]


def test_a_clip_is_the_posterior_weighted_mean_of_the_class_names(parts, pooling):
    weights, bias, names = parts
    features = np.random.default_rng(1).normal(size=(3, 4, FEATURES)).astype(np.float32)
    logits = features @ weights.T + bias
    posterior = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = posterior.mean(axis=1) @ names
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(run(pooling, features, np.ones((3, 4))), expected, atol=1e-5)


@given(st.integers(1, 4), st.integers(0, 3))
def test_what_stands_behind_the_mask_does_not_matter(pooling, frames, padding):
    generator = np.random.default_rng([frames, padding])
    features = generator.normal(size=(1, frames + padding, FEATURES)).astype(np.float32)
    mask = (np.arange(frames + padding) < frames)[None]
    np.testing.assert_allclose(
        run(pooling, features, mask), run(pooling, features[:, :frames], mask[:, :frames]), atol=1e-6
    )


def test_a_clip_without_frames_is_zero(pooling):
    np.testing.assert_array_equal(run(pooling, np.ones((1, 2, FEATURES), np.float32), np.zeros((1, 2))), 0)


def test_all_languages_have_one_mean_in_the_free_space():
    generator = np.random.default_rng(0)
    texts = {
        name: generator.normal(size=(20, 16)).astype(np.float32) + offset
        for name, offset in zip("abcd", generator.normal(size=(4, 16)) * 3, strict=True)
    }
    space = estimate_language_neutral_projection(texts)
    np.testing.assert_allclose(space.projection @ space.projection, space.projection, atol=1e-5)
    np.testing.assert_allclose(np.trace(space.projection), 16 - 3, atol=1e-4)
    for embeddings in texts.values():
        np.testing.assert_allclose(space.free(embeddings).mean(axis=0), 0, atol=1e-5)
