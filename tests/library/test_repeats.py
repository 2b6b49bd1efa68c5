"""Pictures that repeat what was shown share its features."""

from __future__ import annotations

import av
import numpy as np
import pytest

from polyreel.library.index.repeats import FrameEncoder
from polyreel.media.decode import VideoReader
from videos import scenes, write_video
from written_pictures import written

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


@pytest.mark.parametrize("read_on_at", range(1, 11))
def test_a_video_that_is_read_on_has_the_features_of_one_that_is_read_at_once(read_on_at):
    images = [grey(level) for level in (90, 91, 92, 93, 94, 95, 200, 201, 60, 61, 62)]
    whole = FrameEncoder().encode(Means(), images)
    encoder, frames = Means(), FrameEncoder()
    frames.pass_over(images[:read_on_at])
    np.testing.assert_array_equal(frames.encode(encoder, images[read_on_at:]), whole[read_on_at:])
    assert encoder.seen == len(np.unique(whole[read_on_at:, 0]))


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


def test_a_fine_pattern_that_comes_or_turns_is_a_change():
    """Though the mean colour of each part of the picture stays."""
    stripes = np.full((224, 224, 3), 127, np.uint8)
    stripes[np.arange(224) % 7 < 3], stripes[np.arange(224) % 7 > 3] = 107, 147
    encoder = Means()
    FrameEncoder().encode(encoder, [np.full_like(stripes, 127), stripes, stripes.transpose(1, 0, 2), stripes])
    assert encoder.seen == 1 + 3


def test_a_slow_fade_is_no_standstill():
    encoder, frames = Means(), FrameEncoder()
    levels = list(range(100, 140))
    features = frames.encode(encoder, [grey(level) for level in levels])
    assert encoder.seen == pytest.approx(len(levels) / 4, abs=1)
    assert np.abs(features[:, 0] - levels).max() <= 3


def test_another_colour_of_the_same_brightness_is_a_change():
    encoder, frames = Means(), FrameEncoder()
    red, green = grey(0), grey(0)
    red[..., 0], green[..., 1] = 200, 102
    frames.encode(encoder, [red, green])
    assert encoder.seen == 2


@pytest.mark.parametrize(
    ("behind", "ink"),
    [
        ((255, 255, 255), (200, 200, 200)),
        ((255, 255, 255), (255, 255, 120)),
        ((30, 30, 60), (60, 60, 140)),
        ((200, 30, 30), (40, 120, 40)),
        ((0, 0, 0), (0, 0, 255)),
    ],
)
def test_faint_words_of_any_colour_are_a_change(behind, ink):
    # 16 pixels high in a picture of 1280 x 720, which the encoder sees at 224 x 224.
    colours = np.linspace(behind, ink, 256).astype(np.uint8)
    inked = written(("word", 610, 350), px=16, size=(1280, 720), grey=0)[..., 0]
    page, read = (seen_by_encoder(colours[each]) for each in (np.zeros_like(inked), inked))
    encoder = Means()
    FrameEncoder().encode(encoder, [page, read])
    assert encoder.seen == 2


def seen_by_encoder(picture: np.ndarray) -> np.ndarray:
    """As it comes out of a video."""
    stored = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
    return stored.reformat(224, 224, format="rgb24", interpolation="BICUBIC").to_ndarray()


def test_a_key_frame_that_sharpens_what_stands_still_is_not_a_change():
    page = written(("what is said stands here", 40, 100), px=40, size=(448, 224))
    soft = page.copy()
    # As much as was measured: 2.4 of 255 in a cell, and 5 in a pixel.
    soft[:, 1:-1] = np.clip(page[:, 1:-1].astype(int) + 2, 0, 255)
    soft[::2, ::4] = np.minimum(soft[::2, ::4], 250) + 3
    encoder = Means()
    FrameEncoder().encode(encoder, [page, soft])
    assert encoder.seen == 1


def test_slides_of_a_recording_are_encoded_once_each_with_the_words_that_appear(tmp_path):
    title, line = ("The first slide", 40, 40), ("a second thought", 40, 200)
    states = [written(title), written(title, line), written(("The next one", 40, 40))]
    picture = scenes(*((2.0 * (n + 1), lambda _s, state=state: state) for n, state in enumerate(states)))
    options = {"g": "10"}
    path = write_video(
        tmp_path / "talk.mp4", seconds=6, fps=5, size=(640, 360), picture=picture, encoder_options=options
    )
    encoder, frames = Means(), FrameEncoder()
    with VideoReader(path) as reader:
        images = [each.image((224, 224)) for each in reader.pictures(1.0, "near")]
    features = np.concatenate(
        [frames.encode(encoder, images[start : start + 5]) for start in range(0, 12, 5)]
    )
    assert encoder.seen == 3
    assert len(np.unique(features, axis=0)) == 3
