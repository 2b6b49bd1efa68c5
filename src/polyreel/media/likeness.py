"""Whether two pictures of a video show the same, but for noise and what a codec does to what stands still."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from polyreel.media.windows import cell_maxima, cell_means

__all__ = ["Likeness"]

_GRID = 32
# The largest difference of a cell, 0 to 1, in any colour. Noise lies below it; a word that appears, or
# somebody who moves a hand, changes some cell by many times as much.
_UNSEEN = 2 / 255
# A key frame sharpens or shifts what stands still: cells by up to 2.8 of 255, no pixel of them by more than
# 5. Of words that change a cell by so little, even faint and small ones, some pixel changes by 10 and more.
_UNSEEN_WHERE_PIXELS_AGREE, _AGREE = 3 / 255, 7
# Of a fine pattern that comes, goes or turns, the means of cells may stay; its pixels change. Where those of
# a cell change by so much on average through noise, in colour or grey, the mean of some cell changes too.
_UNSEEN_PATTERN = 8


class Likeness(NamedTuple):
    """A picture and what it looks like from afar.

    Attributes:
        image: (height, width, 3) uint8, of the size that is encoded.
        cells: mean colours of its cells, (rows, columns, 3), 0 to 1.
    """

    image: NDArray[np.uint8]
    cells: NDArray[np.float32]

    @classmethod
    def of(cls, image: NDArray[np.uint8]) -> Self:
        """That of a picture, (height, width, 3) uint8."""
        return cls(image, cell_means(image, _GRID))

    def differs_from(self, other: Likeness) -> bool:
        """Whether more than noise has changed between two pictures of the same video."""
        if self.image.shape != other.image.shape:
            return True
        changes = np.abs(self.cells - other.cells).max(axis=2)
        largest = float(changes.max())
        if largest > _UNSEEN_WHERE_PIXELS_AGREE:
            return True
        of_pixels = self._pixel_changes(other)
        if of_pixels.max() <= _AGREE:
            return False
        if float(cell_means(of_pixels[..., None], _GRID).max()) * 255 > _UNSEEN_PATTERN:
            return True
        return bool((changes > _UNSEEN)[cell_maxima(of_pixels, _GRID) > _AGREE].any())

    def _pixel_changes(self, other: Likeness) -> NDArray[np.uint8]:
        changes = np.maximum(self.image, other.image) - np.minimum(self.image, other.image)
        # numpy takes ten times as long for the maximum along an axis of three.
        largest: NDArray[np.uint8] = np.maximum(np.maximum(changes[..., 0], changes[..., 1]), changes[..., 2])
        return largest
