"""Thumbnails."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import videos
from polyreel.media.jpeg import encode_jpeg, fit_within


def test_a_jpeg_shows_the_picture_to_another_decoder():
    rows, columns = np.mgrid[0:120, 0:160]
    image = np.stack([rows * 2, columns, 255 - columns], axis=2).astype(np.uint8)
    shown = cv2.imdecode(np.frombuffer(encode_jpeg(image), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert shown.shape == image.shape
    assert np.abs(shown.astype(int) - image).mean() < 3


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (10, 200, 90)])
def test_black_is_black_and_white_is_white(colour):
    data = encode_jpeg(videos.solid(colour)(0))
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(shown.astype(int) - colour).max() <= 4


@given(st.integers(2, 8000), st.integers(2, 8000), st.integers(1, 200).map(lambda half: 2 * half))
def test_a_fitted_size_is_even_small_and_of_the_same_shape(width, height, longest):
    fitted = fit_within((width, height), longest)
    assert all(side % 2 == 0 and side >= 2 for side in fitted)
    assert max(fitted) <= max(longest, 2)
    scale = min(1.0, longest / max(width, height))
    assert fitted == pytest.approx((max(2, width * scale), max(2, height * scale)), abs=1.001)
