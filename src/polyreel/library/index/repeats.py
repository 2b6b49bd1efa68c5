"""Pictures that show what the one before showed are not encoded again.

In a recording of a screen, a lecture or a gate little moves for minutes, and encoding a picture can cost more
than decoding a second of video.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.protocol import Encoder
from polyreel.media.windows import cell_means

__all__ = ["FrameEncoder"]

_GRID = 32
# The largest difference of a cell, 0 to 1, in any colour. Noise and the pulse of key frames lie below it; a
# word that appears, or somebody who moves a hand, changes some cell by many times as much.
_UNSEEN = 2 / 255


class FrameEncoder:
    """Encodes the pictures of one video in their order.

    A picture is held against the last one that was encoded, not against the one before it: a fade that is
    slow enough to pass for standing still is not.
    """

    def __init__(self) -> None:
        self._cells: NDArray[np.float32] | None = None
        self._features: NDArray[np.float32] | None = None

    def encode(self, encoder: Encoder, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Features of the next pictures, (frames, features); near-equal ones share theirs.

        Args:
            encoder: what encodes; the same for the whole video.
            images: (height, width, 3) uint8 each, at least one.

        Raises:
            UsageError: the encoder failed, or its answer cannot be used.
        """
        cells, new, rows = self._cells, list[NDArray[np.uint8]](), list[int]()
        for image in images:
            own = cell_means(image, _GRID)
            if cells is None or cells.shape != own.shape or float(np.abs(own - cells).max()) > _UNSEEN:
                cells = own
                new.append(image)
            rows.append(len(new))
        known = self._features
        if new:
            fresh = encoder.encode_frames(np.stack(new))
            known = np.concatenate([fresh[:1] if known is None else known, fresh])
        assert known is not None
        self._cells, self._features = cells, known[-1:].copy()
        features: NDArray[np.float32] = known[rows]
        return features
