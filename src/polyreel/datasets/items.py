"""What every dataset becomes for measuring: items with media and captions in several languages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from polyreel.errors import DatasetError
from polyreel.languages import clean
from polyreel.problems import Missing

__all__ = ["Corpus", "Frames", "Item", "Media", "VideoFile", "cleaned_captions", "require_unique"]


@dataclass(frozen=True, slots=True)
class VideoFile:
    """A video, by its absolute path."""

    path: Path


@dataclass(frozen=True, slots=True)
class Frames:
    """Pictures in order: one photo, or frames of a video.

    Attributes:
        root: folder that the references are relative to.
        references: ``"a/b.jpg"`` or ``"archive.zip!a/b.jpg"``.
    """

    root: Path
    references: tuple[str, ...]


Media = VideoFile | Frames


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that can be retrieved.

    Attributes:
        id: unique within its corpus.
        media: what it looks like.
        captions: BCP-47 tag -> sentences about it, NFC, none of them empty.
        also_relevant: ids of items that its captions describe as well.
    """

    id: str
    media: Media
    captions: Mapping[str, tuple[str, ...]]
    also_relevant: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Corpus:
    """Items of one dataset, in its fixed order.

    Attributes:
        name: of the dataset and split.
        items: what is there.
        missing: what should be and is not; nothing is dropped without an entry here.
    """

    name: str
    items: tuple[Item, ...]
    missing: tuple[Missing, ...] = field(default=())


def cleaned_captions(captions: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Captions in NFC without empty ones; languages that have none left are absent."""
    kept = {tag: tuple(text for raw in texts if (text := clean(raw))) for tag, texts in captions.items()}
    return {tag: texts for tag, texts in kept.items() if texts}


def require_unique(items: Iterable[Item], source: object) -> tuple[Item, ...]:
    """The items, if no id occurs twice and ``also_relevant`` names only ids that are there.

    Raises:
        DatasetError: naming the ids.
    """
    found = tuple(items)
    ids: set[str] = set()
    twice = sorted({item.id for item in found if item.id in ids or ids.add(item.id)})  # type: ignore[func-returns-value]
    if twice:
        raise DatasetError("ids occur more than once", item=source, value=", ".join(twice[:5]))
    unknown = sorted({other for item in found for other in item.also_relevant if other not in ids})
    if unknown:
        raise DatasetError(
            "also_relevant names ids that are not there", item=source, value=", ".join(unknown[:5])
        )
    return found
