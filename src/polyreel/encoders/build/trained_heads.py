"""What training adds to the default bundle: arrays under stable names, and the file they ship in.

The names are those of ``TextTower.trained_arrays`` and ``VideoTower.trained_arrays``; matrices are (outputs,
inputs). A head reads vectors of length 1::

    linear         head.weight x + head.bias
    residual-mlp   skip(x) + head.out gelu(head.hidden x), where skip is head.skip or, without one, x itself
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyreel.errors import BundleError

__all__ = ["Arrays", "TrainedHeads", "read_trained_heads", "write_trained_heads"]

Arrays = Mapping[str, NDArray[np.float32]]

_WEIGHT, _SEMANTIC, _POWER = "prior_weight", "starts_semantic", "power"


@dataclass(frozen=True, slots=True)
class TrainedHeads:
    """The trained parts of both towers.

    Attributes:
        text, video: arrays of each tower.
        prior_weight: share of what was trained in a cosine, the rest is the training-free bundle's; 1 for a
            bundle without a prior.
        starts_semantic: the video head is added to the training-free vector before it is scaled to length 1.
        power: that each value of the mean features is raised to before the video head reads them.
    """

    text: Arrays
    video: Arrays
    prior_weight: float
    starts_semantic: bool = False
    power: float = 1.0

    @property
    def digest(self) -> str:
        """Hex digest of the arrays as they are kept, in float16."""
        powered = "" if self.power == 1 else f" {self.power!r}"
        found = hashlib.sha256(f"{self.prior_weight!r} {self.starts_semantic}{powered}".encode())
        for tower, part in _towers(self):
            for name, array in sorted(part.items()):
                found.update(f"{tower}.{name} {array.shape}".encode())
                found.update(array.astype(np.float16).tobytes())
        return found.hexdigest()

    def dim_beside(self, prior: int) -> int:
        """Width of an embedding, given that of the training-free one."""
        return self.dim + (prior if self.prior_weight < 1 else 0)

    @property
    def dim(self) -> int:
        """Width of what was trained."""
        return len(self.text.get("head.out.weight", self.text.get("head.weight", ())))


def write_trained_heads(path: Path, heads: TrainedHeads) -> None:
    """Write ``heads`` as float16 into an .npz file."""
    arrays: dict[str, Any] = {
        _WEIGHT: np.array(heads.prior_weight),
        _SEMANTIC: np.array(heads.starts_semantic),
        _POWER: np.array(heads.power),
    }
    for tower, part in _towers(heads):
        arrays |= {f"{tower}.{name}": array.astype(np.float16) for name, array in part.items()}
    with path.open("wb") as stream:
        np.savez(stream, **arrays)


def read_trained_heads(path: Path) -> TrainedHeads:
    """What ``write_trained_heads`` wrote.

    Raises:
        BundleError: it is missing, damaged or of another layout.
    """
    try:
        # Opened here, because numpy leaves a file open that it cannot read.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = {name: stored[name].astype(np.float32) for name in stored.files}
        weight, semantic = float(arrays.pop(_WEIGHT)), bool(arrays.pop(_SEMANTIC))
        power = float(arrays.pop(_POWER))
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError("the trained part of the bundle cannot be read", item=path, value=error) from error
    text, video = (
        {
            name.removeprefix(f"{tower}."): array
            for name, array in arrays.items()
            if name.startswith(f"{tower}.")
        }
        for tower in ("text", "video")
    )
    return TrainedHeads(text, video, weight, semantic, power)


def _towers(heads: TrainedHeads) -> tuple[tuple[str, Arrays], tuple[str, Arrays]]:
    return ("text", heads.text), ("video", heads.video)
