"""What a bucket says: the objects below an address, facts of one, and ranges of its bytes.

Every failure is an ``OSError`` with a text, as of a file. Credentials and endpoints come from the environment
of whoever asks (``AWS_PROFILE``, ``AWS_ENDPOINT_URL``, ``GOOGLE_APPLICATION_CREDENTIALS``, ``FSSPEC_S3_ANON``
and so on), and nowhere else.
"""

from __future__ import annotations

import errno
import functools
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from zlib import crc32

from polyreel.errors import UsageError
from polyreel.extras import missing_extra
from polyreel.remote.answers import SILENT_S, answer

__all__ = ["SCHEMES", "ObjectFacts", "facts_of", "listing", "range_of"]

SCHEMES = {"s3": "AWS_PROFILE or AWS_ACCESS_KEY_ID", "gs": "GOOGLE_APPLICATION_CREDENTIALS"}
"""Scheme of an address -> the variables of the environment that say who asks."""

_PACKAGES = ("fsspec", "gcsfs", "s3fs")
_SECOND_NS = 10**9
# Of several lines of a failure the first says what it is; requests and their headers may follow.
_SAID_CHARS = 200
_TIMES, _TAGS = ("LastModified", "updated", "mtime", "created"), ("ETag", "etag", "generation")
_NOBODY_ASKS = {"NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError"}
# What may stand in the texts of other packages: nobody's password belongs into a message.
_USER_IN_URL = re.compile(r"//[^/\s@]*@")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """One object, or what is like a folder of them.

    Attributes:
        address: with its scheme, as the bucket names it; it may hold parts that no path has.
        is_folder: whether objects lie below it.
        size_bytes: 0 of a folder.
        mtime_ns: second in which the object was written, in nanoseconds since 1970, and below the second a
            checksum of its tag: it tells two objects of one size and second apart.
    """

    address: str
    is_folder: bool
    size_bytes: int = 0
    mtime_ns: int = 0


def facts_of(address: str) -> ObjectFacts:
    """Facts of an object, or of a folder: one request.

    Raises:
        FileNotFoundError: nothing lies there.
        OSError: the bucket cannot be asked, or is silent.
        UsageError: the packages for it are not installed.
    """
    return answer(
        lambda: _ask(address, lambda store, name: _facts(address, store.info(name))), within_s=SILENT_S
    )


def listing(address: str) -> list[ObjectFacts]:
    """What lies directly below a folder, asked for in pages. Raises as ``facts_of``."""

    def ask(store: Any, name: str) -> list[ObjectFacts]:
        scheme = _scheme(address)
        entries = store.ls(name, detail=True, refresh=True)
        found = (_facts(f"{scheme}://{str(entry['name']).lstrip('/')}", entry) for entry in entries)
        # An empty object whose name ends as a folder's stands for the folder.
        return [each for each in found if each.is_folder or not each.address.endswith("/")]

    # Many pages can take long. Is the bucket there at all?
    return answer(lambda: _ask(address, ask), within_s=SILENT_S, on_silence=lambda: facts_of(address))


def range_of(address: str, start: int, end: int) -> bytes:
    """Some bytes of an object, waited for however long they take. Raises as ``facts_of``, but for silence.

    Args:
        address: of the object.
        start, end: of the first byte, and of the one behind the last.
    """
    return _ask(address, lambda store, name: bytes(store.cat_file(name, start=start, end=end)))


def _facts(address: str, entry: dict[str, Any]) -> ObjectFacts:
    if entry["type"] == "directory":
        return ObjectFacts(address, is_folder=True)
    written = next((entry[key] for key in _TIMES if entry.get(key)), 0)
    if isinstance(written, str):
        written = datetime.fromisoformat(written)
    written = written.timestamp() if isinstance(written, datetime) else float(written)
    # Some services state fractions of a second in listings alone.
    tag = str(next((entry[key] for key in _TAGS if entry.get(key)), written))
    mtime_ns = int(written) * _SECOND_NS + crc32(tag.strip('"').encode()) % _SECOND_NS
    return ObjectFacts(address, is_folder=False, size_bytes=int(entry["size"]), mtime_ns=mtime_ns)


def _ask(address: str, question: Callable[[Any, str], _T]) -> _T:
    scheme, _, name = address.partition("://")
    try:
        return question(_store(scheme), name)
    except UsageError:
        raise
    except FileNotFoundError as error:
        said = _said(error) if "specified bucket" in str(error) else "nothing lies there"
        raise FileNotFoundError(errno.ENOENT, said, address) from error
    except PermissionError as error:
        said = f"{_said(error)}; {SCHEMES[scheme]} says who asks"
        raise PermissionError(errno.EACCES, said, address) from error
    # Packages of clouds raise errors of many kinds, which say no more to a reader than their text.
    except Exception as error:
        if type(error).__name__ in _NOBODY_ASKS:
            said = f"no credentials: set {SCHEMES[scheme]}"
            raise PermissionError(errno.EACCES, said, address) from error
        raise OSError(errno.EIO, _said(error), address) from error


@functools.cache
def _store(scheme: str) -> Any:
    try:
        # Imported late: most commands ask no bucket.
        import fsspec

        # They log what they raise as well, with tracebacks, which Python shows where nobody handles logs.
        for package in _PACKAGES:
            logging.getLogger(package).addHandler(logging.NullHandler())
        # What a bucket holds can change between two questions.
        return fsspec.filesystem(scheme, use_listings_cache=False)
    except ImportError as error:
        raise missing_extra("bucket", f"{scheme}:// is read with the extra 'bucket'", value=error) from error


def _scheme(address: str) -> str:
    return address.partition("://")[0]


def _said(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    lines = text.strip().splitlines() or [type(error).__name__]
    return _USER_IN_URL.sub("//", lines[0])[:_SAID_CHARS].rstrip(".")
