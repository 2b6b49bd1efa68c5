"""The address of a film in a bucket, as a path: ``s3://bucket/films/a.mp4``."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path, PosixPath
from typing import Any, Self
from urllib.parse import quote

from polyreel.errors import UsageError
from polyreel.files import absolute
from polyreel.remote.answers import SILENT_S, answer
from polyreel.remote.objects import SCHEMES, ObjectFacts, facts_of, listing, range_of

__all__ = [
    "BucketPath",
    "asked_place",
    "bucket_answers",
    "existing",
    "film_place",
    "given_path",
    "in_bucket",
    "is_address",
    "is_below",
    "kept_place",
    "name_below",
    "on_a_disk",
    "place",
]

# A path has one slash where the address had two.
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/+(?P<rest>.*)", re.DOTALL)
_IN_FULL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<rest>.*)", re.DOTALL)
_NO_NAME_OF_A_BUCKET = re.compile(r"[^A-Za-z0-9._-]")


class BucketPath(PosixPath):
    """An address in a bucket, where a path is asked for: its parts, names and suffixes are those of a path.

    ``stat`` and what rests on it ask the bucket. Nothing opens it: ``spool.local_file`` has the file.
    """

    __slots__ = ()

    def __str__(self) -> str:
        text = super().__str__()
        scheme, colon, rest = text.partition(":/")
        return f"{scheme}://{rest}" if colon and scheme in SCHEMES else text

    def is_absolute(self) -> bool:
        """It is."""
        return True

    def absolute(self) -> Self:
        """Itself."""
        return self

    def expanduser(self) -> Self:
        """Itself."""
        return self

    def resolve(self, strict: bool = False) -> Self:
        """Itself."""
        del strict
        return self

    @property
    def bucket(self) -> BucketPath:
        """The bucket that it lies in."""
        return BucketPath(*self.parts[:2])

    def as_uri(self) -> str:
        """The address with all that browsers ask to be quoted."""
        scheme, _, rest = str(self).partition("://")
        return f"{scheme}://{quote(rest)}"

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Kind, size and time of modification (``ObjectFacts.mtime_ns``), as the bucket has them now.

        Raises:
            OSError: nothing lies there, or the bucket cannot be asked.
            UsageError: the packages for it are not installed.
        """
        del follow_symlinks
        return _stat_result(self.facts())

    def lstat(self) -> os.stat_result:
        """As ``stat``."""
        return self.stat()

    def exists(self, **_: Any) -> bool:
        """Whether something lies there that can be seen. Raises as ``stat``, but no OSError."""
        return self._facts_or_none() is not None

    def is_file(self, **_: Any) -> bool:
        """Whether it is an object. Raises as ``exists``."""
        facts = self._facts_or_none()
        return facts is not None and not facts.is_folder

    def is_dir(self, **_: Any) -> bool:
        """Whether objects lie below it. Raises as ``exists``."""
        facts = self._facts_or_none()
        return facts is not None and facts.is_folder

    def _facts_or_none(self) -> ObjectFacts | None:
        try:
            return self.facts()
        except OSError:
            return None

    def facts(self) -> ObjectFacts:
        """What the bucket says of it. Raises as ``stat``."""
        return facts_of(str(self))

    def entries(self) -> list[ObjectFacts]:
        """What lies directly below it. Raises as ``stat``."""
        return listing(str(self))

    def head(self, size_bytes: int) -> bytes:
        """Its first bytes. Raises as ``stat``."""
        end = min(size_bytes, self.facts().size_bytes)
        return answer(lambda: range_of(str(self), 0, end), within_s=SILENT_S)


class _OtherAddress(PosixPath):
    """An address that is none of a bucket: a path where nothing lies, shown as it was given."""

    __slots__ = ()

    def __str__(self) -> str:
        text = super().__str__()
        found = _ADDRESS.fullmatch(f"{text}/" if text.endswith(":") else text)
        if found is None:
            return text
        slashes = "///" if found["scheme"].lower() == "file" else "//"
        return f"{found['scheme']}:{slashes}{found['rest']}"

    def absolute(self) -> Self:
        """Itself."""
        return self


def given_path(given: str | Path) -> Path:
    """A path that somebody gave; an address keeps its slashes, unless a folder here is called as its scheme.

    Args:
        given: as it was given; of an address that was made a path by somebody else, two slashes are assumed.

    Raises:
        UsageError: an address in a bucket names none, or has a part that no path keeps.
    """
    text = str(given) if isinstance(given, Path) or "://" not in given else given.lstrip()
    found = _ADDRESS.fullmatch(text) if isinstance(given, Path) or "://" in text else None
    if found is None or os.path.lexists(f"{found['scheme']}:"):
        return Path(given)
    if (whole := _IN_FULL.fullmatch(text)) is not None and whole["scheme"].lower() in SCHEMES:
        _require_names(whole["scheme"].lower(), whole["rest"])
    return _OtherAddress(text)


def _require_names(scheme: str, rest: str) -> None:
    """That an address in a bucket has a bucket, and between its slashes what a path keeps.

    Args:
        scheme: in small letters.
        rest: what follows the two slashes.
    """
    bucket, *parts = rest.removesuffix("/").split("/")
    _, at, behind = rest.rpartition("@")  # before it may be a password, and a slash in that
    asked = f"{scheme}://{'…@' if at else ''}{behind}"
    if "@" in bucket:
        raise UsageError(
            "an address with a user or a password is not taken",
            item=f"{scheme}://…@{bucket.rpartition('@')[2]}",
            remedy=f"Say who asks in the environment: {SCHEMES[scheme]}",
        )
    if not bucket:
        raise UsageError(
            "this is no address in a bucket",
            item=asked,
            value="it names no bucket" if parts else None,
            remedy=f"Write {scheme}://BUCKET/FOLDER",
        )
    if (odd := _NO_NAME_OF_A_BUCKET.search(bucket)) is not None:
        raise UsageError(
            "no bucket has such a name",
            item=asked,
            value=f"{odd[0]!r} stands in it",
            remedy=f"Write {scheme}://BUCKET/FOLDER; an endpoint of your own is named in the environment",
        )
    if odd_parts := {"", ".", ".."} & set(parts):
        raise UsageError(
            "this is no address in a bucket",
            item=asked,
            value="two slashes with nothing between" if "" in odd_parts else f"a folder {max(odd_parts)!r}",
            remedy=f"Write {scheme}://BUCKET/FOLDER, with one slash between names",
        )


def _stat_result(facts: ObjectFacts) -> os.stat_result:
    kind = stat.S_IFDIR if facts.is_folder else stat.S_IFREG
    seconds = facts.mtime_ns // 10**9
    times = (seconds, seconds, seconds)
    shown = {"st_mtime": facts.mtime_ns / 1e9, "st_mtime_ns": facts.mtime_ns}
    return os.stat_result((kind | 0o444, 0, 0, 1, 0, 0, facts.size_bytes, *times), shown)


def is_address(path: Path) -> bool:
    """Whether something begins as an address does, of whatever kind; the letter of a drive is none."""
    return _ADDRESS.fullmatch(str(path)) is not None


def in_bucket(path: str) -> bool:
    """Whether a path, as a library keeps it, is an address in a bucket."""
    scheme, colon, _ = path.partition("://")
    return bool(colon) and scheme in SCHEMES


def place(path: str) -> Path:
    """A path as a library keeps it: absolute, or an address."""
    return BucketPath(path) if in_bucket(path) else Path(path)


def name_below(path: str, root: Path) -> str:
    """A path from ``root``; an address where that is no folder of addresses.

    Args:
        path: as a library keeps it.
        root: the folder that holds all of the library's videos.
    """
    in_other = in_bucket(path) and not isinstance(root, BucketPath)
    return path if in_other else os.path.relpath(path, root)


def asked_place(path: Path) -> Path:
    """What somebody asked for, from the root: an address, unless a file or folder here has that very name.

    Args:
        path: as it was given, by which an address has lost one of its slashes.

    Raises:
        UsageError: it holds a user or a password, or is none; see ``given_path``.
    """
    text = str(path)
    found = _ADDRESS.fullmatch(f"{text}/" if text.endswith(":") else text)
    if found is None or found["scheme"].lower() not in SCHEMES or os.path.lexists(path):
        return absolute(path)
    scheme, rest = found["scheme"].lower(), found["rest"].strip("/")
    _require_names(scheme, rest)
    return BucketPath(f"{scheme}://{rest}")


def kept_place(path: Path) -> Path:
    """As ``asked_place``, as libraries keep what was asked for: without ``..``, and links are not followed.

    Args:
        path: as it was given.

    Raises:
        UsageError: as there.
    """
    asked = asked_place(path)
    return asked if isinstance(asked, BucketPath) else Path(os.path.normpath(asked))


def is_below(path: str, root: Path) -> bool:
    """Whether a path, as a library keeps it, is that of ``root``, or lies anywhere below it.

    Args:
        path: which.
        root: of ``kept_place``.
    """
    folder = str(root).rstrip("/")
    return path == folder or path.startswith(f"{folder}/")


def film_place(path: Path) -> Path:
    """As ``kept_place``, of a film or a folder of films that is to be read.

    Args:
        path: as it was given.

    Raises:
        UsageError: as there, or it is an address of another kind.
    """
    found = kept_place(path)
    if (
        is_address(given := given_path(path))
        and not isinstance(found, BucketPath)
        and not os.path.lexists(path)
    ):
        raise UsageError(
            "addresses of this kind are not read",
            item=given,
            value=f"those of {' and '.join(f'{scheme}://' for scheme in SCHEMES)} are",
            remedy="Mount what it names, and name the folder of the mount",
        )
    return found


def on_a_disk(given: str | Path) -> Path:
    """A file or folder that is written or kept open, from the root.

    Args:
        given: as it was given.

    Raises:
        UsageError: it is an address, in a bucket or of another kind.
    """
    found = asked_place(given_path(given))
    if is_address(found):
        raise UsageError(
            "only films are read from buckets; this has to lie on a disk",
            item=found,
            remedy="Name a folder of this machine or of a mount",
        )
    return found


def existing(paths: list[str]) -> set[str]:
    """Which paths are there now. Of a bucket each folder is listed once; one that cannot be, holds nothing.

    Args:
        paths: as a library keeps them.
    """
    there: set[str] = set()
    folders: dict[str, set[str]] = {}
    unreachable: set[Path] = set()
    for path in paths:
        if not in_bucket(path):
            if os.path.exists(path):  # noqa: PTH110  a million paths need no objects
                there.add(path)
            continue
        folder = path.rpartition("/")[0]
        if folder not in folders:
            folders[folder] = _objects_in(BucketPath(folder), unreachable)
        if path in folders[folder]:
            there.add(path)
    return there


def _objects_in(folder: BucketPath, unreachable: set[Path]) -> set[str]:
    """Addresses of the objects directly in a folder; none if it cannot be listed.

    Args:
        folder: the address.
        unreachable: buckets that are not asked again; to be added to.
    """
    bucket = folder.bucket
    if bucket in unreachable:
        return set()
    try:
        return {each.address for each in folder.entries() if not each.is_folder}
    except (FileNotFoundError, PermissionError):
        return set()
    except OSError:
        # Each question to a network that is down takes seconds, and a library may know thousands of folders.
        if not bucket_answers(bucket):
            unreachable.add(bucket)
        return set()


def bucket_answers(bucket: BucketPath) -> bool:
    """Whether questions to a bucket are answered at all, if only with a no."""
    try:
        bucket.facts()
    except (FileNotFoundError, PermissionError):
        return True
    except OSError:
        return False
    return True
