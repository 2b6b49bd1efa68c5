"""How pictures get their size, held against Pillow on pictures that are not square."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from polyreel.media.pictures import read_picture
from polyreel.media.scaling import Scaling


def photo(width: int, height: int) -> Image.Image:
    """Smooth and sharp shapes, as in a photograph."""
    rows, columns = np.mgrid[:height, :width].astype(float)
    wave = np.sin(columns / 17) + np.cos(rows / 23) + ((columns // 40 + rows // 30) % 2)
    return Image.fromarray(
        np.stack([wave * 50 + 80, columns / width * 255, rows / height * 255], -1).astype(np.uint8)
    )


def read(picture: Image.Image, size: tuple[int, int], scaling: Scaling) -> np.ndarray:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return read_picture(file.getvalue(), size=size, scaling=scaling)


KERNELS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS, "area": Image.BOX}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", [(320, 200), (150, 310), (40, 60)])
def test_a_squashed_picture_is_close_to_that_of_pillow(kernel, size):
    picture = photo(*size)
    ours = read(picture, (64, 64), Scaling(kernel=kernel)).astype(float)
    theirs = np.asarray(picture.resize((64, 64), KERNELS[kernel]), float)
    assert np.abs(ours - theirs).mean() < 3


@pytest.mark.parametrize(
    ("size", "scaled"), [((320, 200), (102, 64)), ((150, 310), (64, 132)), ((64, 64), (64, 64))]
)
def test_a_cropped_picture_is_the_middle_of_the_scaled_one(size, scaled):
    picture = photo(*size)
    left, top = (scaled[0] - 64) // 2, (scaled[1] - 64) // 2
    theirs = picture.resize(scaled, Image.BICUBIC).crop((left, top, left + 64, top + 64))
    ours = read(picture, (64, 64), Scaling("crop", kernel="bicubic"))
    assert ours.shape == (64, 64, 3)
    assert np.abs(ours.astype(float) - np.asarray(theirs, float)).mean() < 2


def test_a_shorter_side_of_its_own_leaves_a_border_out():
    picture = photo(300, 200)
    scaled = picture.resize((108, 72), Image.BICUBIC).crop((22, 4, 86, 68))
    ours = read(picture, (64, 64), Scaling("crop", shortest_px=72, kernel="bicubic"))
    assert np.abs(ours.astype(float) - np.asarray(scaled, float)).mean() < 2


def test_a_very_long_picture_still_fills_the_size():
    assert read(photo(400, 3), (64, 64), Scaling("crop")).shape == (64, 64, 3)
