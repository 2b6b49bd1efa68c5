"""What the REST API answers and takes. The server writes these documents, the client reads them.

Times are seconds from the start of a video. ``thumbnail`` and ``media`` are addresses relative to the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "ClipScoreDocument",
    "ErrorDocument",
    "ErrorFacts",
    "EvidenceDocument",
    "HealthDocument",
    "HitDocument",
    "IndexRequest",
    "LibraryDocument",
    "MomentDocument",
    "ProblemDocument",
    "ProgressDocument",
    "SearchDocument",
    "SubtitleDocument",
    "TimelineDocument",
    "VideoDocument",
    "VideosDocument",
]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class SubtitleDocument(_Document):
    """A subtitle line and its BCP-47 language tag."""

    text: str
    language: str


class EvidenceDocument(_Document):
    """Why a moment was found.

    Attributes:
        visual: cosine of query and picture; null where pictures were not searched.
        strength: share of unrelated queries that match nothing here as well as this; null until measured.
        subtitle: the line that speaks for it, null if none does.
    """

    visual: float | None
    strength: float | None = Field(ge=0, le=1)
    subtitle: SubtitleDocument | None


class HitDocument(_Document):
    """One moment, best first by ``rank``. ``video`` is the file's path from the library's common folder."""

    video: str
    video_id: str
    clip_id: str
    start_s: float
    end_s: float
    score: float
    rank: int
    thumbnail: str
    media: str
    evidence: EvidenceDocument


class SearchDocument(_Document):
    """Answer to a search.

    Attributes:
        query: as it was encoded; empty where a picture, a clip or a moment was searched with.
        language: BCP-47 tag, given or detected; "und" is unknown.
        confident: false if nothing in the library matches well.
        false_alarm_rate: share of unrelated queries for which it would be true as well; null until measured.
    """

    query: str
    language: str
    bundle: str
    mode: Literal["visual", "subtitles", "hybrid"]
    took_ms: float
    hits: tuple[HitDocument, ...]
    confident: bool
    false_alarm_rate: float | None


class VideoDocument(_Document):
    """A video. ``name`` is the file's path from the library's common folder."""

    id: str
    name: str
    duration_s: float
    clips: int
    subtitles: tuple[str, ...]
    size_bytes: int
    modified: datetime
    thumbnail: str
    media: str


class VideosDocument(_Document):
    """Videos in order of path; ``total`` of them pass the filter."""

    total: int
    videos: tuple[VideoDocument, ...]


class MomentDocument(_Document):
    """One clip of one video."""

    clip_id: str
    start_s: float
    end_s: float
    thumbnail: str
    media: str
    video: VideoDocument


class ClipScoreDocument(_Document):
    """How well one clip matches."""

    clip_id: str
    start_s: float
    end_s: float
    visual: float
    strength: float | None
    thumbnail: str


class TimelineDocument(_Document):
    """How well each clip of a video matches, in order of time."""

    video: VideoDocument
    query: str
    language: str
    clips: tuple[ClipScoreDocument, ...]


class ProblemDocument(_Document):
    """A file that was left out, or read in part."""

    name: str
    left_out: bool
    message: str


class LibraryDocument(_Document):
    """What can be searched. ``lines`` counts subtitle lines by language."""

    commit: int
    bundle: str
    videos: int
    clips: int
    subtitles: int
    paths: int
    duration_s: float
    lines: Mapping[str, int]
    folders: tuple[str, ...]
    problems: tuple[ProblemDocument, ...]


class ProgressDocument(_Document):
    """How far a running index is; all but ``running`` mean nothing where it is false."""

    running: bool
    files: int = 0
    files_done: int = 0
    failed: int = 0
    share: float = Field(default=0.0, ge=0, le=1)
    current: str = ""


class IndexRequest(BaseModel):
    """A folder to index: one of the folders that the server allows, or a folder below one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str = Field(min_length=1, max_length=4096)


class HealthDocument(_Document):
    """Whether the server can answer searches; ``problem`` says why not."""

    status: Literal["ok", "failing"]
    version: str
    commit: int | None
    problem: str | None


class ErrorFacts(_Document):
    """What failed, on which item, the value found and what to do; ``message`` says it all at once."""

    kind: str
    message: str
    what: str
    item: str | None = None
    value: str | None = None
    remedy: str | None = None


class ErrorDocument(_Document):
    """The answer where there is no other."""

    error: ErrorFacts
