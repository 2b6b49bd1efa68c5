"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["new_folder", "write_whole"]


def write_whole(path: Path, text: str) -> None:
    """Replace ``path`` by ``text``; a crash at any time leaves the old or the new content."""
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A scratch folder that becomes ``path``, on the disk with all its files, when the block ends well."""
    scratch = path.with_name(f".{path.name}-{os.getpid()}")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        yield scratch
        for file in scratch.iterdir():
            _sync(file)
        _sync(scratch)
        shutil.rmtree(path, ignore_errors=True)
        scratch.replace(path)
        _sync(path.parent)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
