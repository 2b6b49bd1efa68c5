"""Pictures of a video that are worth another look: those that differ from the last one that was looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyreel.media.animation import AnimationReader
from polyreel.media.decode import Picture, VideoReader
from polyreel.media.jpeg import fit_within
from polyreel.media.scaling import Scaling

__all__ = ["Look", "LookEnd", "looks"]

# A caption of 2% of the height that appears changes some cell of this grid by 8 of 255 and more; noise and
# compression change none by as much, since a cell is the mean of many pixels.
_GRID = (64, 36)
_CHANGE = 8.0
_MEAN = Scaling(kernel="area")


@dataclass(frozen=True, slots=True)
class Look:
    """A picture that is new.

    Attributes:
        time_s: seconds from the start of the video.
        image: (height, width, 3) uint8 RGB, upright; None if the picture is as the last one was.
    """

    time_s: float
    image: NDArray[np.uint8] | None


@dataclass(frozen=True, slots=True)
class LookEnd:
    """The last event of a file.

    Attributes:
        time_s: length of its pictures in seconds, 0 if it has none.
        remarks: a sentence for each thing that was not as it should be.
    """

    time_s: float
    remarks: tuple[str, ...] = ()


def looks(
    reader: VideoReader | AnimationReader, fps: float, longest_px: int, *, from_s: float = 0.0
) -> Iterator[Look]:
    """The pictures of a video at ``fps`` a second, those that are new with an image.

    Args:
        reader: of the video.
        fps: pictures for each second of it.
        longest_px: longest side of the images, which are not enlarged.
        from_s: those before this time have no image.
    """
    last: NDArray[np.int16] | None = None
    for picture in reader.pictures(fps):
        if picture.time_s < from_s:
            yield Look(picture.time_s, None)
            continue
        cells = _cells(picture)
        if last is not None and int(np.abs(cells - last).max()) < _CHANGE:
            yield Look(picture.time_s, None)
            continue
        last = cells
        yield Look(picture.time_s, picture.image(fit_within(picture.display_size, longest_px), _MEAN))


def _cells(picture: Picture) -> NDArray[np.int16]:
    """Brightness and colour of each cell of the grid, which lies with the longer side of the picture."""
    width, height = picture.display_size
    return picture.image(_GRID if width >= height else _GRID[::-1], _MEAN).astype(np.int16)
