"""What an address of the page asks for, and back: every search is a link that can be shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from polyreel.errors import QueryError, UnknownNameError
from polyreel.languages import clean
from polyreel.library.results import Hit
from polyreel.library.search.filters import Filter
from polyreel.library.search.search_query import SearchQuery, text_query, vector_query
from polyreel.server.errors import RequestError
from polyreel.server.state import Server

__all__ = ["LENGTHS", "SearchParams", "require_known"]

LENGTHS: Mapping[str, tuple[float | None, float | None]] = {
    "short": (None, 60.0),
    "medium": (60.0, 600.0),
    "long": (600.0, None),
}
"""Choices of the filter for length -> least and most seconds."""

_PAGE = 24
_MOST = 240


@dataclass(frozen=True, slots=True)
class SearchParams:
    """One address of the search page.

    Attributes:
        q: query text.
        lang: its language, "auto" to detect it.
        mode: what is searched.
        like: ``clip_id`` of a clip to look like.
        example: name of an uploaded picture or clip.
        folder, length, subtitles, after, before: filters; empty for none.
        min_match: least strength of a moment, percent; empty for any.
        moments: "all" shows every moment, anything else the best of each video.
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
    min_match: str = ""
    moments: str = ""
    top: int = _PAGE

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> SearchParams:
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
    def filter_count(self) -> int:
        """Number of filters that are set."""
        return sum(
            bool(value)
            for value in (self.folder, self.length, self.subtitles, self.after, self.before, self.min_match)
        )

    @property
    def address(self) -> str:
        """The shortest address that asks for the same."""
        plain = SearchParams()
        given = {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if getattr(self, each.name) != getattr(plain, each.name)
        }
        return "/?" + urlencode(given) if given else "/"

    @property
    def more(self) -> SearchParams | None:
        """The same with more moments, None if there is no more to be had."""
        return None if self.top >= _MOST else replace(self, top=min(self.top + _PAGE, _MOST))

    def changed(self, **changes: str) -> SearchParams:
        """The same with something else in places, from the first moments on."""
        return replace(self, top=_PAGE, **changes)

    def video_address(self, video_id: str, start_s: float) -> str:
        """Address of a video's page, at a time of it, that keeps what is searched for."""
        return f"/videos/{video_id}" + self.moment_address(start_s)

    def moment_address(self, start_s: float, **more: str) -> str:
        """The same from another time of that page: the query string alone.

        Args:
            start_s: the time, seconds.
            more: further parameters; empty ones are left out.
        """
        found = {"q": self.q, "like": self.like, "example": self.example, **more}
        kept = {name: value for name, value in found.items() if value}
        if self.lang != "auto":
            kept["lang"] = self.lang
        return "?" + urlencode({"t": f"{start_s:.3f}", **kept})

    def play_address(self, hit: Hit) -> str:
        """Address of the page that plays a moment, which keeps what is searched for."""
        found = {"q": self.q, "like": self.like, "example": self.example}
        kept = {name: value for name, value in found.items() if value}
        span = {"start": f"{hit.watch_start_s:.3f}", "end": f"{hit.watch_end_s:.3f}"}
        return f"/play/{hit.video_id}?" + urlencode({**span, "clip": hit.clip_id, **kept}, safe="@")

    @property
    def least(self) -> float:
        """Least strength of a moment, 0 to 1.

        Raises:
            RequestError: it is not in percent.
        """
        text = self.min_match
        if text and not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 100):
            raise RequestError("the least match is not in percent", value=repr(text[:20]))
        return int(text or 0) / 100

    def filters(self) -> Filter:
        """The filters as the library takes them.

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

    def query(self, server: Server, spoken: Sequence[str] = ()) -> SearchQuery:
        """The search to do; one more moment than is shown, to know whether there are more.

        Args:
            server: what is searched.
            spoken: BCP-47 tags of languages that who asks is known to read, the likeliest first.

        Raises:
            QueryError: nothing is asked for, or the query is too long.
            NotFoundError: the clip or the example is not there.
            UsageError: there is no such mode or language.
        """
        top, filters = self.top + 1, self.filters()
        per_video = None if self.moments == "all" else 1
        if self.example:
            example = server.examples.get(self.example)
            return vector_query(
                example.vector, top=top, filters=filters, space=example.space, per_video=per_video
            )
        if self.like:
            library = server.library
            return vector_query(
                library.vector_of(self.like),
                top=top,
                filters=filters,
                exclude_clip=self.like,
                space=library.bundle.card.identity,
                per_video=per_video,
            )
        if not self.is_search:
            raise QueryError("the query is empty", remedy="Type what the video shows")
        mode: Any = self.mode  # text_query checks it
        likely = [*spoken, *server.snapshot.languages]
        return text_query(
            self.q,
            top=top,
            mode=mode,
            language=self.lang,
            likely=likely,
            filters=filters,
            per_video=per_video,
        )


def require_known(parameters: Mapping[str, str]) -> None:
    """Refuse an address of the search page that asks for what the page does not know.

    A search that leaves it out would show what it was to keep away.

    Raises:
        UnknownNameError: there is no such parameter.
    """
    names = [each.name for each in fields(SearchParams)]
    for name in parameters:
        if name not in names:
            raise UnknownNameError("parameter of a search", name[:64], names)
