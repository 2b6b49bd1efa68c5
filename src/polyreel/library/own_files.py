"""Files that are a library's, and that nothing is written over."""

from __future__ import annotations

from pathlib import Path

from polyreel.errors import UsageError
from polyreel.library.store.state import read_state
from polyreel.library.store.store import open_snapshot
from polyreel.library.store.tables import FILES

__all__ = ["require_not_own"]


def require_not_own(library: Path, target: Path) -> None:
    """Refuse to write to a file of a library, or to a video that it knows.

    Args:
        library: its folder, whether or not a library is there.
        target: what is to be written.

    Raises:
        UsageError: it is such a file.
        LibraryError: the library cannot be read.
    """
    place = target.resolve()
    if place.is_relative_to(library.resolve()):
        raise UsageError(
            "nothing is written into the folder of a library", item=target, remedy="Name another folder"
        )
    if read_state(library) is None:
        return
    paths = open_snapshot(library).read(FILES, ["path"])["path"].to_pylist()
    if str(place) in paths or str(target) in paths:
        raise UsageError("this is a video of the library", item=target, remedy="Give another name")
