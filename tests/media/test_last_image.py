"""Pictures that repeat the one before are converted once, and come out as any other."""

from __future__ import annotations

import av
import numpy as np
import pytest

from polyreel.media.decode import Picture, VideoReader
from polyreel.media.last_image import LastImage
from polyreel.media.scaling import STRETCH

SIZE = (48, 32)


def frame_of(seed: int, pixels: str = "yuv420p", size: tuple[int, int] = (70, 50)) -> av.VideoFrame:
    random = np.random.default_rng(seed)
    values = random.integers(0, 256, (size[1], size[0], 3), np.uint8)
    return av.VideoFrame.from_ndarray(values, format="rgb24").reformat(format=pixels)


def image_of(frame: av.VideoFrame, last: LastImage | None = None) -> np.ndarray:
    return Picture(0.0, frame, _last=last).image(SIZE, STRETCH)


def test_the_same_planes_give_the_same_image_and_others_their_own():
    last = LastImage()
    for seed in (1, 1, 2, 2, 1):
        frame = frame_of(seed)
        assert np.array_equal(image_of(frame, last), image_of(frame))
        assert last.of(frame, "other size") is None


def test_one_pixel_that_changed_is_seen():
    last, frame = LastImage(), frame_of(1)
    image_of(frame, last)
    other = frame_of(1)
    memoryview(other.planes[2])[0:1] = bytes([memoryview(other.planes[2])[0] ^ 255])
    assert np.array_equal(image_of(other, last), image_of(other))
    assert not np.array_equal(image_of(other), image_of(frame))


@pytest.mark.parametrize("what", ["color_range", "colorspace"])
def test_how_colours_are_meant_counts(what):
    last, frame, other = LastImage(), frame_of(1), frame_of(1)
    setattr(other, what, 2 if what == "color_range" else 1)
    assert not np.array_equal(image_of(frame, last), image_of(other, last))
    assert np.array_equal(image_of(other, last), image_of(other))


def test_what_is_handed_out_may_be_written_on():
    last, frame = LastImage(), frame_of(1)
    for _ in range(3):
        image = image_of(frame, last)
        assert np.array_equal(image, image_of(frame))
        image[:] = 0


def test_other_formats_are_converted_each_time():
    last, frame = LastImage(), frame_of(1, "rgb24")
    image_of(frame, last)
    assert np.array_equal(image_of(frame, last), image_of(frame))


def test_a_video_that_stands_still_and_goes_on(tmp_path):
    path = tmp_path / "still.mp4"
    with av.open(path, "w") as out:
        stream = out.add_stream("libx264", rate=5, options={"preset": "ultrafast", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(40):
            frame = frame_of(number // 15, size=(96, 64))
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    with VideoReader(path) as reader:
        found = [(picture.image(SIZE), image_of(picture._frame)) for picture in reader.pictures(5.0)]
    assert len(found) == 40
    assert all(np.array_equal(*pair) for pair in found)
