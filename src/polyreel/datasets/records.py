"""What every dataset becomes: records, each one clip with its captions, streamed from a reader to a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from polyreel.clips import Caption, Clip, SampleCreation
from polyreel.languages import clean
from polyreel.problems import Missing

__all__ = [
    "Creation",
    "Frames",
    "Media",
    "Record",
    "Stream",
    "VideoFile",
    "captions_of",
    "created",
    "created_in",
    "in_groups",
    "record_of",
]


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
class Record:
    """One clip and what a dataset says about it.

    Attributes:
        clip: the span of video; a photo is a clip of 0 seconds.
        captions: in any languages, several for one language where the dataset has several.
        split: "train", "dev", "test" or the dataset's own word.
        media: where the pictures are, None if only text or features are there.
        concept: clips of the same non-empty concept are positives of each other.
        also_relevant: videos that the captions describe as well, where the dataset lists them one by one;
            None where the concept says it.
        source: what the clip was cut from, such as the id of an upload, where ``clip.video`` does not say it.
            Clips of one source look alike without being positives: a split keeps them together.
    """

    clip: Clip
    captions: tuple[Caption, ...]
    split: str = "train"
    media: Media | None = None
    concept: str = ""
    also_relevant: tuple[str, ...] | None = None
    source: str = ""


Stream = Iterator[Record | Missing]
"""What a reader yields: records, and between them what the dataset lists and what cannot be used."""

Creation = Callable[[str], SampleCreation]
"""How the captions in a language came about."""


def created(tag: str) -> SampleCreation:
    """Captions of every language were written for the dataset."""
    del tag
    return "created"


def created_in(*languages: str, others: SampleCreation) -> Creation:
    """Captions of these languages were written for the dataset, those of others came about as said."""
    return lambda tag: "created" if tag in languages else others


def captions_of(texts: Mapping[str, Iterable[str]], clip: Clip, creation: Creation) -> tuple[Caption, ...]:
    """Texts by language as captions of the whole clip: in NFC, without empty ones.

    Args:
        texts: BCP-47 tag -> texts as they were found.
        clip: whose captions they are.
        creation: how they came about.
    """
    return tuple(
        Caption(text, tag, clip.start_s, clip.end_s, creation(tag))
        for tag, lines in texts.items()
        for raw in lines
        if (text := clean(raw))
    )


def record_of(
    name: str,
    texts: Mapping[str, Iterable[str]],
    creation: Creation,
    *,
    split: str = "train",
    media: Media | None = None,
    concept: str = "",
    length_s: float = 0.0,
    source: str = "",
) -> Record | Missing:
    """The record of a whole video, a photo or a text; ``Missing`` if it has neither captions nor media.

    Args:
        name: of the video, photo or text.
        texts: BCP-47 tag -> captions as they were found.
        creation: how they came about.
        split: see ``Record``.
        media: where the pictures are, None if they are not there.
        concept: see ``Record``.
        length_s: of the video in seconds; 0 where it is not one or its length is not known.
        source: see ``Record``.
    """
    clip = Clip(name, 0.0, length_s)
    captions = captions_of(texts, clip, creation)
    if not captions and media is None:
        return Missing(name, "neither captions nor media")
    return Record(clip, captions, split, media, concept, source=source)


def in_groups(pairs: Iterable[tuple[str, Iterable[str]]]) -> dict[str, str]:
    """Name -> the first name of its group, for names that are related directly or through others.

    Args:
        pairs: each name with the names that it is related to; names without relations are absent.
    """
    neighbours: dict[str, set[str]] = defaultdict(set)
    for name, related in pairs:
        for other in related:
            neighbours[name].add(other)
            neighbours[other].add(name)
    groups: dict[str, str] = {}
    for first in sorted(neighbours):
        waiting = [first]
        while waiting:
            if (name := waiting.pop()) not in groups:
                groups[name] = first
                waiting.extend(neighbours[name])
    return groups
