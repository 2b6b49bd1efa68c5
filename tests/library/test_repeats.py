"""Pictures that repeat what was shown share its features."""

from __future__ import annotations

import numpy as np
import pytest

from polyreel.library.index.repeats import FrameEncoder

SIDE = 64


class Means:
    """An encoder whose features are the mean colours of a picture, and which counts pictures."""

    def __init__(self) -> None:
        self.seen = 0

    def encode_frames(self, images: np.ndarray) -> np.ndarray:
        self.seen += len(images)
        return images.mean(axis=(1, 2)).astype(np.float32)


def grey(level: int) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), level, np.uint8)


def noisy(level: int, seed: int) -> np.ndarray:
    return grey(level) + np.random.default_rng(seed).integers(0, 3, (SIDE, SIDE, 1), np.uint8)


@pytest.mark.parametrize("at_once", [1, 3, 10])
def test_what_stands_still_is_encoded_once(at_once):
    encoder, frames = Means(), FrameEncoder()
    images = [noisy(90, seed) for seed in range(10)]
    features = [
        frames.encode(encoder, images[start : start + at_once]) for start in range(0, len(images), at_once)
    ]
    assert encoder.seen == 1
    np.testing.assert_array_equal(np.concatenate(features), np.tile(features[0][:1], (10, 1)))


def test_what_changes_is_encoded_and_stands_in_its_place():
    encoder, frames = Means(), FrameEncoder()
    levels = [10, 10, 200, 200, 10, 10, 90]
    features = np.concatenate(
        [frames.encode(encoder, [grey(level) for level in part]) for part in (levels[:3], levels[3:])]
    )
    assert encoder.seen == 4
    np.testing.assert_array_equal(features[:, 0], levels)


def test_a_word_that_appears_is_a_change():
    encoder, frames = Means(), FrameEncoder()
    page = grey(250)
    written = page.copy()
    written[30:34, 10:14] = 20
    frames.encode(encoder, [page, written])
    assert encoder.seen == 2


def test_a_slow_fade_is_no_standstill():
    encoder, frames = Means(), FrameEncoder()
    levels = list(range(100, 140))
    features = frames.encode(encoder, [grey(level) for level in levels])
    assert encoder.seen == pytest.approx(len(levels) / 3, abs=1)
    assert np.abs(features[:, 0] - levels).max() <= 2


def test_another_colour_of_the_same_brightness_is_a_change():
    encoder, frames = Means(), FrameEncoder()
    red, green = grey(0), grey(0)
    red[..., 0], green[..., 1] = 200, 102
    frames.encode(encoder, [red, green])
    assert encoder.seen == 2
