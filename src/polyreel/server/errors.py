"""Errors that only a server has, and which status each error answers with."""

from __future__ import annotations

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

__all__ = [
    "ForbiddenError",
    "OverloadError",
    "RequestError",
    "SlowError",
    "TooLargeError",
    "TooManyError",
    "UnauthorisedError",
    "document_of",
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


class TooManyError(PolyreelError):
    """One client asks for too much."""


class OverloadError(PolyreelError):
    """All clients together ask for too much."""


# The first that fits counts.
_STATUS: tuple[tuple[type[PolyreelError], int], ...] = (
    (UnauthorisedError, 401),
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (LibraryBusyError, 409),
    (TooLargeError, 413),
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


def document_of(error: PolyreelError) -> ErrorDocument:
    """The error as the API answers with it."""
    item, value = (None if fact is None else str(fact) for fact in (error.item, error.value))
    facts = ErrorFacts(
        kind=type(error).__name__,
        message=str(error),
        what=error.what,
        item=item,
        value=value,
        remedy=error.remedy,
    )
    return ErrorDocument(error=facts)
