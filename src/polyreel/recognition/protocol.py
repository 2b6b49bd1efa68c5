"""What a recogniser is: a media file goes in, lines with times come out, stretch by stretch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

__all__ = ["START", "LineRecogniser", "Place", "RecognisedLine", "Source", "Stretch"]

Source = Literal["speech", "screen"]
"""Where recognised lines come from: what is said, or what is written in the picture."""


@dataclass(frozen=True, slots=True)
class RecognisedLine:
    """Text that a recogniser found, about as long as a sentence.

    Attributes:
        text: the words, NFC.
        start_s, end_s: when it is said or shown, seconds from the start of the video.
        language: BCP-47 tag, "und" where unknown.
        source: where it comes from.
        confidence: mean probability of its words, 0 to 1, as the engine has it.
    """

    text: str
    start_s: float
    end_s: float
    language: str
    source: Source
    confidence: float


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """How far a file has been recognised.

    Attributes:
        track: number of the track that is being recognised; those before it are done.
        time_s: up to where in it, seconds from the start of the video.
    """

    track: int
    time_s: float


START = Place(0, 0.0)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The next part of a file.

    Attributes:
        lines: what was found in it, in the order of time.
        until: its end; given back to ``recognise``, it goes on from there.
        remarks: one sentence for each thing that was not as it should be.
    """

    lines: tuple[RecognisedLine, ...]
    until: Place
    remarks: tuple[str, ...] = ()


class LineRecogniser(Protocol):
    """Turns media files into lines."""

    @property
    def source(self) -> Source:
        """Of all lines that it finds."""

    @property
    def engine(self) -> str:
        """Name of engine and model; another one finds other lines."""

    @property
    def cost(self) -> float | None:
        """Processor seconds for each second of video, at most and about; None if nobody has measured it."""

    def recognise(
        self, media: Path, *, languages: Sequence[str] = (), begin: Place = START
    ) -> Iterator[Stretch]:
        """The lines of a file; no stretch at all if there is nothing to recognise, such as no sound.

        Args:
            media: a video, or a file of sound alone.
            languages: BCP-47 tags that are likely; others are possible.
            begin: end of a stretch of the same file that came from the same engine.

        Raises:
            MediaError: the file cannot be read; the stretches that came before hold.
            UsageError: a language is not one that the engine can know.
        """
