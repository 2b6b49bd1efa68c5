"""Which videos a search may find."""

from __future__ import annotations

import os.path
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from polyreel.errors import UsageError

__all__ = ["EVERYTHING", "Filter", "videos_within"]


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions on videos, which hold all at once.

    Attributes:
        folder: below this folder; absolute, or from the library's common folder (``Library.root``).
        min_duration_s, max_duration_s: length of the video in seconds, both included.
        subtitles: BCP-47 tag of a language that it has subtitles in.
        after, before: first and last day on which the file was last changed, UTC, both included.

    Raises:
        UsageError: a span is empty or negative.
    """

    folder: str | None = None
    min_duration_s: float | None = None
    max_duration_s: float | None = None
    subtitles: str | None = None
    after: date | None = None
    before: date | None = None

    def __post_init__(self) -> None:
        for low, high in ((self.min_duration_s, self.max_duration_s), (self.after, self.before)):
            if low is not None and high is not None and low > high:  # type: ignore[operator]
                raise UsageError(
                    "no video can match this filter", value=f"from {low} to {high}", remedy="Swap the two"
                )

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in self.__slots__)


EVERYTHING = Filter()


def videos_within(wanted: Filter, videos: pa.Table, root: Path) -> NDArray[np.bool_]:
    """Which rows of ``SearchIndex.videos`` the filter lets through, (videos,)."""
    allowed = np.ones(len(videos), bool)
    if wanted.folder is not None:
        folder = os.path.normpath(root / wanted.folder)
        within = pc.starts_with(videos["path"], folder.rstrip("/") + "/")
        allowed &= within.to_numpy(zero_copy_only=False)
    duration_s = videos["duration_s"].to_numpy()
    if wanted.min_duration_s is not None:
        allowed &= duration_s >= wanted.min_duration_s
    if wanted.max_duration_s is not None:
        allowed &= duration_s <= wanted.max_duration_s
    modified_s = videos["mtime_ns"].to_numpy() / 1e9
    if wanted.after is not None:
        allowed &= modified_s >= _midnight_s(wanted.after)
    if wanted.before is not None:
        allowed &= modified_s < _midnight_s(wanted.before) + timedelta(days=1).total_seconds()
    if wanted.subtitles is not None:
        tags = videos["languages"].to_pylist()
        allowed &= np.fromiter((wanted.subtitles in own for own in tags), bool, len(tags))
    return allowed


def _midnight_s(day: date) -> float:
    return datetime.combine(day, time.min, UTC).timestamp()
