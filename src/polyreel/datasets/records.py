"""What every dataset becomes: records, each one clip with its captions, streamed from a reader to a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from polyreel.clips import Caption, Clip, SampleCreation
from polyreel.datasets.items import Media
from polyreel.problems import Missing, Problems

__all__ = ["Creation", "Record", "captions_of", "with_missing"]

Creation = Callable[[str], SampleCreation]
"""How the captions in a language came about."""


@dataclass(frozen=True, slots=True)
class Record:
    """One clip and what a dataset says about it.

    Attributes:
        clip: the span of video; a photo is a clip of 0 seconds.
        captions: in any languages, several for one language where the dataset has several.
        split: "train", "dev", "test" or the dataset's own word.
        media: where the pictures are, None if only text or features are there.
        concept: clips of the same non-empty concept are positives of each other.
    """

    clip: Clip
    captions: tuple[Caption, ...]
    split: str = "train"
    media: Media | None = None
    concept: str = ""


def captions_of(texts: Mapping[str, Iterable[str]], clip: Clip, creation: Creation) -> tuple[Caption, ...]:
    """Texts by language as captions of the whole clip."""
    return tuple(
        Caption(text, tag, clip.start_s, clip.end_s, creation(tag))
        for tag, lines in texts.items()
        for text in lines
    )


def with_missing(records: Iterable[Record], problems: Problems) -> Iterator[Record | Missing]:
    """The records, and between them what was left out on the way, for the corpus to remember."""
    for record in records:
        yield from problems.drain()
        yield record
    yield from problems.drain()
