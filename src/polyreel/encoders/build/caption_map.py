"""What captions say of clips, regressed on their features: what ImageNet's classes are blind to.

A clip's mean features are mapped to where the mean of its captions lies in the language-free text space, by
ridge regression on training clips; of the map the first directions of its singular value decomposition ship,
in 8 bits. What it gives stands beside the sum of the class names, in the part of a vector that no gradient
touched. Words of captions as further classes are a coarser map of the same kind, and measured worse:
docs/training.md.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyreel.errors import BundleError

__all__ = ["CaptionMap", "fit_caption_map", "read_caption_map", "write_caption_map"]

_FACTORS = ("down", "up")
_MOST_LEVEL = 127


@dataclass(frozen=True, slots=True)
class CaptionMap:
    """An affine map of rank ``len(up)``: ``(x @ down + bias) @ up``.

    Attributes:
        down: (features, rank), of mean features of length 1 after a power was taken of their values.
        bias: (rank,) for which the mean of the training clips is mapped to 0.
        up: (rank, dim) directions of the language-free text space.
        power: that each value of the mean features is raised to.
        weight: length of what it adds to a training-free vector of length 1.
    """

    down: NDArray[np.float32]
    bias: NDArray[np.float32]
    up: NDArray[np.float32]
    power: float
    weight: float

    @property
    def digest(self) -> str:
        """Hex digest of all of it."""
        found = hashlib.sha256(f"{self.power!r} {self.weight!r}".encode())
        for array in (self.down, self.bias, self.up):
            found.update(f" {array.shape} ".encode())
            found.update(np.ascontiguousarray(array, np.float32).tobytes())
        return found.hexdigest()


def fit_caption_map(
    features: NDArray[np.float32],
    sentences: NDArray[np.float32],
    *,
    ridge: float,
    rank: int,
    power: float,
    weight: float,
) -> CaptionMap:
    """The ridge regression of ``sentences`` on ``features``, both centred, cut to a rank.

    Args:
        features: (clips, features) mean features, none negative.
        sentences: (clips, dim) where the captions of the clips lie.
        ridge: Added to the sums of squares.
        rank: Directions that are kept, at most ``dim``.
        power: Of the features.
        weight: Of the map beside the class names.

    Returns:
        The map, its factors of norms that 8 bits keep.
    """
    powered = np.maximum(features, 0).astype(np.float64) ** power
    inputs = powered / np.maximum(np.linalg.norm(powered, axis=1, keepdims=True), 1e-12)
    mean = inputs.mean(axis=0)
    centred = inputs - mean
    squares = centred.T @ centred + ridge * np.eye(centred.shape[1])
    whole = np.linalg.solve(squares, centred.T @ (sentences - sentences.mean(axis=0)))
    left, sizes, right = np.linalg.svd(whole, full_matrices=False)
    down = left[:, :rank] * sizes[:rank]
    return CaptionMap(
        down.astype(np.float32),
        (-mean @ down).astype(np.float32),
        right[:rank].astype(np.float32),
        power,
        weight,
    )


def write_caption_map(path: Path, captions: CaptionMap) -> None:
    """Write ``captions`` into an .npz file, both factors in 8 bits with a step for each column."""
    arrays: dict[str, Any] = {
        "bias": captions.bias.astype(np.float32),
        "power": np.array(captions.power),
        "weight": np.array(captions.weight),
    }
    for name in _FACTORS:
        factor = getattr(captions, name)
        step = np.maximum(np.abs(factor).max(axis=0), 1e-12) / _MOST_LEVEL
        arrays |= {name: np.rint(factor / step).astype(np.int8), f"{name}.step": step.astype(np.float32)}
    with path.open("wb") as stream:
        np.savez(stream, **arrays)


def read_caption_map(path: Path) -> CaptionMap:
    """What ``write_caption_map`` wrote.

    Raises:
        BundleError: it is missing, damaged or of another layout.
    """
    try:
        # Opened here, because numpy leaves a file open that it cannot read.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            down, up = (stored[name].astype(np.float32) * stored[f"{name}.step"] for name in _FACTORS)
            bias = stored["bias"].astype(np.float32)
            power, weight = float(stored["power"]), float(stored["weight"])
    except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError("the caption map of the bundle cannot be read", item=path, value=error) from error
    if (down.shape[1:], len(up)) != (bias.shape, len(bias)):
        raise BundleError(
            "the parts of the caption map do not fit together",
            item=path,
            value=f"{down.shape}, {bias.shape} and {up.shape}",
        )
    return CaptionMap(down, bias, up, power, weight)
