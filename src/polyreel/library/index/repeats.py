"""Pictures that show what the one before showed are not encoded again.

In a recording of a screen, a lecture or a gate little moves for minutes, and encoding a picture can cost more
than decoding a second of video.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.protocol import Encoder
from polyreel.media.windows import cell_maxima, cell_means

__all__ = ["FrameEncoder"]

_GRID = 32
# The largest difference of a cell, 0 to 1, in any colour. Noise lies below it; a word that appears, or
# somebody who moves a hand, changes some cell by many times as much.
_UNSEEN = 2 / 255
# A key frame sharpens or shifts what stands still: cells by up to 2.8 of 255, no pixel of them by more than
# 5. Of words that change a cell by so little, even faint and small ones, some pixel changes by 10 and more.
_UNSEEN_WHERE_PIXELS_AGREE, _AGREE = 3 / 255, 7


class FrameEncoder:
    """Encodes the pictures of one video in their order.

    A picture is held against the last one that was encoded, not against the one before it: a fade that is
    slow enough to pass for standing still is not.
    """

    def __init__(self) -> None:
        self._last: _Seen | None = None  # that was encoded
        self._features: NDArray[np.float32] | None = None

    def encode(self, encoder: Encoder, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Features of the next pictures, (frames, features); near-equal ones share theirs.

        Args:
            encoder: what encodes; the same for the whole video.
            images: (height, width, 3) uint8 each, at least one.

        Raises:
            UsageError: the encoder failed, or its answer cannot be used.
        """
        last, new, rows = self._last, list[NDArray[np.uint8]](), list[int]()
        for image in images:
            own = _Seen(image, cell_means(image, _GRID))
            if last is None or own.differs_from(last):
                last = own
                new.append(image)
            rows.append(len(new))
        known = self._features
        if new:
            fresh = encoder.encode_frames(np.stack(new))
            known = np.concatenate([fresh[:1] if known is None else known, fresh])
        assert known is not None
        self._last, self._features = last, known[-1:].copy()
        features: NDArray[np.float32] = known[rows]
        return features


class _Seen(NamedTuple):
    """A picture, (height, width, 3), and the mean colours of its cells."""

    image: NDArray[np.uint8]
    cells: NDArray[np.float32]

    def differs_from(self, other: _Seen) -> bool:
        if self.image.shape != other.image.shape:
            return True
        changes = np.abs(self.cells - other.cells).max(axis=2)
        largest = float(changes.max())
        if largest <= _UNSEEN or largest > _UNSEEN_WHERE_PIXELS_AGREE:
            return largest > _UNSEEN
        return bool((changes > _UNSEEN)[cell_maxima(self._pixel_changes(other), _GRID) > _AGREE].any())

    def _pixel_changes(self, other: _Seen) -> NDArray[np.uint8]:
        larger, smaller = np.maximum(self.image, other.image), np.minimum(self.image, other.image)
        changes: NDArray[np.uint8] = (larger - smaller).max(axis=2)
        return changes
