"""Films of a bucket as files of this disk, for as long as they are read and while there is room.

Readers, above all the limited process that decodes, need neither the network nor anybody's credentials. A
version of an object (its address, size and ``ObjectFacts.mtime_ns``) has a folder of its own, named by a
digest, so that no name leads anywhere else. Whoever reads holds a shared lock; what nobody holds goes when
room is needed, the longest unused first.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from polyreel.errors import MediaError, UsageError
from polyreel.files import cache_dir
from polyreel.remote.address import BucketPath
from polyreel.remote.answers import SILENT_S, FetchStopped, answer
from polyreel.remote.objects import ObjectFacts, facts_of, range_of

__all__ = [
    "ObjectChangedError",
    "UnreachableError",
    "local_file",
    "reached_file",
    "spool_bytes",
    "spool_folder",
    "stat_within",
]

_GB = 10**9
_DEFAULT_GB = 20.0
_VARIABLE = "POLYREEL_BUCKET_CACHE_GB"
_RANGE_BYTES = 8 << 20
_TRIES = 3
_PATIENCE_S = 0.2
# So much is left to everybody else on the disk.
_RESERVE_BYTES = 256 << 20
# Longer ones are not read as subtitles (media/subtitles.py), which says so.
_MOST_BESIDE_BYTES = 64 << 20
_PART, _FILES = "part", "files"


class UnreachableError(MediaError):
    """A file could not be fetched from the bucket that it lies in: no verdict on the file."""


class ObjectChangedError(OSError):
    """An object was replaced while it was fetched."""


def spool_folder() -> Path:
    """Where films of buckets are kept; it can be deleted while nothing reads them."""
    return cache_dir() / "bucket"


def spool_bytes() -> int:
    """How much may be kept there, bytes: 20 GB, or what ``POLYREEL_BUCKET_CACHE_GB`` says.

    Raises:
        UsageError: that is no number.
    """
    given = os.environ.get(_VARIABLE, "")
    try:
        size_gb = float(given) if given else _DEFAULT_GB
    except ValueError:
        size_gb = -1.0
    if not 0 <= size_gb < float("inf"):
        raise UsageError(f"{_VARIABLE} is no number of gigabytes", value=repr(given), remedy="Write 20")
    return round(size_gb * _GB)


def stat_within(path: Path, seconds: float) -> os.stat_result:
    """What ``path.lstat`` says, of a bucket only if that answers soon.

    Args:
        path: a file, or an object.
        seconds: how long a bucket is waited for.

    Raises:
        OSError: as ``lstat``; ``TimeoutError`` where the bucket has not answered.
    """
    if not isinstance(path, BucketPath):
        return path.lstat()
    return answer(path.stat, within_s=seconds)


@contextmanager
def local_file(
    path: Path, *, beside: Sequence[str] = (), stop: threading.Event | None = None
) -> Iterator[Path]:
    """The file of a path, to be read within the block: itself, or what was fetched of an address.

    An object that is larger than all that may be kept is fetched, too, and is gone after the block.

    Args:
        path: a file, or an object.
        beside: names of files in its folder that are to lie beside it. One that is gone is not there.
        stop: once it is set, fetching ends with ``FetchStopped``.

    Raises:
        FileNotFoundError: the object is not there.
        ObjectChangedError: it was replaced meanwhile.
        OSError: it, or a file beside it, cannot be fetched, or the disk is full.
        UsageError: the packages for it are not installed.
    """
    if not isinstance(path, BucketPath):
        yield path
        return
    if path.name in {"", ".", ".."}:  # an object may be called so, and no file
        raise OSError(errno.EINVAL, "the name of the object cannot be that of a file", str(path))
    stop = stop or threading.Event()
    most, facts = spool_bytes(), answer(path.facts, stop=stop)
    if facts.is_folder:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    entry = _Entry.of(facts)
    target = entry.folder / _FILES / path.name

    def fetch(stop: threading.Event) -> None:
        _make_room(entry, facts.size_bytes, most)
        _fetch(facts, entry.folder / _PART, target, stop)

    try:
        with entry.held(target, fetch, stop):
            for name in beside:
                _fetch_beside(path.with_name(name), target.with_name(name), entry.folder, stop)
            yield target
    finally:
        if facts.size_bytes > most:
            _drop_unused(most)


@contextmanager
def reached_file(
    path: Path, *, beside: Sequence[str] = (), stop: threading.Event | None = None
) -> Iterator[Path]:
    """As ``local_file``, for those who deal with media: what fails at fetching is an ``UnreachableError``.

    Args: those of ``local_file``.
    """
    with contextlib.ExitStack() as held:
        try:
            file = held.enter_context(local_file(path, beside=beside, stop=stop))
        except OSError as error:
            raise UnreachableError(
                "the film could not be fetched from its bucket",
                item=path,
                value=error.strerror,
                remedy="Check the bucket and the network",
            ) from error
        yield file


class _Entry:
    """A version of an object: a folder of files, and beside it the file of its lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock_file = folder.with_suffix(".lock")

    @classmethod
    def of(cls, facts: ObjectFacts) -> _Entry:
        """That of an object as it is now."""
        version = f"{facts.size_bytes}\0{facts.mtime_ns}\0{facts.address}"
        return cls(spool_folder() / hashlib.sha256(version.encode()).hexdigest()[:32])

    @contextmanager
    def held(
        self, target: Path, fetch: Callable[[threading.Event], None], stop: threading.Event
    ) -> Iterator[None]:
        """Within the block ``target`` is there, fetched if it was not, and nobody drops it."""
        folder = self.folder.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            with contextlib.ExitStack() as opened:
                descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                opened.callback(os.close, descriptor)
                _lock(descriptor, fcntl.LOCK_SH, stop)
                if self._is_at(descriptor) and not target.exists():
                    _lock(descriptor, fcntl.LOCK_EX, stop)
                    if self._is_at(descriptor) and not target.exists():
                        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                        fetch(stop)
                    _lock(descriptor, fcntl.LOCK_SH, stop)
                # Between two kinds of lock there is none, and somebody may have dropped it.
                if self._is_at(descriptor) and target.exists():
                    os.utime(descriptor)
                    yield
                    return

    def drop(self) -> None:
        """Remove it, if nobody holds it."""
        try:
            descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._is_at(descriptor):
                shutil.rmtree(self.folder, ignore_errors=True)
                self._lock_file.unlink(missing_ok=True)
        except BlockingIOError:
            return
        finally:
            os.close(descriptor)

    def _is_at(self, descriptor: int) -> bool:
        """Whether this is the lock that others would take; a dropped entry has another one, or none."""
        try:
            return os.path.samestat(os.fstat(descriptor), self._lock_file.stat())
        except FileNotFoundError:
            return False

    @property
    def used_at(self) -> float:
        """When it was used last, seconds since 1970."""
        try:
            return self._lock_file.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    @property
    def size_bytes(self) -> int:
        """What it takes."""
        total = 0
        for home, _, names in os.walk(self.folder):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    total += (Path(home) / name).stat().st_size
        return total


def _lock(descriptor: int, kind: int, stop: threading.Event) -> None:
    """Take a shared or an exclusive lock, or change to it, once others allow it."""
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if stop.wait(_PATIENCE_S):
                raise FetchStopped from None
        else:
            return


def _entries() -> list[_Entry]:
    """All that is kept, the longest unused first."""
    with contextlib.suppress(FileNotFoundError):
        found = [_Entry(file.with_suffix("")) for file in spool_folder().glob("*.lock")]
        return sorted(found, key=lambda entry: entry.used_at)
    return []


def _drop_unused(most: int, *, coming: int = 0, but: Path | None = None) -> None:
    """Drop what is used least until ``coming`` bytes more are within the bound, as far as nobody holds it."""
    entries = _entries()
    sizes = {entry.folder: entry.size_bytes for entry in entries}
    left = sum(sizes.values()) + coming
    for entry in entries:
        if left <= most:
            return
        if entry.folder != but:
            entry.drop()
            left -= sizes[entry.folder] - entry.size_bytes


def _make_room(entry: _Entry, size_bytes: int, most: int) -> None:
    begun = entry.size_bytes
    _drop_unused(most, coming=size_bytes - begun, but=entry.folder)
    wanted = size_bytes - begun + _RESERVE_BYTES
    if _free_bytes() < wanted:
        _drop_unused(0, but=entry.folder)
    if (free := _free_bytes()) < wanted:
        left = max(0, free - _RESERVE_BYTES)
        said = (
            f"{size_bytes / _GB:.1f} GB have to be fetched, and {left / _GB:.1f} GB are free "
            f"in {entry.folder.parent} (POLYREEL_CACHE names another place)"
        )
        raise OSError(errno.ENOSPC, said)


def _free_bytes() -> int:
    return shutil.disk_usage(spool_folder()).free


def _fetch(facts: ObjectFacts, part: Path, target: Path, stop: threading.Event) -> None:
    """Have an object as a file, going on after whole ranges that an earlier try left in ``part``."""
    with part.open("ab") as file:
        done = os.fstat(file.fileno()).st_size // _RANGE_BYTES * _RANGE_BYTES
        file.truncate(done)
        while done < facts.size_bytes:
            end = min(done + _RANGE_BYTES, facts.size_bytes)
            file.write(_range(facts, done, end, stop))
            file.flush()
            os.fsync(file.fileno())  # what is gone on after has to be what was fetched
            done = end
    if answer(lambda: facts_of(facts.address), stop=stop) != facts:
        part.unlink()
        raise _changed(facts)
    part.replace(target)


def _range(facts: ObjectFacts, start: int, end: int, stop: threading.Event) -> bytes:
    tries = 0
    while True:
        if stop.is_set():
            raise FetchStopped
        try:
            piece = answer(
                lambda: range_of(facts.address, start, end),
                stop=stop,
                # Many bytes can take long. Is the bucket there at all?
                within_s=SILENT_S,
                on_silence=lambda: answer(lambda: facts_of(facts.address), stop=stop),
            )
            if len(piece) == end - start:
                return piece
            failure = OSError(errno.EIO, f"{len(piece):,} bytes came of {end - start:,}", facts.address)
        except (FileNotFoundError, PermissionError, TimeoutError):
            raise
        except OSError as error:
            failure = error
        if answer(lambda: facts_of(facts.address), stop=stop) != facts:
            raise _changed(facts)
        tries += 1
        if tries == _TRIES:
            raise failure
        stop.wait(_PATIENCE_S)


def _changed(facts: ObjectFacts) -> ObjectChangedError:
    return ObjectChangedError(errno.ESTALE, "the object was replaced while it was read", facts.address)


def _fetch_beside(path: Path, target: Path, scratch: Path, stop: threading.Event) -> None:
    """A small file beside the film, always anew: it has a version of its own."""
    assert isinstance(path, BucketPath)
    temporary = scratch / (f"beside-{os.getpid()}-{threading.get_ident()}")
    try:
        facts = answer(path.facts, stop=stop)
        with temporary.open("wb") as file:
            if facts.size_bytes <= _MOST_BESIDE_BYTES:
                file.write(_range(facts, 0, facts.size_bytes, stop) if facts.size_bytes else b"")
            else:
                file.truncate(facts.size_bytes)  # takes no room, and its reader says how long it is
        temporary.replace(target)
    except FileNotFoundError:  # its reader says that it is not there
        target.unlink(missing_ok=True)
    except OSError as error:
        # A film that was read without it would never be read with it.
        raise OSError(error.errno, f"{error.strerror}, at {path.name} beside it", str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
