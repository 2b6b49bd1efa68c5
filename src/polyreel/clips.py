"""The units of polyreel: clips and their captions. Times are seconds from the start of the video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Caption", "Clip", "SampleCreation"]

SampleCreation = Literal[
    "found", "created", "human-translated", "machine-translated", "transcribed", "unknown"
]
"""How a text came about: there already (a subtitle), written for the dataset, translated by people or by a
machine, or taken down from speech by a machine."""


@dataclass(frozen=True, slots=True, order=True)
class Clip:
    """A time span of one video: the only unit that is embedded, retrieved and scored.

    Attributes:
        video: identifier of the video (in a library: the hash of the file's content).
        start_s: first instant of the clip, seconds from the start of the video.
        end_s: end of the clip (exclusive), seconds, not before ``start_s``.
    """

    video: str
    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.start_s <= self.end_s:
            raise ValueError(f"a clip needs 0 <= start_s <= end_s, got {self.start_s}, {self.end_s}")

    @property
    def clip_id(self) -> str:
        """A stable key: video and start in milliseconds, sortable within one video."""
        return f"{self.video}@{round(self.start_s * 1000):010d}"


@dataclass(frozen=True, slots=True)
class Caption:
    """Text in one language about a span of video. A *subtitle* is a caption with its own times.

    Attributes:
        text: the words, NFC, without mark-up.
        language: BCP-47 tag, "und" where unknown.
        start_s, end_s: the span in seconds that the text belongs to.
        sample_creation: how the text came about.
    """

    text: str
    language: str
    start_s: float
    end_s: float
    sample_creation: SampleCreation = "unknown"
