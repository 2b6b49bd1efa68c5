"""What an address of the page asks for, and back: every search is a link that can be shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from urllib.parse import urlencode

from polyreel.errors import QueryError
from polyreel.languages import UNKNOWN, clean
from polyreel.library.results import Question
from polyreel.library.search.filters import Filter
from polyreel.server.errors import RequestError
from polyreel.server.state import Server

__all__ = ["LENGTHS", "Asked"]

LENGTHS: Mapping[str, tuple[float | None, float | None]] = {
    "short": (None, 60.0),
    "medium": (60.0, 600.0),
    "long": (600.0, None),
}
"""Choices of the filter for length -> least and most seconds."""

_PAGE = 24
_MOST = 240


@dataclass(frozen=True, slots=True)
class Asked:
    """One address of the search page.

    Attributes:
        q: query text.
        lang: its language, "auto" to detect it.
        mode: what is searched.
        like: ``clip_id`` of a moment to look like.
        example: name of an uploaded picture or clip.
        folder, length, subtitles, after, before: filters; empty for none.
        top: how many moments are shown.
    """

    q: str = ""
    lang: str = "auto"
    mode: str = "hybrid"
    like: str = ""
    example: str = ""
    folder: str = ""
    length: str = ""
    subtitles: str = ""
    after: str = ""
    before: str = ""
    top: int = _PAGE

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Asked:
        """What a query string asks for; what it does not know it leaves."""
        names = {each.name for each in fields(cls)} - {"top"}
        known = {name: value for name, value in parameters.items() if name in names and value}
        top = parameters.get("top", "")
        shown = int(top) if top.isascii() and top.isdigit() and len(top) < 9 else _PAGE
        return cls(**known, top=min(max(shown, 1), _MOST))

    @property
    def is_search(self) -> bool:
        """Whether it asks for anything."""
        return bool(clean(self.q) or self.like or self.example)

    @property
    def filters(self) -> int:
        """How many filters are set."""
        return sum(
            bool(value) for value in (self.folder, self.length, self.subtitles, self.after, self.before)
        )

    @property
    def address(self) -> str:
        """The shortest address that asks for the same."""
        plain = Asked()
        given = {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if getattr(self, each.name) != getattr(plain, each.name)
        }
        return "/?" + urlencode(given) if given else "/"

    @property
    def more(self) -> Asked | None:
        """The same with more moments, None if there is no more to be had."""
        return None if self.top >= _MOST else replace(self, top=min(self.top + _PAGE, _MOST))

    def but(self, **changes: str) -> Asked:
        """The same with something else in places, from the first moments on."""
        return replace(self, top=_PAGE, **changes)

    def only(self) -> Filter:
        """The filters.

        Raises:
            RequestError: one of them is not of a kind that there is.
        """
        if self.length and self.length not in LENGTHS:
            raise RequestError("no such length", value=repr(self.length[:20]))
        low, high = LENGTHS.get(self.length, (None, None))
        try:
            after, before = (date.fromisoformat(day) if day else None for day in (self.after, self.before))
        except ValueError as error:
            raise RequestError("not a date", value=error) from error
        return Filter(self.folder or None, low, high, self.subtitles or None, after, before)

    def question(self, server: Server) -> Question:
        """The search to do; one more moment than is shown, to know whether there are more.

        Raises:
            QueryError: nothing is asked for, or the query is too long.
            NotFoundError: the moment or the example is not there.
            UsageError: the mode or the language is none.
        """
        top, only = self.top + 1, self.only()
        if self.example:
            vector = server.examples.get(self.example).vector
            return Question("", UNKNOWN, top, "visual", only, vector)
        if self.like:
            return Question("", UNKNOWN, top, "visual", only, server.library.vector_of(self.like), self.like)
        if not self.is_search:
            raise QueryError("the query is empty", remedy="Type what the video shows")
        return server.library.question(
            self.q,
            top=top,
            mode=self.mode,  # type: ignore[arg-type]
            language=self.lang,
            only=only,
        )
