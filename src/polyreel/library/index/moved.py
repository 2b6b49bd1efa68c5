"""Files that have moved, and what is gone with the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from polyreel.library.store.store import TableReader
from polyreel.library.store.tables import FILES, OK
from polyreel.remote.address import existing

__all__ = ["count_gone", "left_out_and_moved"]


def count_gone(
    snapshot: TableReader, known: Mapping[str, Mapping[str, Any]], gone: Iterable[str]
) -> tuple[int, int]:
    """How many files are gone with their content, and how many of which the content stays.

    A file that lies at another path since counts as neither.

    Args:
        snapshot: the library, which they have left.
        known: path -> row of the files that it held before.
        gone: paths of those that have left.
    """
    left = Counter(known[path]["video"] for path in gone)
    if not left:
        return 0, 0
    held, come = Counter[str](), Counter[str]()
    for row in snapshot.read_of_videos(FILES, ["path", "video"], sorted(left)).to_pylist():
        before = known.get(row["path"])
        held[row["video"]] += 1
        come[row["video"]] += before is None or before["video"] != row["video"]
    lost = copies = 0
    for video, files in left.items():
        unmoved = max(0, files - come[video])
        if video and held[video]:
            copies += unmoved
        else:
            lost += unmoved if video else files
    return lost, copies


def left_out_and_moved(snapshot: TableReader) -> list[str]:
    """Paths of files that were left out, or read in part, and are gone while their content lies elsewhere.

    Of those that can be searched such a path stays until its folder is looked at: a drive may not be mounted,
    and they would have to be read again. Of these nothing is lost.

    Args:
        snapshot: the library.
    """
    left_out = snapshot.read(FILES, ["path", "video"], where=f"status != '{OK}' AND video != ''").to_pylist()
    if not left_out:
        return []
    videos = sorted({row["video"] for row in left_out})
    paths = snapshot.read_of_videos(FILES, ["path", "video"], videos).to_pylist()
    there = existing([row["path"] for row in paths])
    elsewhere = {row["video"] for row in paths if row["path"] in there}
    return [row["path"] for row in left_out if row["path"] not in there and row["video"] in elsewhere]
