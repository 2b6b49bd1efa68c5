"""Why a path that somebody named cannot be looked at, and what to do about it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from polyreel.errors import MediaError, UsageError

__all__ = ["irregular", "not_to_be_seen"]

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def not_to_be_seen(path: Path, error: OSError) -> UsageError:
    """What to say of a path that the system refuses.

    Args:
        path: from the root.
        error: of the system.
    """
    what, value, remedy = (
        "this cannot be looked at",
        error.strerror,
        "Check that its drive is mounted and works",
    )
    if isinstance(error, FileNotFoundError):
        what, value, remedy = "no such file or folder", None, "Check the path, and that its drive is mounted"
        if path.is_symlink():
            what, value = "a symbolic link leads nowhere", f"to {path.readlink()}"
            remedy = "Check that the drive it leads to is mounted, or name the folder itself"
    elif isinstance(error, PermissionError):
        closed = next((str(each) for each in reversed(path.parents) if not os.access(each, os.X_OK)), None)
        what, value = "there is no permission to look at this", error.strerror
        remedy = f"Check who may enter {closed or 'the folders above it'}"
    elif isinstance(error, NotADirectoryError):
        file = next((each for each in path.parents if os.path.isfile(each)), path.parent)  # noqa: PTH113
        what, value, remedy = (
            "a file has nothing within it",
            f"{file} is a file",
            "Name the file, or a folder",
        )
    elif error.errno == errno.ELOOP:
        what, value = "symbolic links lead back to themselves", None
        remedy = "Name the folder that the link should lead to"
    elif error.errno == errno.ENAMETOOLONG:
        what, value, remedy = "no path is as long as this", None, "Check it"
    return UsageError(what, item=path, value=value, remedy=remedy)


def irregular(path: Path, mode: int) -> MediaError:
    """What to say of something that is neither a file nor a folder.

    Args:
        path: of it.
        mode: as ``os.stat`` has it.
    """
    return MediaError(
        "not a regular file",
        item=path,
        value=_KINDS.get(stat.S_IFMT(mode)),
        remedy="Write what it gives into a file, and index that",
    )
