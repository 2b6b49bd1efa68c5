"""What a search found as a list for editors, players and spreadsheets: links of the page, part of the API."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from polyreel.client.documents import ErrorDocument
from polyreel.errors import MediaError, NotFoundError, UnknownNameError
from polyreel.library.exchange.exporting import EXPORT_FORMATS, Export, export_text
from polyreel.library.results import Hit, SearchResult
from polyreel.library.search.search_query import text_query
from polyreel.remote.address import place
from polyreel.server.api import (
    API,
    ERRORS,
    NOT_FOUND,
    Filters,
    LanguageTag,
    MinMatch,
    PerVideo,
    QueryText,
    Top,
)
from polyreel.server.files import CONDITIONAL_METHOD, attachment, video_file
from polyreel.server.rendering import spoken_languages, translations_for
from polyreel.server.search_params import SearchParams
from polyreel.server.state import Server, ServerState

__all__ = ["router"]

_KINDS = {
    "csv": "text/csv; charset=utf-8",
    "edl": "text/plain; charset=utf-8",
    "fcpxml": "application/xml",
    "m3u": "audio/x-mpegurl",
    "otio": "application/json",
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **ERRORS,
    **NOT_FOUND,
    503: {"model": ErrorDocument, "description": "Too many lists are waiting already"},
    200: {"content": dict.fromkeys(sorted({kind.partition(";")[0] for kind in _KINDS.values()}), _BINARY)},
}
# What some system or other does not take in the name of a file.
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+')
_MOST_CHARS = 60

router = APIRouter()

Kind = Annotated[str, Query(max_length=20, description=", ".join(sorted(EXPORT_FORMATS)))]


@router.get(f"{API}/search/export", response_class=Response, responses=_ANSWERS, tags=["search"])
async def export(
    request: Request,
    server: ServerState,
    filters: Filters,
    q: QueryText,
    to: Kind,
    top: Top = 10,
    mode: Annotated[str, Query(max_length=64)] = "hybrid",
    lang: LanguageTag = "auto",
    per_video: PerVideo = None,
    min_match: MinMatch = 0,
) -> Response:
    """Moments that match a text as a list for another program, in the format ``to``.

    Films are named by their paths; by a server that has a token, from the common folder of all videos. The
    name of the file says how many films could not be read and are left out.
    """
    likely = [*spoken_languages(request), *server.snapshot.languages]
    query = text_query(
        q, top=top, mode=mode, language=lang, likely=likely, filters=filters, per_video=per_video
    )
    result = (await server.batcher.ask(query)).at_least(min_match / 100)
    return await _list_of(request, server, result, result.hits, to, filters.folder)


@router.get("/export/{kind}", include_in_schema=False)
async def export_of_page(
    request: Request, server: ServerState, kind: Annotated[str, Path(max_length=20)]
) -> Response:
    """What the page of this search shows, as a list."""
    params = SearchParams.of(request.query_params)
    result = await server.batcher.ask(params.query(server, spoken_languages(request)))
    result = result.at_least(params.least)
    return await _list_of(request, server, result, result.hits[: params.top], kind, params.folder or None)


async def _list_of(
    request: Request,
    server: Server,
    result: SearchResult,
    hits: Sequence[Hit],
    kind: str,
    folder: str | None,
) -> Response:
    if kind not in EXPORT_FORMATS:
        raise UnknownNameError("format", kind[:20], EXPORT_FORMATS)
    if CONDITIONAL_METHOD in request.scope:  # HEAD: nobody sees what would be made
        return Response(media_type=_KINDS[kind])
    title = result.query or "polyreel"
    async with server.decoding.slot():
        # A client that has gone does not end the thread, which reads the films.
        made = await asyncio.shield(run_in_threadpool(_export, server, hits, kind, title, folder))
    name = " ".join(_NOT_IN_NAMES.sub(" ", title).split())[:_MOST_CHARS].strip(" .") or "polyreel"
    if made.left_out:
        translations = translations_for(request)
        left_out = translations.ngettext(
            "%(num)s film left out", "%(num)s films left out", len(made.left_out)
        )
        name += f" ({left_out})"
    headers = {"content-disposition": attachment(f"{name}.{kind}"), "cache-control": "private, no-store"}
    return Response(made.content, media_type=_KINDS[kind], headers=headers)


def _export(server: Server, hits: Sequence[Hit], kind: str, title: str, folder: str | None) -> Export:
    snapshot = server.snapshot
    video_of = {place(hit.video): hit.video_id for hit in hits}
    if server.settings.token is None:  # who sees this page is at home here
        hits = [hit.model_copy(update={"video": str(snapshot.path_of(hit.video))}) for hit in hits]
        video_of = {snapshot.path_of(str(path)): video for path, video in video_of.items()}

    def there(path: FilePath) -> FilePath:
        try:
            return video_file(snapshot, video_of[path], folder=folder)[0]
        except NotFoundError as error:
            raise MediaError(error.what, item=error.item, remedy=error.remedy) from error

    return export_text(hits, kind=kind, title=title, place=there)
