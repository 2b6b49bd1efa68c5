"""Files that a crash or a power cut leaves as they were or as they are to be, and never in between."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

__all__ = ["absolute", "sync", "write_atomically"]


def write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` so that a crash at any time leaves the old or the new content.

    Raises:
        OSError: the disk is full or fails; the old content is still there.
    """
    # Not tempfile's: its files stay private to their owner, and a library or a corpus is often shared.
    temporary = path.with_name(f".{path.name}-{os.getpid()}-{threading.get_ident()}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file, or the list of names of a folder, is on the disk.

    Raises:
        OSError: the disk fails.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def absolute(path: Path) -> Path:
    """``path`` from the root, ``~`` being the home folder."""
    with contextlib.suppress(RuntimeError):  # the home of nobody: it stays as it is and will not be found
        path = path.expanduser()
    return path.absolute()
