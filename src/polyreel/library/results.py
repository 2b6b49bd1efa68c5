"""What is asked of a library, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from polyreel.library.search.filters import Filter

__all__ = [
    "MODES",
    "ClipScore",
    "Hit",
    "Mode",
    "Question",
    "SearchResult",
    "SubtitleEvidence",
    "Vector",
    "VideoPooling",
]

Mode = Literal["visual", "subtitles", "hybrid"]
VideoPooling = Literal["best", "mean"]
Vector = NDArray[np.float32]
MODES: tuple[Mode, ...] = ("visual", "subtitles", "hybrid")


@dataclass(frozen=True, slots=True)
class SubtitleEvidence:
    """The subtitle line that speaks for a hit."""

    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A moment: one clip, or adjacent ones merged.

    Attributes:
        video: path of the file.
        start_s, end_s: seconds from the start of the video.
        score: what hits are ranked by: the cosine where only pictures were searched, else fused ranks, 1 for
            first in every list.
        rank: 1 for the best.
        thumbnail: path of a JPEG of the best clip's middle.
        visual: cosine of query and best clip; None in mode "subtitles".
        subtitle: the best matching line, None if none speaks for it.
        video_id, clip_id: what the video and its best clip go by.
        strength: share of unrelated queries that match nothing in the library as well as this query matches
            the best clip, 0 to 1; None where that has not been measured (see ``Library.calibrate``).
    """

    video: str
    start_s: float
    end_s: float
    score: float
    rank: int
    thumbnail: str
    visual: float | None
    subtitle: SubtitleEvidence | None
    video_id: str
    clip_id: str
    strength: float | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Answer to one query.

    Attributes:
        query: the query as it was encoded; empty for a picture or a moment.
        language: BCP-47 tag, given or detected.
        bundle: name of the bundle that encoded it.
        mode: what was searched.
        took_ms: wall time of encoding and ranking.
        hits: best first.
        confident: False if nothing in the library matches well.
        false_alarm_rate: share of unrelated queries for which ``confident`` would be true as well; None where
            that has not been measured (see ``Library.calibrate``).
    """

    query: str
    language: str
    bundle: str
    mode: Mode
    took_ms: float
    hits: tuple[Hit, ...]
    confident: bool
    false_alarm_rate: float | None = None


@dataclass(frozen=True, slots=True)
class ClipScore:
    """How well one clip of a video matches.

    Attributes:
        clip_id: its name.
        start_s, end_s: seconds from the start of the video.
        visual: cosine of query and clip.
        strength: as in ``Hit``.
        thumbnail: path of its JPEG.
    """

    clip_id: str
    start_s: float
    end_s: float
    visual: float
    strength: float | None
    thumbnail: str


@dataclass(frozen=True, slots=True)
class Question:
    """A search that has been checked. Made by ``Library.question``.

    Attributes:
        text: normalised; empty where there is only a vector.
        language: BCP-47 tag.
        vector: (dim,) of a picture, a clip or a text that was encoded before; None has ``text`` encoded.
        top, mode, only: as in ``Library.search``.
        but: a clip that is not to be found.
    """

    text: str
    language: str
    top: int
    mode: Mode
    only: Filter
    vector: Vector | None = None
    but: str | None = None
