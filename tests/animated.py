"""Animated WebP files that tests make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

COLOURS = {
    "red": (255, 0, 0, 255),
    "green": (0, 255, 0, 255),
    "blue": (0, 0, 255, 255),
    "clear": (0, 0, 0, 0),
}


def write_animation(path: Path, frames: Sequence[tuple[str, int]], *, side: int = 32) -> Path:
    """Write plain frames of a colour and a length in milliseconds each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = [Image.new("RGBA", (side, side), COLOURS[colour]) for colour, _ in frames]
    lengths = [length for _, length in frames]
    first.save(path, "WEBP", save_all=True, append_images=others, duration=lengths, lossless=True)
    return path
