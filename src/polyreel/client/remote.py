"""A library on a server, with the calls of a local one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urljoin, urlsplit

import httpx2
from pydantic import BaseModel, ValidationError

from polyreel import errors
from polyreel.client.documents import (
    ErrorDocument,
    LibraryDocument,
    ProgressDocument,
    SearchDocument,
    SubtitleDocument,
    TimelineDocument,
    VideoDocument,
    VideosDocument,
)
from polyreel.errors import PolyreelError, RemoteError
from polyreel.library.results import ClipScore, Hit, Mode, SearchResult, SubtitleEvidence
from polyreel.library.search.filters import EVERYTHING, Filter
from polyreel.library.search.snapshot import Video

__all__ = ["RemoteLibrary", "connect"]

_API = "api/v1/"
_NANOSECONDS = 1_000_000_000
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

    Results are those of ``polyreel.library.Library``, but ``video`` is the path from the library's common
    folder and ``thumbnail`` an address. Errors are those that the library raised there, and:

    Raises:
        RemoteError: the server cannot be reached, refuses the token, or is too busy.
    """

    def __init__(self, url: str, *, token: str | None = None, timeout_s: float = _TIMEOUT_S) -> None:
        self.url = url.rstrip("/") + "/"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # Addresses of servers are given, not looked up in the environment's proxy.
        self._http = httpx2.Client(
            base_url=self.url + _API, headers=headers, timeout=timeout_s, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def search(
        self,
        query: str,
        *,
        top: int = 10,
        mode: Mode = "hybrid",
        language: str = "auto",
        only: Filter = EVERYTHING,
    ) -> SearchResult:
        """As ``Library.search``."""
        parameters = {"q": query, "top": top, "mode": mode, "lang": language, **_conditions(only)}
        return self._result(self._get("search", SearchDocument, parameters))

    def search_like(self, clip_id: str, *, top: int = 10, only: Filter = EVERYTHING) -> SearchResult:
        """As ``Library.search_like``."""
        address = f"search/like/{quote(clip_id, safe='@')}"
        return self._result(self._get(address, SearchDocument, {"top": top, **_conditions(only)}))

    def search_example(self, path: Path, *, top: int = 10, only: Filter = EVERYTHING) -> SearchResult:
        """As ``Library.search_example``; the file is sent to the server."""
        with path.open("rb") as file:
            document = self._ask(
                "POST",
                "search/example",
                SearchDocument,
                params={"top": top, **_conditions(only)},
                files={"file": (path.name, file)},
            )
        return self._result(document)

    def clips_of(self, video_id: str, query: str, *, language: str = "auto") -> list[ClipScore]:
        """As ``Library.clips_of``."""
        address = f"videos/{quote(video_id, safe='')}/moments"
        found = self._get(address, TimelineDocument, {"q": query, "lang": language})
        return [
            ClipScore(**{**clip.model_dump(), "thumbnail": self._address(clip.thumbnail)})
            for clip in found.clips
        ]

    def video(self, video_id: str) -> Video:
        """As ``Library.video``."""
        return self._video(self._get(f"videos/{quote(video_id, safe='')}", VideoDocument))

    def videos(self, *, skip: int = 0, top: int = 100, only: Filter = EVERYTHING) -> list[Video]:
        """As ``Library.videos``."""
        found = self._get("videos", VideosDocument, {"skip": skip, "top": top, **_conditions(only)})
        return [self._video(video) for video in found.videos]

    def contents(self) -> LibraryDocument:
        """What is in the library, and which files were left out."""
        return self._get("library", LibraryDocument)

    def progress(self) -> ProgressDocument:
        """How far a running index has come."""
        return self._get("index", ProgressDocument)

    def index(self, folder: str) -> ProgressDocument:
        """Start to index a folder on the server, one of those that it allows.

        Raises:
            UsageError: the server does not allow that folder.
            LibraryBusyError: an index is running.
        """
        return self._ask("POST", "index", ProgressDocument, json={"folder": folder})

    def _get(
        self, address: str, kind: type[_Document], parameters: dict[str, Any] | None = None
    ) -> _Document:
        return self._ask("GET", address, kind, params=parameters)

    def _ask(self, method: str, address: str, kind: type[_Document], **options: Any) -> _Document:
        try:
            response = self._http.request(method, address, **options)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise RemoteError(
                "the server cannot be reached",
                item=self.url,
                value=error,
                remedy="Check the address and that 'polyreel serve' runs there",
            ) from error
        if not response.is_success:
            raise _refusal(response, self.url)
        try:
            return kind.model_validate_json(response.content)
        except ValidationError as error:
            raise _no_answer(self.url, response.status_code) from error

    def _address(self, relative: str) -> str:
        return urljoin(self.url, relative)

    def _result(self, document: SearchDocument) -> SearchResult:
        hits = tuple(
            Hit(
                video=hit.video,
                start_s=hit.start_s,
                end_s=hit.end_s,
                score=hit.score,
                rank=hit.rank,
                thumbnail=self._address(hit.thumbnail),
                visual=hit.evidence.visual,
                subtitle=_line(hit.evidence.subtitle),
                video_id=hit.video_id,
                clip_id=hit.clip_id,
                strength=hit.evidence.strength,
            )
            for hit in document.hits
        )
        return SearchResult(**{**document.model_dump(exclude={"hits"}), "hits": hits})

    def _video(self, document: VideoDocument) -> Video:
        return Video(
            id=document.id,
            path=document.name,
            name=document.name,
            duration_s=document.duration_s,
            clips=document.clips,
            subtitles=document.subtitles,
            size_bytes=document.size_bytes,
            mtime_ns=round(document.modified.timestamp() * _NANOSECONDS),
            thumbnail=self._address(document.thumbnail),
        )


def _line(document: SubtitleDocument | None) -> SubtitleEvidence | None:
    return None if document is None else SubtitleEvidence(document.text, document.language)


def _conditions(only: Filter) -> dict[str, Any]:
    return {name: str(value) for name, value in asdict(only).items() if value is not None}


def _refusal(response: httpx2.Response, url: str) -> PolyreelError:
    """The error that the server answered with, of the kind that was raised there where that is known here."""
    try:
        facts = ErrorDocument.model_validate_json(response.content).error
    except ValidationError:
        return _no_answer(url, response.status_code)
    kind = getattr(errors, facts.kind, None) if facts.kind in errors.__all__ else None
    if kind is None or kind is errors.UnknownNameError:
        kind = errors.UsageError if kind is not None else RemoteError
    error: PolyreelError = kind(facts.what, item=facts.item, value=facts.value, remedy=facts.remedy)
    return error


def _no_answer(url: str, status: int) -> RemoteError:
    return RemoteError(
        "the answer is not that of a polyreel server",
        item=url,
        value=f"status {status}",
        remedy="Check the address",
    )
