"""Errors that only a server has, and which status each error answers with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Self

from polyreel.client.documents import ErrorDocument, ErrorFacts
from polyreel.errors import (
    BundleError,
    LibraryBusyError,
    LibraryError,
    LimitError,
    MediaError,
    NotFoundError,
    PolyreelError,
    UsageError,
)
from polyreel.remote.address import in_bucket, place
from polyreel.remote.objects import SCHEMES
from polyreel.remote.spool import UnreachableError

__all__ = [
    "EndingError",
    "ForbiddenError",
    "OverloadError",
    "RangeError",
    "RequestError",
    "SlowError",
    "TooLargeError",
    "TooManyError",
    "UnauthorisedError",
    "document_of",
    "public_error",
    "status_of",
]


class RequestError(UsageError):
    """The request is not one that the server understands."""


class SlowError(RequestError):
    """The request does not arrive in time."""


class UnauthorisedError(PolyreelError):
    """The token is missing or wrong."""


class ForbiddenError(PolyreelError):
    """The request comes from a page of another site, or asks for what this server does not give."""


class TooLargeError(PolyreelError):
    """The request is larger than the server takes."""


class RangeError(PolyreelError):
    """No part of the range that was asked for lies in the file; ``value`` is the file's size."""


class TooManyError(PolyreelError):
    """One client asks for too much."""

    retry_after_s = 2.0

    @classmethod
    def after(cls, what: str, wait_s: float) -> Self:
        """The error of a client that may ask again in ``wait_s`` seconds."""
        error = cls(what, remedy=f"Try again in {wait_s:.1f} s")
        error.retry_after_s = wait_s
        return error


class OverloadError(PolyreelError):
    """All clients together ask for too much."""


class EndingError(LibraryError):
    """The server ends before what was asked for is there."""


# The first that fits counts.
_STATUS: tuple[tuple[type[PolyreelError], int], ...] = (
    (UnauthorisedError, 401),
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (LibraryBusyError, 409),
    (TooLargeError, 413),
    (RangeError, 416),
    (UnreachableError, 503),
    (LimitError, 422),
    (MediaError, 422),
    (TooManyError, 429),
    (OverloadError, 503),
    (LibraryError, 503),
    (BundleError, 503),
    (SlowError, 408),
    (UsageError, 400),
)


def status_of(error: PolyreelError) -> int:
    """The HTTP status that says the same."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


# An absolute path of at least two parts in a text; addresses of this server are none.
_PATH = re.compile(r"(?<![\w/:.~<>-])/(?!api/)(?:[^\s/'\":,;()<>]+/)+[^\s'\":,;()<>]*")


# As a bucket's; a name without its ending is cut at a space, as that of a path is.
_ADDRESS = re.compile(rf"\b(?:{'|'.join(SCHEMES)})://(?:[^\s/'\":,;()<>]+/)*([^\s'\":,;()<>]*)")


def public_error(error: PolyreelError) -> PolyreelError:
    """The error without absolute paths of this machine, and without buckets: each is cut to its last part."""
    return PolyreelError(
        _without_paths(error.what),
        item=_public_fact(error.item),
        value=_public_fact(error.value),
        remedy=None if error.remedy is None else _without_paths(error.remedy),
    )


def _public_fact(fact: object) -> str | None:
    if fact is None:
        return None
    text = str(fact)
    is_path = isinstance(fact, Path) or (text.startswith("/") and "\n" not in text)
    if in_bucket(text) and "\n" not in text:
        return place(text).name
    return Path(text).name if is_path and Path(text).is_absolute() else _without_paths(text)


def _without_paths(text: str) -> str:
    return _PATH.sub(lambda match: Path(match[0]).name, _ADDRESS.sub(lambda match: match[1], text))


def document_of(error: PolyreelError) -> ErrorDocument:
    """The error as the API answers with it."""
    kind, error = type(error).__name__, public_error(error)
    item, value = (None if fact is None else str(fact) for fact in (error.item, error.value))
    facts = ErrorFacts(
        kind=kind,
        message=str(error),
        what=error.what,
        item=item,
        value=value,
        remedy=error.remedy,
    )
    return ErrorDocument(error=facts)
