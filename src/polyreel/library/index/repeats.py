"""Pictures that show what the one before showed are not encoded again.

In a recording of a screen, a lecture or a gate little moves for minutes, and encoding a picture can cost more
than decoding a second of video.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.protocol import Encoder
from polyreel.media.likeness import Likeness

__all__ = ["ChosenPictures", "FrameEncoder", "encode_all"]


@dataclass(slots=True)
class ChosenPictures:
    """Pictures in a row, and which of them have to be encoded.

    Attributes:
        new: those, (height, width, 3) uint8 each.
        rows: for each picture, which of the new ones it shares features with, counted from 1; 0 is the last
            one that was encoded before.
    """

    new: list[NDArray[np.uint8]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


class FrameEncoder:
    """Encodes the pictures of one video in their order.

    A picture is held against the last one that was encoded, not against the one before it: a fade that is
    slow enough to pass for standing still is not. So a video that is read on from its middle needs the
    pictures before that, too: else others would be encoded than in one that is read at once.
    """

    def __init__(self) -> None:
        self._last: Likeness | None = None  # that was encoded
        self._is_known = False  # whether its features are
        self._features: NDArray[np.float32] | None = None

    def encode(self, encoder: Encoder, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Features of the next pictures, (frames, features); near-equal ones share theirs.

        Args:
            encoder: what encodes; the same for the whole video.
            images: (height, width, 3) uint8 each, at least one.

        Raises:
            UsageError: the encoder failed, or its answer cannot be used.
        """
        chosen = self.choose(images)
        return self.spread(chosen, encode_all(encoder, chosen.new))

    def choose(self, images: Sequence[NDArray[np.uint8]]) -> ChosenPictures:
        """Which of the next pictures have to be encoded; their features are to be spread in the same order.

        Args:
            images: (height, width, 3) uint8 each, at least one.
        """
        chosen = ChosenPictures()
        for image in images:
            last = self._taken(image)
            if not self._is_known:
                chosen.new.append(last.image)
                self._is_known = True
            chosen.rows.append(len(chosen.new))
        return chosen

    def pass_over(self, images: Iterable[NDArray[np.uint8]]) -> None:
        """Take note of the next pictures, whose features are not asked for.

        Args:
            images: (height, width, 3) uint8 each.
        """
        for image in images:
            self._taken(image)

    def _taken(self, image: NDArray[np.uint8]) -> Likeness:
        """The picture whose features the next one has: its own, or the one before that."""
        # Looking at cells takes forty times as long, and most that stands still is the same to the byte.
        if self._last is None or not np.array_equal(image, self._last.image):
            own = Likeness.of(image)
            if self._last is None or own.differs_from(self._last):
                self._last, self._is_known = own, False
        return self._last

    def spread(self, chosen: ChosenPictures, fresh: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features of the pictures that were chosen from, (frames, features).

        Args:
            chosen: by ``choose``.
            fresh: features of the new ones, (new, features); of none, an empty array.
        """
        known = self._features
        if chosen.new:
            known = np.concatenate([fresh[:1] if known is None else known, fresh])
        assert known is not None
        self._features = known[-1:].copy()
        features: NDArray[np.float32] = known[chosen.rows]
        return features


def encode_all(encoder: Encoder, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Features of pictures, (frames, features); an empty array if there are none.

    Args:
        encoder: what encodes.
        images: (height, width, 3) uint8 each.

    Raises:
        UsageError: the encoder failed, or its answer cannot be used.
    """
    return encoder.encode_frames(np.stack(images)) if images else np.zeros((0, 0), np.float32)
