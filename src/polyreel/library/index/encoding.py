"""What index runs and moves ask of an encoder; its errors say of which file, and where in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.protocol import Encoder
from polyreel.errors import UsageError
from polyreel.units import clock

__all__ = ["EncodedClip", "encode_clip", "naming"]


class EncodedClip(NamedTuple):
    """A clip's vector, (dim,), and the features of its frames, (frames, features)."""

    vector: NDArray[np.float32]
    features: NDArray[np.float32]


def encode_clip(
    encoder: Encoder, images: Sequence[NDArray[np.uint8]], *, path: Path, start_s: float
) -> EncodedClip:
    """A clip of these frames.

    Args:
        encoder: what encodes.
        images: the clip's frames, (height, width, 3) each.
        path: its file, for messages.
        start_s: where it begins, for messages.

    Raises:
        UsageError: the encoder failed, or its answer cannot be used.
    """
    with naming(path, at=clock(start_s)):
        features = encoder.encode_frames(np.stack(images))
        vector: NDArray[np.float32] = encoder.encode_video([features])[0]
    return EncodedClip(vector, features)


@contextlib.contextmanager
def naming(path: Path, *, at: str) -> Iterator[None]:
    """Let an error of the encoder name the file that it was encoding, and the place in it."""
    try:
        yield
    except UsageError as error:
        where = f"{path}, {at}"
        error.item = where if error.item is None else f"{error.item}, for {where}"
        raise
