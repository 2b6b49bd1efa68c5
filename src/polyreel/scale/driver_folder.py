"""The folder of what Ray writes on this machine, and those that killed drivers have left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["driver_folder"]

_PLACE = Path("/tmp")  # noqa: S108  what lies deeper is too long for the names of sockets
_NAME, _UNFINISHED = "polyreel-ray-", ".polyreel-ray-"


@contextlib.contextmanager
def driver_folder(place: Path = _PLACE) -> Iterator[Path]:
    """A folder for as long as this process is the driver of a cluster; what dead drivers left is removed.

    Each driver holds a lock on its folder, which the system frees when the process ends, however it ends, and
    which holds between containers too, where numbers of processes tell nothing.

    Args:
        place: where it lies.

    Raises:
        OSError: it cannot be made.
    """
    for found in place.glob(f"{_NAME}*"):
        _remove_if_left(found)
    made = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=place))
    # Under its name it is locked: another driver that looks for leftovers never finds it free.
    folder = made.with_name(made.name.removeprefix("."))
    lock = _opened(made)
    try:
        with contextlib.suppress(OSError):  # where there are no locks, no driver removes another's
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        made.rename(folder)
        yield folder
    finally:
        for each in (made, folder):
            shutil.rmtree(each, ignore_errors=True)
        os.close(lock)


def _remove_if_left(folder: Path) -> None:
    """Remove a folder of this user alone that no process has locked. Links are not followed."""
    with contextlib.suppress(OSError):
        lock = _opened(folder)
        try:
            facts = os.fstat(lock)
            if facts.st_uid == os.geteuid() and stat.S_IMODE(facts.st_mode) == stat.S_IRWXU:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)


def _opened(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
