"""The errors that polyreel raises on purpose; rooms derive finer ones of their own from these.

    PolyreelError
    ├── UsageError              the caller asked for something that cannot be (exit code 2)
    │   ├── QueryError          an empty, over-long or unusable query
    │   ├── RecipeError         a recipe with mistakes; lists all of them
    │   └── UnknownNameError    a name that no registry holds; carries the nearest one
    ├── MediaError              a file that cannot be read as video or subtitles
    │   ├── DecodeError         the file opens but nothing in it decodes
    │   ├── LimitError          decoding passed its time or memory limit
    │   └── WorkerKilledError   something outside ended the decoder twice; says nothing about the file
    ├── FetchError              an archive or one of its members could not be had
    │   └── ChecksumError       bytes arrived, but not the expected ones
    ├── DatasetError            a dataset is missing or not as it should be
    ├── ResultError             a results file that cannot be read or compared
    ├── TrainingError           a training run that cannot start, go on or be resumed
    ├── BundleError             a bundle is missing, damaged or of another schema
    ├── NotFoundError           a video or moment that the library does not hold
    ├── RemoteError             a polyreel server cannot be reached or refuses
    └── LibraryError            a library cannot be opened or written
        ├── LibraryBusyError    another process is writing it
        ├── LibraryVersionError a newer or unknown schema
        └── BundleMismatchError the library was made by another bundle

A message says what failed, on which item, the value that was found and what to do next.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from numbers import Integral, Real

from polyreel.units import printable

__all__ = [
    "BundleError",
    "BundleMismatchError",
    "ChecksumError",
    "DatasetError",
    "DecodeError",
    "FetchError",
    "LibraryBusyError",
    "LibraryError",
    "LibraryVersionError",
    "LimitError",
    "MediaError",
    "NotFoundError",
    "PolyreelError",
    "QueryError",
    "RecipeError",
    "RemoteError",
    "ResultError",
    "TrainingError",
    "UnknownNameError",
    "UsageError",
    "WorkerKilledError",
]


_SPOKEN = {
    str: "text",
    int: "a whole number",
    float: "a number",
    Integral: "a whole number",
    Real: "a number",
    Mapping: "a mapping of names to values",
    os.PathLike: "a path",
}


class PolyreelError(Exception):
    """Base of all polyreel errors.

    Args:
        what: what failed, as a clause without a full stop.
        item: the file, name or row it failed on.
        value: the value that was found there.
        remedy: what the reader can do next, as a sentence without a full stop.
    """

    exit_code = 1

    def __init__(
        self, what: str, *, item: object = None, value: object = None, remedy: str | None = None
    ) -> None:
        self.what, self.item, self.value, self.remedy = what, item, value, remedy
        super().__init__(what)

    def __str__(self) -> str:
        head = self.what
        if self.item is not None:
            head += f": {self.item}"
        if self.value is not None:
            head += f" ({self.value})"
        return " ".join(_sentence(part) for part in (head, self.remedy) if part)

    def __repr__(self) -> str:
        # In a list of them, as in a report, the item is what one looks for.
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling between processes.
        return (_rebuild, (type(self), self.what, self.item, self.value, self.remedy))


def _sentence(text: str) -> str:
    """With a full stop, unless it has an end of its own."""
    return text if text.endswith((".", "?", "!")) else text + "."


def require_type(value: object, kinds: type | tuple[type, ...], name: str) -> None:
    """Refuse an argument of another type with a message, where Python would fail somewhere within.

    Args:
        value: the argument.
        kinds: types that it may be of; ``bool`` is not taken for a number.
        name: what it is, for the message.

    Raises:
        UsageError: it is of none of them.
    """
    allowed = kinds if isinstance(kinds, tuple) else (kinds,)
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        wanted = " or ".join(_SPOKEN.get(kind, kind.__name__) for kind in allowed)
        raise UsageError(f"{name} must be {wanted}", value=f"{value!r:.60} ({type(value).__name__})")


def require_seed(seed: object) -> None:
    """Refuse what a random generator cannot begin at.

    Raises:
        UsageError: it is not a whole number, or negative.
    """
    require_type(seed, Integral, "the seed")
    if int(seed) < 0:  # type: ignore[call-overload]
        raise UsageError("the seed must not be negative", value=seed, remedy="Give 0 or more")


def require_positive(value: object, name: str) -> None:
    """Refuse a number that is not above 0 and finite.

    Args:
        value: the argument.
        name: what it is, for the message.

    Raises:
        UsageError: it is not such a number.
    """
    require_type(value, Real, name)
    if not 0 < float(value) < float("inf"):  # type: ignore[arg-type]
        raise UsageError(f"{name} must be above 0 and finite", value=value)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The remedy for a wrong name: the nearest of the known ones, or else all of them."""
    names = sorted(known)
    near = nearest(name, names)
    return f"Did you mean {near!r}?" if near else f"Known: {', '.join(names) or 'none'}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a wrong one is nearest to; None if none is near."""
    # Imported late: most commands end without a wrong name.
    import difflib

    return next(iter(difflib.get_close_matches(str(name), list(known), n=1)), None)


def _rebuild(
    kind: type[PolyreelError], what: str, item: object, value: object, remedy: str | None
) -> PolyreelError:
    error = kind.__new__(kind)
    PolyreelError.__init__(error, what, item=item, value=value, remedy=remedy)
    return error


class UsageError(PolyreelError):
    """The request itself cannot be met, whatever the data."""

    exit_code = 2


class QueryError(UsageError):
    """A query is empty, too long or otherwise unusable."""


class RecipeError(UsageError):
    """A recipe cannot be used; ``value`` holds a line for each mistake."""

    def __str__(self) -> str:
        if not isinstance(self.value, tuple):
            return super().__str__()
        head = self.what if self.item is None else f"{self.what}: {self.item}"
        return "\n  ".join([head, *map(str, self.value)])


class UnknownNameError(UsageError):
    """A name that the registry does not hold.

    Args:
        kind: what the name should have named, such as "bundle".
        name: the name that was given.
        known: the names that exist; the nearest is offered.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"no {kind} has this name", item=repr(name), remedy=did_you_mean(name, known))


class MediaError(PolyreelError):
    """A file cannot be read as video or as subtitles."""

    def __str__(self) -> str:
        return printable(super().__str__())


class DecodeError(MediaError):
    """The container opens, but no frame comes out of it."""


class LimitError(MediaError):
    """Decoding passed the time or memory limit that was set for one file."""


class WorkerKilledError(MediaError):
    """The decoder was ended from outside, by a person or for lack of memory: no verdict on the file."""


class FetchError(PolyreelError):
    """An archive, or a member of it, could not be had."""


class ChecksumError(FetchError):
    """The bytes that arrived are not the expected ones."""


class DatasetError(PolyreelError):
    """A dataset is missing, incomplete or not in the expected format."""


class ResultError(PolyreelError):
    """A results file is missing, of another schema, or cannot be compared."""


class TrainingError(PolyreelError):
    """A training run cannot start, go on or be resumed."""


class BundleError(PolyreelError):
    """A bundle is missing, damaged or of an unknown schema."""


class NotFoundError(PolyreelError):
    """A video, a moment or an example that is not there, or no longer."""


class RemoteError(PolyreelError):
    """A polyreel server cannot be reached, or its answer is no answer."""


class LibraryError(PolyreelError):
    """A library cannot be opened, read or written."""


class LibraryBusyError(LibraryError):
    """Another process holds the library's write lock."""


class LibraryVersionError(LibraryError):
    """The library's schema is newer than this program."""


class BundleMismatchError(LibraryError):
    """The library holds embeddings of another bundle."""
