"""Files that were left out and have moved since."""

from __future__ import annotations

from polyreel.library.store.store import TableReader
from polyreel.library.store.tables import FILES, OK
from polyreel.remote.address import existing

__all__ = ["left_out_and_moved"]


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
