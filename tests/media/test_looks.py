"""Pictures that are new: the limited worker sends those, at a size at which captions can be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from polyreel.errors import MediaError
from polyreel.media.limited import DecodeWorker
from polyreel.media.looking import read_looks
from polyreel.media.looks import Look, LookEnd
from videos import Picture, corner, noise, scenes, solid, write_sound, write_video


@pytest.fixture(scope="module")
def worker():
    with DecodeWorker() as running:
        yield running


def seen(worker: DecodeWorker, path: Path, **options: float) -> tuple[list[Look], LookEnd]:
    *found, end = read_looks(worker, path, **{"fps": 1.0, "longest_px": 1280, **options})
    assert isinstance(end, LookEnd)
    return [look for look in found if isinstance(look, Look)], end


def with_line(at_s: float) -> Picture:
    """Grey, with a thin bright line in a corner from a second on."""

    def picture(time_s: float) -> np.ndarray:
        image = np.full((360, 640, 3), 90, np.uint8)
        if time_s >= at_s:
            image[330:338, 40:120:3] = 255
        return image

    return picture


def test_what_has_not_changed_is_skipped_and_a_small_caption_is_a_change(
    worker: DecodeWorker, tmp_path: Path
):
    film = write_video(tmp_path / "a.mp4", seconds=6, fps=5, size=(640, 360), picture=with_line(3))
    looks, end = seen(worker, film)
    assert [look.time_s for look in looks] == [0, 3]
    assert end.time_s == pytest.approx(6)


def test_slow_change_adds_up(worker: DecodeWorker, tmp_path: Path):
    def brighter(time_s: float) -> np.ndarray:
        return np.full((120, 160, 3), 40 + round(6 * time_s), np.uint8)

    looks, _ = seen(worker, write_video(tmp_path / "a.mp4", seconds=6, fps=5, picture=brighter))
    assert [look.time_s for look in looks] == [0, 2, 4]


@pytest.mark.parametrize(
    ("size", "shape"),
    [((1600, 200), (100, 800, 3)), ((16, 16), (16, 16, 3)), ((64, 2), (2, 64, 3))],
)
def test_large_pictures_are_reduced_and_small_ones_stay(
    size: tuple[int, int], shape: tuple[int, ...], worker: DecodeWorker, tmp_path: Path
):
    film = write_video(tmp_path / "a.mkv", seconds=1, fps=2, size=size, codec="ffv1", pixel_format="yuv420p")
    (look, *_), _ = seen(worker, film, longest_px=800)
    assert look.image is not None
    assert look.image.shape == shape


def test_a_picture_on_its_side_comes_upright(worker: DecodeWorker, tmp_path: Path):
    film = write_video(tmp_path / "a.mp4", seconds=1, fps=2, picture=corner, rotation=90)
    (look,), _ = seen(worker, film)
    assert look.image is not None
    assert look.image.shape == (160, 120, 3)
    assert look.image[5, -5].tolist()[0] > 200  # the red corner went from the top left to the top right


def test_reading_goes_on_from_a_time(worker: DecodeWorker, tmp_path: Path):
    film = write_video(tmp_path / "a.mp4", seconds=4, fps=5, picture=noise())
    looks, _ = seen(worker, film, from_s=2.0)
    assert [look.time_s for look in looks] == [2, 3]


def test_a_file_of_sound_alone_has_no_pictures(worker: DecodeWorker, tmp_path: Path):
    cover = np.full((60, 60, 3), 200, np.uint8)
    for path in (write_sound(tmp_path / "a.m4a"), write_sound(tmp_path / "b.mp3", cover=cover)):
        assert seen(worker, path) == ([], LookEnd(0.0))


def test_a_file_that_is_not_one_is_an_error(worker: DecodeWorker, tmp_path: Path):
    broken = tmp_path / "a.mp4"
    broken.write_bytes(b"no film at all" * 50)
    with pytest.raises(MediaError, match=r"a\.mp4"):
        list(read_looks(worker, broken, fps=1, longest_px=640))


def test_a_cut_is_a_change(worker: DecodeWorker, tmp_path: Path):
    film = write_video(
        tmp_path / "a.mp4", seconds=4, fps=5, picture=scenes((2, solid((255, 0, 0))), (2, solid((0, 0, 255))))
    )
    looks, _ = seen(worker, film)
    assert [look.time_s for look in looks] == [0, 2]
