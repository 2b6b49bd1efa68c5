"""Boxes in a map of probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from polyreel.recognition.screen.text_boxes import find_boxes


def core(*boxes: tuple[int, int, int, int], value: float = 0.9) -> np.ndarray:
    found = np.zeros((96, 192), np.float32)
    for left, top, right, bottom in boxes:
        found[top:bottom, left:right] = value
    return found


def test_a_core_grows_by_its_area_and_the_picture_is_larger():
    (box,) = find_boxes(core((40, 30, 140, 40)), (384, 192))
    grown = 100 * 10 * 1.6 / (2 * 110)
    expected = [2 * (40 - grown), 2 * (30 - grown), 2 * (140 + grown), 2 * (40 + grown)]
    assert box.bounds == pytest.approx(expected, abs=1e-3)
    assert box.corners[0, 1] == box.corners[1, 1]  # its sides are along the axes
    assert box.score == pytest.approx(0.9)


def test_regions_that_touch_at_a_corner_are_one_and_those_apart_are_two():
    assert len(find_boxes(core((10, 10, 60, 20), (60, 20, 110, 30)), (192, 96))) == 1
    assert len(find_boxes(core((10, 10, 60, 20), (62, 22, 110, 30)), (192, 96))) == 2
    # A "U": its arms meet in the last row only.
    assert len(find_boxes(core((10, 10, 20, 50), (80, 10, 90, 50), (10, 50, 90, 60)), (192, 96))) == 1


def test_a_tilted_line_has_a_tilted_box():
    rows, columns = np.mgrid[:96, :192]
    turn = np.deg2rad(20)
    along = (columns - 96) * np.cos(turn) + (rows - 48) * np.sin(turn)
    across = -(columns - 96) * np.sin(turn) + (rows - 48) * np.cos(turn)
    (box,) = find_boxes(((np.abs(along) < 60) & (np.abs(across) < 6)).astype(np.float32), (192, 96))
    slope = box.corners[1] - box.corners[0]
    assert np.rad2deg(np.arctan2(slope[1], slope[0])) == pytest.approx(20, abs=2)
    assert box.width > 4 * box.height


@pytest.mark.parametrize(
    "probabilities",
    [
        pytest.param(np.zeros((32, 32), np.float32), id="nothing"),
        pytest.param(core((10, 10, 12, 60)), id="too thin"),
        pytest.param(core((10, 10, 60, 20), value=0.4), id="too faint"),
    ],
)
def test_what_is_no_text_has_no_box(probabilities: np.ndarray):
    assert find_boxes(probabilities, (192, 96)) == []


def test_a_picture_full_of_text_is_one_box_within_it():
    (box,) = find_boxes(np.ones((32, 64), np.float32), (640, 320))
    assert box.bounds == (0, 0, 640, 320)


def test_of_very_many_the_surest_are_kept():
    probabilities = np.full((160, 240), 0.6, np.float32)
    probabilities[::8] = probabilities[:, ::16] = 0
    probabilities[-7:] = 0.9
    boxes = find_boxes(probabilities, (240, 160))
    assert len(boxes) == 200
    assert boxes[0].score == pytest.approx(0.9)
