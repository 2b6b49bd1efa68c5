"""What the REST API answers and takes beside the results of a library (``polyreel.library.results``)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from polyreel.library.results import LibraryResult, Video

__all__ = ["ErrorDocument", "ErrorFacts", "HealthDocument", "IndexRequest", "VideosDocument"]


class VideosDocument(LibraryResult):
    """Videos in order of path; ``total`` of them pass the filter."""

    total: int
    videos: tuple[Video, ...]


class IndexRequest(BaseModel):
    """A folder to index: one of the folders that the server allows, or a folder below one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str = Field(min_length=1, max_length=4096)


class HealthDocument(LibraryResult):
    """Whether the server can answer searches; ``problem`` says why not."""

    status: Literal["ok", "failing"]
    version: str
    commit: int | None
    problem: str | None


class ErrorFacts(LibraryResult):
    """What failed, on which item, the value found and what to do; ``message`` says it all at once."""

    kind: str
    message: str
    what: str
    item: str | None = None
    value: str | None = None
    remedy: str | None = None


class ErrorDocument(LibraryResult):
    """The body of every answer that is an error."""

    error: ErrorFacts
