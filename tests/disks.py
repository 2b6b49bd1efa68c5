"""Disks for tests: small ones that fill up, and ones that nothing can be written to."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, *, size_bytes: int) -> Iterator[Path]:
    """A file system of its own in ``folder``; skips where this process may not mount one."""
    folder.mkdir()
    mount(folder, "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def make_read_only(folder: Path) -> None:
    """Let nothing be written any more to a ``small_disk``."""
    mount(folder, "-o", "remount,ro")


def mount(folder: Path, *options: str) -> None:
    tool = shutil.which("mount")
    done = tool and subprocess.run([tool, *options, str(folder)], capture_output=True, text=True)
    if not done or done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip() if done else 'no mount'}")
