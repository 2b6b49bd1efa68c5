"""All that is said in a video, by language, before it is cut into clips."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

from polyreel.clips import Caption, SampleCreation
from polyreel.datasets.records import VideoFile
from polyreel.languages import UNKNOWN, clean

__all__ = ["Track", "VideoTracks", "cleaned", "joined", "tracks_of"]

# Written without spaces between words, so lines are joined without one.
_SPACELESS = frozenset({"ja", "lo", "my", "th", "zh"})


@dataclass(frozen=True, slots=True)
class Track:
    """The lines of one language, column by column: millions of lines are cheaper so than as objects.

    Attributes:
        texts: (lines,) cleaned and not empty.
        starts_s, ends_s: (lines,) seconds, 0 <= start < end, ascending by start; lines may overlap.
        sample_creation: how the texts came about.
    """

    texts: list[str]
    starts_s: list[float]
    ends_s: list[float]
    sample_creation: SampleCreation = "unknown"

    def __len__(self) -> int:
        return len(self.texts)

    def keep(self, wanted: Iterable[bool]) -> Track:
        """The lines for which ``wanted`` (lines,) is true."""
        kept = list(wanted)
        return Track(
            list(compress(self.texts, kept)),
            list(compress(self.starts_s, kept)),
            list(compress(self.ends_s, kept)),
            self.sample_creation,
        )


@dataclass(frozen=True, slots=True)
class VideoTracks:
    """One video and what is said in it.

    Attributes:
        video: its identifier.
        tracks: BCP-47 tag -> lines, at least one each.
        media: the file, if it is there.
    """

    video: str
    tracks: Mapping[str, Track]
    media: VideoFile | None = None


def tracks_of(found: Iterable[Sequence[Caption]], sample_creation: SampleCreation) -> dict[str, Track]:
    """Language -> track. Regional variants count as their language; of several tracks the longest is taken.

    Args:
        found: captions of one language each, as subtitle files have them; those without length are left out.
        sample_creation: how their texts came about.
    """
    tracks: dict[str, Track] = {}
    for captions in found:
        lines = sorted((c.start_s, c.end_s, c.text) for c in captions if c.end_s > c.start_s)
        base = captions[0].language.split("-")[0] if captions else UNKNOWN
        if len(lines) > len(tracks.get(base, ())):
            starts_s, ends_s, texts = (list(column) for column in zip(*lines, strict=True))
            tracks[base] = Track(texts, starts_s, ends_s, sample_creation)
    return tracks


def cleaned(text: str) -> str:
    """As ``languages.clean``, but a text that needs nothing, as most, costs a tenth."""
    if not text.isascii() and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    # What is printable has no control, surrogate or private character and no space but " ".
    if text.isprintable() and "  " not in text:
        return text.strip()
    return clean(text)


def joined(texts: Iterable[str], language: str) -> str:
    """Lines that follow each other as one text."""
    return ("" if language.split("-")[0] in _SPACELESS else " ").join(texts)
