"""A few pictures of a moment, side by side in one JPEG."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from polyreel.errors import DecodeError
from polyreel.media.decode import Picture
from polyreel.media.jpeg import encode_jpeg
from polyreel.media.seeking import ReadingPlace, SeekableVideo

__all__ = ["TILES", "film_strip"]

TILES = 5
_TILE_PX = (256, 144)
_MOST_FRAMES = 900


def film_strip(path: Path, start_s: float, end_s: float) -> bytes:
    """``TILES`` pictures of equal distance between two seconds, each of 256 x 144 pixels, black around it.

    Args:
        path: the file.
        start_s: of the first picture, seconds.
        end_s: what the last picture lies before, seconds.

    Raises:
        MediaError: the file cannot be read as video.
    """
    times_s = [start_s + (end_s - start_s) * (tile + 0.5) / TILES for tile in range(TILES)]
    width, height = _TILE_PX
    strip = np.zeros((height, width * TILES, 3), np.uint8)
    with SeekableVideo(path) as film:
        for tile, picture in enumerate(_pictures(film, times_s)):
            strip[:, tile * width : (tile + 1) * width] = _boxed(picture)
    return encode_jpeg(strip)


def _pictures(film: SeekableVideo, times_s: list[float]) -> Iterator[Picture]:
    """The picture at or after each of some ascending times; the last one again where the film has ended."""
    places = [film.key_before(time_s) for time_s in times_s]
    frames: Iterator[tuple[float, VideoFrame]] = iter(())
    at_s, last, decoded = -math.inf, None, 0
    for time_s, place in zip(times_s, places, strict=True):
        # Decoding goes on from where it is, unless there is a later picture that decodes alone.
        if last is None or place.key_s > at_s:
            frames = _frames(film, place)
        for at_s, frame in frames:
            last, decoded = frame, decoded + 1
            if at_s >= time_s or decoded > _MOST_FRAMES:
                break
        if last is None:
            raise DecodeError(
                "nothing in the video stream decodes", item=film.path, value=f"from {time_s:.1f} s on"
            )
        yield film.picture(at_s, last)


def _frames(film: SeekableVideo, place: ReadingPlace) -> Iterator[tuple[float, VideoFrame]]:
    for packet in film.packets(place):
        yield from film.pictures(packet)
    yield from film.pictures(None)


def _boxed(picture: Picture) -> NDArray[np.uint8]:
    """The whole picture in the middle of a tile."""
    width, height = _TILE_PX
    own_width, own_height = picture.display_size
    scale = min(width / own_width, height / own_height)
    own_width, own_height = max(2, round(own_width * scale)), max(2, round(own_height * scale))
    tile = np.zeros((height, width, 3), np.uint8)
    top, left = (height - own_height) // 2, (width - own_width) // 2
    tile[top : top + own_height, left : left + own_width] = picture.image((own_width, own_height))
    return tile
