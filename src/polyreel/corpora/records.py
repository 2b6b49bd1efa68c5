"""What every dataset becomes: records, each one clip with its captions, streamed from a reader to a table."""

from __future__ import annotations

from dataclasses import dataclass

from polyreel.clips import Caption, Clip
from polyreel.corpora.items import Media

__all__ = ["Record"]


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
