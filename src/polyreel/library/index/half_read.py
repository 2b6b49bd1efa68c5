"""Films that a run read in part: the clips of their beginning are kept, and the next run goes on after them.

Such a film has a row of status "partial" among the files, so that its clips belong to somebody, and none of
them is laid out for searching until the film is whole. Its clips are committed in their order, so that the
end of the last one says how far it was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from polyreel.errors import MediaError
from polyreel.library.store.store import TableReader
from polyreel.library.store.tables import CLIPS, PARTIAL, UNREADABLE
from polyreel.units import clock

__all__ = ["half_read_message", "kept_of_half_read"]


def kept_of_half_read(tables: TableReader, rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """How far the half-read videos among ``rows`` of the table of files were read: hash -> seconds."""
    begun = {row["video"] for row in rows if row["status"] in {PARTIAL, UNREADABLE} and row["video"]}
    if not begun:
        return {}
    ends = tables.read(CLIPS, ["video", "end_s"]).group_by("video").aggregate([("end_s", "max")])
    return {row["video"]: row["end_s_max"] for row in ends.to_pylist() if row["video"] in begun}


def half_read_message(path: Path, kept_s: float) -> str:
    """What is said of a half-read file."""
    return str(
        MediaError(
            "the file was read in part and cannot be searched yet",
            item=path,
            value=f"the first {clock(kept_s)} are kept",
            remedy="Run index again; it goes on from there",
        )
    )
