"""Random numbers that belong to a clip or text and not to the order in which things are computed.

So a batch is the same whatever number of processes share it, and a run that goes on draws what it would have
drawn.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["stable_hash", "uniform"]

_STEP = np.uint64(0x9E3779B97F4A7C15)


def stable_hash(*parts: object) -> int:
    """A number below 2**63 that depends on all ``parts``."""
    text = "\0".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def uniform(keys: Tensor, width: int) -> Tensor:
    """(n,) int64 keys -> (n, ``width``) float32 numbers in [0, 1), the same for the same key and column.

    SplitMix64 (Steele, Lea and Flood 2014) with the key as its seed.
    """
    first: NDArray[np.uint64] = keys.cpu().numpy().astype(np.uint64)[:, None]
    state = first + np.arange(1, width + 1, dtype=np.uint64)[None] * _STEP
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    return torch.from_numpy((state >> np.uint64(40)).astype(np.float32) / np.float32(2**24))
