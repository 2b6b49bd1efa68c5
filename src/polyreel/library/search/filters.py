"""Which videos a search may find."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date, datetime
from numbers import Real
from typing import Annotated

from pydantic import Field

from polyreel.errors import UsageError, require_type
from polyreel.languages import UNKNOWN, parse_tag

__all__ = ["EVERYTHING", "Filter"]


_LONGEST_S = 32_000_000
_Duration = Annotated[float | None, Field(ge=0, le=_LONGEST_S)]


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions on videos, which hold all at once.

    Attributes:
        folder: below this folder, or this file; absolute, or from the library's common folder
            (``LibrarySnapshot.root``). A search where it holds no video is refused.
        min_duration_s, max_duration_s: length of the video in seconds, both included.
        subtitles: BCP-47 tag of a language that it has subtitles in; "und" is unknown.
        after, before: first and last day on which the file was last changed, UTC, both included.

    Raises:
        UsageError: a value is of another type or out of range, a span is empty, or ``subtitles`` is not a
            language tag.
    """

    # The limits and descriptions are those of the REST API, which takes each condition from the address.
    folder: Annotated[
        str | None, Field(max_length=4096, description="Only videos below this folder, or this video")
    ] = None
    min_duration_s: _Duration = None
    max_duration_s: _Duration = None
    subtitles: Annotated[
        str | None, Field(max_length=35, description="Only videos with subtitles in this language")
    ] = None
    after: Annotated[date | None, Field(description="Only files changed on this day or later")] = None
    before: Annotated[date | None, Field(description="Only files changed on this day or earlier")] = None

    def __post_init__(self) -> None:
        self._require_types()
        for low, high in ((self.min_duration_s, self.max_duration_s), (self.after, self.before)):
            if low is not None and high is not None and low > high:  # type: ignore[operator]
                raise UsageError(
                    "no video can match this filter", value=f"from {low} to {high}", remedy="Swap the two"
                )
        if self.subtitles not in {None, UNKNOWN}:
            tag = parse_tag(str(self.subtitles))
            if tag is None:
                raise UsageError(
                    "not a language tag", value=repr(self.subtitles), remedy="Use a tag such as en or sw"
                )
            object.__setattr__(self, "subtitles", tag)

    def _require_types(self) -> None:
        kinds: dict[str, type | tuple[type, ...]]
        kinds = {"folder": (str, os.PathLike), "subtitles": str, "after": date, "before": date}
        for name, kind in kinds.items():
            if getattr(self, name) is not None:
                require_type(getattr(self, name), kind, f"{name!r} of a filter")
        for name in ("after", "before"):
            if isinstance(getattr(self, name), datetime):
                raise UsageError(
                    f"{name!r} of a filter is a day", value=getattr(self, name), remedy="Take its date()"
                )
        for name in ("min_duration_s", "max_duration_s"):
            seconds = getattr(self, name)
            if seconds is not None:
                require_type(seconds, Real, f"{name!r} of a filter")
                if not 0 <= seconds <= _LONGEST_S:
                    raise UsageError(
                        f"{name!r} of a filter is out of range",
                        value=seconds,
                        remedy=f"Give seconds from 0 to {_LONGEST_S:,}",
                    )
        if self.folder is not None:
            object.__setattr__(self, "folder", os.fspath(self.folder))

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in self.__slots__)


EVERYTHING = Filter()
