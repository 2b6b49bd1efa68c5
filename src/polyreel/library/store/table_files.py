"""See what Lance wrote onto the disk before ``library.json`` names it.

Lance leaves that to the operating system, so that a power cut could lose tables that the library already
counts on. And it overlooks a failure of the last write to a file: where a disk or a quota is full at that
moment the file is cut short, the table takes it all the same and can no longer be read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from polyreel.errors import LibraryError
from polyreel.files import sync

__all__ = ["TableFiles"]

_MAGIC = b"LANC"  # the last bytes of every file of Lance's own format


class TableFiles:
    """The files of a library's tables, of which those that are there already count as safe.

    Args:
        folder: the library.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._safe = set(self._all())

    def secure(self) -> None:
        """Check new files and wait until they are on the disk.

        Raises:
            LibraryError: a file was cut short.
            OSError: the disk fails.
        """
        new = set(self._all()) - self._safe
        for path in new:
            if path.suffix == ".lance":
                _require_whole(path)
        for path in new | {path.parent for path in new}:
            sync(path)
        self._safe |= new

    def _all(self) -> Iterator[Path]:
        for table in self._folder.glob("*.lance"):
            for folder, _, names in os.walk(table):
                yield from (Path(folder) / name for name in names)


def _require_whole(path: Path) -> None:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(_MAGIC)))
        if file.read() != _MAGIC:
            raise LibraryError(
                "the disk is full or fails: a file of the library was cut short",
                item=path,
                value=f"{size:,} bytes",
                remedy="Free some space and run the command again; what was committed is kept",
            )
