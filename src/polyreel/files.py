"""Files that a crash or a power cut leaves as they were or as they are to be, and locks between processes."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import platformdirs

from polyreel.errors import PolyreelError

__all__ = [
    "SCRATCH",
    "absolute",
    "cache_dir",
    "exclusive_lock",
    "finished_file",
    "new_file",
    "new_folder",
    "open_regular",
    "read_regular",
    "scratch_folder",
    "sync",
    "write_atomically",
]

SCRATCH = ".writing-"
"""What the names of scratch folders begin with. A killed process leaves them behind."""

_BRIEFLY = ", for a moment"  # what the file of a lock ends with that will be free within seconds
# Also how long the process that has just taken a lock has to say who it is.
_LOOK_EVERY_S = 0.2


def open_regular(path: Path) -> BinaryIO:
    """A file to read. In its place a pipe would wait for a writer, and a device may have no end.

    Raises:
        OSError: it cannot be read, or is not a regular file.
    """
    try:
        # A pipe is opened at once, too.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise _not_regular(path) from error
        raise
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISREG(kind):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise _not_regular(path)


def _not_regular(path: Path) -> OSError:
    return OSError(errno.EINVAL, "Not a regular file", str(path))


def read_regular(path: Path) -> bytes:
    """Content of a regular file.

    Raises:
        OSError: as ``open_regular``.
    """
    with open_regular(path) as file:
        return file.read()


def write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` so that a crash at any time leaves the old or the new content.

    Raises:
        OSError: the disk is full or fails; the old content is still there.
    """
    with new_file(path) as file:
        file.write(data)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to; it replaces ``path``, with all its content on the disk, when the block ends well.

    Raises:
        OSError: the disk is full or fails; the old content is still there.
    """
    # Not tempfile's: its files stay private to their owner, and a library or a dataset is often shared.
    temporary = path.with_name(f".{path.name}-{os.getpid()}-{threading.get_ident()}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


@contextmanager
def finished_file(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """A place for another program to write a file to; it becomes ``path`` when the block ends well.

    Args:
        path: the file; the place is in its folder, with its suffix.
        overwrite: whether it may replace a file that is there.

    Raises:
        FileExistsError: there is one, and it may not; also if it came while the block ran.
        OSError: the disk is full or fails; what was there is still there.
    """
    # Said of what was asked for, not of the place beside it, and before anything is written.
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
    temporary = path.with_name(f".{os.getpid()}-{threading.get_ident()}{path.suffix}")
    try:
        yield temporary
        sync(temporary)
        if overwrite:
            temporary.replace(path)
        else:
            _place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def _place(temporary: Path, path: Path) -> None:
    """Give a file its name unless another one has it."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        temporary.rename(path)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill; it replaces ``path``, with all files on the disk, when the block ends well.

    Raises:
        OSError: the disk is full or fails; the old folder is still there.
    """
    with scratch_folder(path.parent) as work:
        yield work
        for found in (*work.rglob("*"), work):
            sync(found)
        shutil.rmtree(path, ignore_errors=True)
        work.replace(path)
        sync(path.parent)


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """An empty folder below ``parent`` to fill and move away; what is not moved away is removed."""
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=SCRATCH) as private:
        # tempfile's folder stays private to its owner, wherever it is moved; one made in it does not.
        work = Path(private) / "work"
        work.mkdir()
        yield work


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


def cache_dir() -> Path:
    """Folder of everything that can be fetched or built again (``POLYREEL_CACHE`` overrides it)."""
    override = os.environ.get("POLYREEL_CACHE")
    return Path(override) if override else Path(platformdirs.user_cache_dir("polyreel"))


@contextmanager
def exclusive_lock(
    file: Path,
    *,
    busy: PolyreelError | None = None,
    briefly: bool = False,
    patience_s: float = 0.0,
    waiting: Callable[[], object] | None = None,
) -> Iterator[None]:
    """Hold a lock that one process has at a time; the system frees it when the process ends, even by a kill.

    Args:
        file: the lock file, in a folder that exists. It names the process that holds it, and stays.
        busy: raised, with the process that holds the lock as its ``value``, if the lock is taken; None waits.
        briefly: the lock will be free again within seconds, which its file says.
        patience_s: how long to wait, before ``busy`` is raised, for a process that holds it briefly.
        waiting: called once if the lock is taken and there is no ``busy``, before it is waited for.
    """
    # Imported late: it brings asyncio, which most commands do without.
    from filelock import FileLock, Timeout

    lock = FileLock(file)
    deadline = time.monotonic() + patience_s
    step_s = min(_LOOK_EVERY_S, patience_s)
    while True:
        try:
            lock.acquire(timeout=step_s)
            break
        except Timeout:
            if busy is None:
                if waiting is not None:
                    waiting()
                lock.acquire()
                break
            with contextlib.suppress(OSError, UnicodeDecodeError):
                busy.value = read_regular(file).decode() or None
            if time.monotonic() >= deadline or not str(busy.value).endswith(_BRIEFLY):
                raise busy from None
    try:
        with contextlib.suppress(OSError):  # on a full disk the lock holds all the same
            holder = f"process {os.getpid()} on {socket.gethostname()}"
            file.write_text(holder + (_BRIEFLY if briefly else ""), encoding="utf-8")
        yield
    finally:
        lock.release()
