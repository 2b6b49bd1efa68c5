"""Which videos a search may find."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from polyreel.errors import UsageError

__all__ = ["EVERYTHING", "Filter"]


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions on videos, which hold all at once.

    Attributes:
        folder: below this folder; absolute, or from the library's common folder (``LibrarySnapshot.root``).
        min_duration_s, max_duration_s: length of the video in seconds, both included.
        subtitles: BCP-47 tag of a language that it has subtitles in.
        after, before: first and last day on which the file was last changed, UTC, both included.

    Raises:
        UsageError: a span is empty or negative.
    """

    folder: str | None = None
    min_duration_s: float | None = None
    max_duration_s: float | None = None
    subtitles: str | None = None
    after: date | None = None
    before: date | None = None

    def __post_init__(self) -> None:
        for low, high in ((self.min_duration_s, self.max_duration_s), (self.after, self.before)):
            if low is not None and high is not None and low > high:  # type: ignore[operator]
                raise UsageError(
                    "no video can match this filter", value=f"from {low} to {high}", remedy="Swap the two"
                )

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in self.__slots__)


EVERYTHING = Filter()
