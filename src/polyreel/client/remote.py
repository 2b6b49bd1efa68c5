"""A library on a server, with the calls of a local one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ValidationError

from polyreel import errors
from polyreel.client.documents import ErrorDocument, VideosDocument
from polyreel.errors import PolyreelError, RemoteError
from polyreel.extras import missing_extra
from polyreel.library.results import (
    Contents,
    IndexStatus,
    LibraryClip,
    Mode,
    SearchResult,
    Timeline,
    Video,
)
from polyreel.library.search.filters import EVERYTHING, Filter
from polyreel.library.search.search_query import example_file

if TYPE_CHECKING:
    import httpx2

__all__ = ["RemoteLibrary", "connect"]

_API = "api/v1/"
# Decoding an example takes longest, and the server gives up before this.
_TIMEOUT_S = 60.0

_Document = TypeVar("_Document", bound=BaseModel)


def connect(url: str, *, token: str | None = None, timeout_s: float = _TIMEOUT_S) -> RemoteLibrary:
    """The library that a ``polyreel serve`` at ``url`` serves.

    Args:
        url: such as ``http://127.0.0.1:8420``.
        token: what the server asks for beyond its own machine.
        timeout_s: how long to wait for an answer.

    Raises:
        RemoteError: nothing answers there, or not a polyreel server.
        UsageError: the package for HTTP is not installed.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise RemoteError("not the address of a server", item=url, remedy="Use http://HOST:PORT")
    library = RemoteLibrary(url, token=token, timeout_s=timeout_s)
    try:
        library.contents()
    except BaseException:
        library.close()
        raise
    return library


class RemoteLibrary:
    """Searches a library elsewhere. Made by ``connect``; close it after use, or use it in a ``with``.

    Results are those of ``Library``, with addresses for paths. Errors are those that the library raised
    there, and RemoteError: the server cannot be reached, refuses the token, or is too busy.

    Args:
        url: address of the server.
        token: what the server asks for beyond its own machine.
        timeout_s: how long to wait for an answer.

    Raises:
        UsageError: the package for HTTP is not installed.
    """

    def __init__(self, url: str, *, token: str | None = None, timeout_s: float = _TIMEOUT_S) -> None:
        # Imported late: nothing else that polyreel does needs an HTTP client.
        try:
            import httpx2
        except ModuleNotFoundError as error:
            raise missing_extra(
                "serve", "a package that the client needs is not installed", item=error.name
            ) from error
        self.url = url.rstrip("/") + "/"
        self._failures = (httpx2.HTTPError, httpx2.InvalidURL)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # Addresses of servers are given, not looked up in the environment's proxy.
        self._http = httpx2.Client(
            base_url=self.url + _API, headers=headers, timeout=timeout_s, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def calibrate(self) -> None:
        """Nothing: a server measures how much a match means by itself, after each commit."""

    def search(
        self,
        query: str,
        *,
        top: int = 10,
        mode: Mode = "hybrid",
        language: str = "auto",
        likely: Sequence[str] = (),
        filters: Filter = EVERYTHING,
        per_video: int | None = None,
        exact: bool = False,
    ) -> SearchResult:
        """The moments that match ``query`` best.

        Args: those of ``Library.search``, as are the errors.
        """
        parameters = {
            "q": query,
            "mode": mode,
            "lang": language,
            **_shown(top, per_video, filters, exact=exact),
        }
        headers = {"Accept-Language": ", ".join(likely)} if likely else {}
        return self._ask("GET", "search", SearchResult, params=parameters, headers=headers)

    def search_like(
        self,
        clip_id: str,
        *,
        top: int = 10,
        filters: Filter = EVERYTHING,
        per_video: int | None = None,
        exact: bool = False,
    ) -> SearchResult:
        """The moments that look most like a clip.

        Args: those of ``Library.search_like``, as are the errors.
        """
        address = f"search/like/{quote(clip_id, safe='@')}"
        return self._get(address, SearchResult, _shown(top, per_video, filters, exact=exact))

    def search_example(
        self,
        path: str | os.PathLike[str],
        *,
        top: int = 10,
        filters: Filter = EVERYTHING,
        per_video: int | None = None,
        exact: bool = False,
    ) -> SearchResult:
        """The moments that look most like a picture or a clip, which is sent to the server.

        Args: those of ``Library.search_example``, as are the errors.
        """
        example = example_file(path)
        with example.open("rb") as file:
            return self._ask(
                "POST",
                "search/example",
                SearchResult,
                params=_shown(top, per_video, filters, exact=exact),
                files={"file": (example.name, file)},
            )

    def timeline(self, video_id: str, query: str, *, language: str = "auto") -> Timeline:
        """How well each clip of a video matches.

        Args: those of ``Library.timeline``, as are the errors.
        """
        address = f"videos/{quote(video_id, safe='')}/moments"
        return self._get(address, Timeline, {"q": query, "lang": language})

    def clip(self, clip_id: str) -> LibraryClip:
        """A clip and its video. Errors are those of ``Library.clip``."""
        return self._get(f"moments/{quote(clip_id, safe='@')}", LibraryClip)

    def video(self, video_id: str) -> Video:
        """A video of the library. Errors are those of ``Library.video``."""
        return self._get(f"videos/{quote(video_id, safe='')}", Video)

    def videos(self, *, skip: int = 0, top: int = 100, filters: Filter = EVERYTHING) -> list[Video]:
        """Videos in order of path.

        Args: those of ``Library.videos``.
        """
        found = self._get("videos", VideosDocument, {"skip": skip, "top": top, **_conditions(filters)})
        return list(found.videos)

    def contents(self) -> Contents:
        """What can be searched, and which files were left out or read in part."""
        return self._get("library", Contents)

    def index_status(self) -> IndexStatus:
        """How far a running index has come."""
        return self._get("index", IndexStatus)

    def index(self, folder: str) -> IndexStatus:
        """Start to index a folder on the server, one of those that it allows.

        Raises:
            RemoteError: the server does not allow that folder.
            LibraryBusyError: an index is running.
        """
        return self._ask("POST", "index", IndexStatus, json={"folder": folder})

    def _get(
        self, address: str, kind: type[_Document], parameters: dict[str, Any] | None = None
    ) -> _Document:
        return self._ask("GET", address, kind, params=parameters)

    def _ask(self, method: str, address: str, kind: type[_Document], **options: Any) -> _Document:
        try:
            response = self._http.request(method, address, **options)
        except self._failures as error:
            raise RemoteError(
                "the server cannot be reached",
                item=self.url,
                value=error,
                remedy="Check the address and that 'polyreel serve' runs there",
            ) from error
        if not response.is_success:
            raise _error_in(response, self.url)
        try:
            # A newer server may say more than is known here.
            return kind.model_validate_json(response.content, context=self.url, extra="ignore")
        except ValidationError as error:
            raise _not_polyreel(self.url, response.status_code) from error


def _shown(top: int, per_video: int | None, filters: Filter, *, exact: bool) -> dict[str, Any]:
    """Parameters that say which hits come; what is as by default is not sent."""
    counts = {"top": top} if per_video is None else {"top": top, "per_video": per_video}
    return {**counts, **({"exact": True} if exact else {}), **_conditions(filters)}


def _conditions(filters: Filter) -> dict[str, Any]:
    return {name: str(value) for name, value in asdict(filters).items() if value is not None}


def _error_in(response: httpx2.Response, url: str) -> PolyreelError:
    """The error that the server answered with, of the kind that was raised there where that is known here."""
    try:
        facts = ErrorDocument.model_validate_json(response.content, extra="ignore").error
    except ValidationError:
        return _not_polyreel(url, response.status_code)
    kind = getattr(errors, facts.kind, None) if facts.kind in errors.__all__ else None
    if kind is None or kind is errors.UnknownNameError:
        kind = errors.UsageError if kind is not None else RemoteError
    error: PolyreelError = kind(facts.what, item=facts.item, value=facts.value, remedy=facts.remedy)
    return error


def _not_polyreel(url: str, status: int) -> RemoteError:
    return RemoteError(
        "the answer is not that of a polyreel server",
        item=url,
        value=f"status {status}",
        remedy="Check the address",
    )
