"""The state of every random generator, as JSON."""

from __future__ import annotations

import base64
import random
from typing import Any

import numpy as np
import torch

__all__ = ["random_state", "restore_random_state", "seed_everything"]


def seed_everything(seed: int) -> None:
    """Begin all generators at ``seed``."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  libraries may still draw from the old one
    torch.manual_seed(seed)


def random_state() -> dict[str, Any]:
    """State of Python's, NumPy's and PyTorch's generators."""
    version, words, gauss = random.getstate()
    _, keys, place, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return {
        "python": [version, list(words), gauss],
        "numpy": [_packed(np.asarray(keys).tobytes()), int(place), int(has_gauss), float(cached)],
        "torch": _packed(torch.get_rng_state().numpy().tobytes()),
        "cuda": None if cuda is None else _packed(cuda.numpy().tobytes()),
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Go on from a state that ``random_state`` gave."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    keys, place, has_gauss, cached = state["numpy"]
    np.random.set_state(("MT19937", np.frombuffer(_unpacked(keys), np.uint32), place, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(_bytes_tensor(state["torch"]))
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(_bytes_tensor(state["cuda"]))


def _bytes_tensor(text: str) -> torch.Tensor:
    return torch.frombuffer(bytearray(_unpacked(text)), dtype=torch.uint8)


def _packed(raw: bytes) -> str:
    return base64.b85encode(raw).decode()


def _unpacked(text: str) -> bytes:
    return base64.b85decode(text)
