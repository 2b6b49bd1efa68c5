"""How fast a bundle is on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polyreel.encoders.runtime import Bundle

__all__ = ["speed"]


def speed(bundle: Bundle) -> tuple[float, float]:
    """Short texts and pictures a second on this machine, once all is loaded."""
    import numpy as np

    frames, languages = bundle.card.frames, ["en"] * 8
    pictures = np.zeros((4, frames.height_px, frames.width_px, 3), np.uint8)
    texts = ["a dog runs on the beach"] * 8
    return (
        _rate(len(texts), lambda: bundle.encode_text(texts, languages=languages)),
        _rate(len(pictures), lambda: bundle.encode_frames(pictures)),
    )


def _rate(count: int, work: Callable[[], object]) -> float:
    """Items a second, of a second run."""
    work()
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)
