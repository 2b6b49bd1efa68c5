"""Cut a video into clips while its frames go by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_CLIP_S", "Span", "Windower", "cell_maxima", "cell_means"]

MAX_CLIP_S = 10.0
# A cut within this time of the clip's start would make clips too short to tell anything: flashes, fast
# montage.
_MIN_CLIP_S = 2.0
# Mean absolute difference of two 8 x 8 thumbnails, 0 to 1. Over 61 real clips it lies above this for 90% of
# pairs of different clips and for 2% of frames one second apart, some of which are true cuts.
_STRONG_CHANGE = 0.18
_GRID = 8
# How long a last frame is seen of which nobody says how long.
_SHORTEST_S = 0.04


@dataclass(frozen=True, slots=True)
class Span:
    """One clip's extent within its video.

    Attributes:
        start_s, end_s: seconds from the start of the video.
        middle: position of its middle frame among its own frames.
    """

    start_s: float
    end_s: float
    middle: int


@dataclass(slots=True)
class Windower:
    """Collects sampled frames into spans of at most ``max_s`` seconds that begin at strong visual changes.

    Spans follow each other without a gap, but for stretches longer than ``max_s`` in which no frame comes.

    Attributes:
        max_s: longest span.
        follows_s: end of a span before the first frame that is added, in a video that is read on; None at the
            start of one.
    """

    max_s: float = MAX_CLIP_S
    follows_s: float | None = None
    _start_s: float = 0.0
    _times: list[float] = field(default_factory=list)
    _previous: NDArray[np.float32] | None = None

    def add(self, time_s: float, image: NDArray[np.uint8]) -> Span | None:
        """Take the next frame, (height, width, 3) uint8; return the span that it brings to an end, if any."""
        signature = cell_means(image, _GRID)
        change = 0.0 if self._previous is None else float(np.abs(signature - self._previous).mean())
        self._previous = signature
        closed = None
        if not self._times:
            self._start_s = time_s if self.follows_s is None else _start_after(self.follows_s, time_s)
        else:
            age_s = time_s - self._start_s
            if age_s >= self.max_s or (age_s >= _MIN_CLIP_S and change > _STRONG_CHANGE):
                closed = self._close(time_s)
                self._start_s = _start_after(closed.end_s, time_s)
        self._times.append(time_s)
        return closed

    @property
    def may_be_middle(self) -> bool:
        """Whether the frame that was added last can still turn out to be the middle one of its span."""
        return len(self._times) < 2 or self._times[-2] < self._start_s + self.max_s / 2

    def finish(self, end_s: float) -> Span | None:
        """The last span, which ends with the video at ``end_s``; None if there was no frame."""
        if not self._times:
            return None
        return self._close(end_s if end_s > self._times[-1] else self._times[-1] + _SHORTEST_S)

    def _close(self, next_s: float) -> Span:
        end_s = min(next_s, self._start_s + self.max_s)
        span = Span(self._start_s, end_s, _middle(self._times, (self._start_s + end_s) / 2))
        self._times = []
        return span


def _start_after(end_s: float, time_s: float) -> float:
    return end_s if time_s - end_s < _MIN_CLIP_S else time_s


def _middle(times: Sequence[float], centre_s: float) -> int:
    return min(range(len(times)), key=lambda index: abs(times[index] - centre_s))


def cell_means(image: NDArray[np.uint8], grid: int) -> NDArray[np.float32]:
    """Mean colours, 0 to 1, of ``grid`` x ``grid`` cells of a picture; fewer where it has fewer pixels."""
    rows, columns = _cell_starts(image, grid)
    cells = np.add.reduceat(np.add.reduceat(image, rows, axis=0, dtype=np.float32), columns, axis=1)
    pixels = image.shape[0] * image.shape[1] / (len(rows) * len(columns))
    return np.asarray(cells, np.float32) / np.float32(255 * pixels)


def cell_maxima(values: NDArray[np.uint8], grid: int) -> NDArray[np.uint8]:
    """Largest value of each of the cells of ``cell_means``, of (height, width) uint8."""
    rows, columns = _cell_starts(values, grid)
    return np.maximum.reduceat(np.maximum.reduceat(values, rows, axis=0), columns, axis=1)


def _cell_starts(image: NDArray[np.uint8], grid: int) -> list[NDArray[np.int64]]:
    return [np.linspace(0, side, min(grid, side) + 1).astype(np.int64)[:-1] for side in image.shape[:2]]
