"""Records that tests make."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from polyreel.clips import Caption, Clip
from polyreel.datasets.records import Media, Record


def record(
    video: str,
    *texts: str,
    language: str = "en",
    split: str = "train",
    start_s: float = 0.0,
    end_s: float = 4.0,
    media: Media | None = None,
    concept: str = "",
) -> Record:
    captions = tuple(Caption(text, language, start_s, end_s, "created") for text in texts)
    return Record(Clip(video, start_s, end_s), captions, split, media, concept)


def many(count: int, *, dev_every: int = 5) -> list[Record]:
    """Records of one caption each; every ``dev_every``th is of dev."""
    return [
        record(f"v{number:05d}", f"clip number {number}", split="train" if number % dev_every else "dev")
        for number in range(count)
    ]


def numbered(records: list[Record], dim: int = 4) -> list[tuple[str, np.ndarray]]:
    """Features of each record: as many rows as its place modulo 4, each of them full of its place."""
    return [(r.clip.clip_id, np.full((place % 4, dim), place, np.float32)) for place, r in enumerate(records)]


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
