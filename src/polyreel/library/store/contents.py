"""What one commit of a library holds, and which files were not as they should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from polyreel.library.index.plan import OK
from polyreel.library.search.search_index import SearchIndex
from polyreel.library.store.store import TableReader
from polyreel.library.store.tables import FILES

__all__ = ["Contents", "ProblemFile", "contents_of"]


@dataclass(frozen=True, slots=True)
class ProblemFile:
    """A file that was left out, or read in part.

    Attributes:
        path: the file.
        left_out: whether nothing of it can be found.
        message: what is wrong.
    """

    path: str
    left_out: bool
    message: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a library.

    Attributes:
        videos, clips, subtitles: how many can be searched; subtitles by line.
        paths: files that were looked at, whether or not they could be read.
        duration_s: seconds of video in all.
        lines: BCP-47 tag -> subtitle lines.
        problems: files that were left out or read in part, by path.
        updated_at: when the last file was indexed, ISO 8601; empty if there is none.
    """

    videos: int
    clips: int
    subtitles: int
    paths: int
    duration_s: float
    lines: Mapping[str, int]
    problems: tuple[ProblemFile, ...]
    updated_at: str


def contents_of(searchable: SearchIndex, snapshot: TableReader) -> Contents:
    """Count what is in ``searchable``, and look up the table of files."""
    files = snapshot.read(FILES, ["path", "status", "message", "indexed_at"]).sort_by("path")
    problems = files.filter(pc.not_equal(files["message"], "")).to_pylist()
    return Contents(
        videos=len(searchable.videos),
        clips=len(searchable.clips),
        subtitles=len(searchable.subtitles),
        paths=len(files),
        duration_s=float(pc.sum(searchable.videos["duration_s"]).as_py() or 0.0),
        lines=_counts(searchable.subtitles["language"]),
        problems=tuple(ProblemFile(row["path"], row["status"] != OK, row["message"]) for row in problems),
        updated_at=pc.max(files["indexed_at"]).as_py() or "",
    )


def _counts(values: pa.ChunkedArray) -> dict[str, int]:
    return {pair["values"]: pair["counts"] for pair in pc.value_counts(values).to_pylist()}
