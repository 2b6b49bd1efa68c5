"""The REST API, version 1: the results of the library as JSON. Errors are ``ErrorDocument``."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel

from polyreel._version import __version__
from polyreel.client.documents import (
    ErrorDocument,
    HealthDocument,
    IndexRequest,
    VideosDocument,
)
from polyreel.encoders.card import BundleCard
from polyreel.languages import MAX_QUERY_CHARS
from polyreel.library.results import (
    MODES,
    Contents,
    IndexStatus,
    LibraryClip,
    SearchResult,
    Timeline,
    Video,
)
from polyreel.library.search.filters import Filter
from polyreel.library.search.search_query import SearchQuery, text_query, vector_query
from polyreel.server.files import thumbnail_response, video_response
from polyreel.server.rendering import spoken_languages
from polyreel.server.state import Server, ServerState
from polyreel.server.uploads import form_in, read_example

__all__ = ["API", "ERRORS", "NOT_FOUND", "VideoId", "router"]

API = "/api/v1"
_MAX_TOP = 1_000

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorDocument, "description": "The request cannot be met as it is"},
    401: {"model": ErrorDocument, "description": "The token is missing or wrong"},
    422: {"model": ErrorDocument, "description": "A parameter or a file is not what it should be"},
    429: {"model": ErrorDocument, "description": "One client asks too often"},
    503: {"model": ErrorDocument, "description": "The library cannot be searched now"},
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorDocument, "description": "It is not here, or no longer"}
}
_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "A picture, or a clip of which the first minute is looked at",
                        }
                    },
                }
            }
        },
    }
}
_BINARY: dict[int | str, dict[str, Any]] = {
    200: {"content": {"video/*": {"schema": {"type": "string", "format": "binary"}}}},
    206: {"description": "The range that was asked for"},
    416: {"description": "The range lies beyond the end of the file"},
}

router = APIRouter(prefix=API, responses=ERRORS)

QueryText = Annotated[
    str, Query(min_length=1, max_length=MAX_QUERY_CHARS, description="What the video shows, in any language")
]
Top = Annotated[int, Query(ge=1, le=_MAX_TOP, description="How many hits")]
PerVideo = Annotated[
    int | None, Query(ge=1, le=_MAX_TOP, description="How many hits of one video at most; all by default")
]
MinMatch = Annotated[
    float, Query(ge=0, le=100, allow_inf_nan=False, description="Least strength of a hit, in percent")
]
Exact = Annotated[bool, Query(description="Compare with every vector as it is, in large libraries, too")]
LanguageTag = Annotated[
    str,
    Query(alias="lang", max_length=35, description="Language of the query, a BCP-47 tag; auto detects it"),
]
VideoId = Annotated[str, Path(min_length=1, max_length=64, description="Hash of the video's content")]
ClipId = Annotated[str, Path(min_length=1, max_length=64, description="Name of a clip, from a search")]


async def _filters(**conditions: Any) -> Filter:
    return Filter(**conditions)


# As ``Depends(Filter)``, but for the thread that FastAPI would take to make one (see ``ServerState``).
_filters.__signature__ = inspect.signature(Filter, eval_str=True)  # type: ignore[attr-defined]
Filters = Annotated[Filter, Depends(_filters)]


@router.get("/search", response_model=SearchResult, tags=["search"])
async def search(
    request: Request,
    server: ServerState,
    filters: Filters,
    q: QueryText,
    top: Top = 10,
    mode: Annotated[
        str, Query(max_length=64, description=f"{', '.join(MODES)}, or several joined by commas")
    ] = "hybrid",
    lang: LanguageTag = "auto",
    per_video: PerVideo = None,
    min_match: MinMatch = 0,
    exact: Exact = False,
) -> Response:
    """Moments that match a text in any language."""
    likely = [*spoken_languages(request), *server.snapshot.languages]
    query = text_query(
        q,
        top=top,
        mode=mode,
        language=lang,
        likely=likely,
        filters=filters,
        per_video=per_video,
        exact=exact,
    )
    return _json((await server.batcher.ask(query)).at_least(min_match / 100))


@router.get("/search/like/{clip_id}", response_model=SearchResult, responses=NOT_FOUND, tags=["search"])
async def search_like(
    server: ServerState,
    filters: Filters,
    clip_id: ClipId,
    top: Top = 10,
    per_video: PerVideo = None,
    exact: Exact = False,
) -> Response:
    """Moments that look like a clip of the library, without that clip."""
    library = server.library
    vector, space = library.vector_of(clip_id), library.bundle.card.identity
    query = vector_query(
        vector,
        top=top,
        filters=filters,
        exclude_clip=clip_id,
        space=space,
        per_video=per_video,
        exact=exact,
    )
    return await _answer(server, query)


@router.post("/search/example", response_model=SearchResult, openapi_extra=_UPLOAD, tags=["search"])
async def search_example(
    request: Request,
    server: ServerState,
    filters: Filters,
    top: Top = 10,
    per_video: PerVideo = None,
    exact: Exact = False,
) -> Response:
    """Moments that look like a picture or a clip."""
    async with form_in(request) as form:
        example = await read_example(form, server)
    query = vector_query(
        example.vector, top=top, filters=filters, space=example.space, per_video=per_video, exact=exact
    )
    return await _answer(server, query)


@router.get("/videos", response_model=VideosDocument, tags=["videos"])
def videos(
    server: ServerState,
    filters: Filters,
    skip: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
    top: Top = 100,
) -> Response:
    """Videos in order of path."""
    found = server.library.videos(skip=skip, top=top, filters=filters)
    total = int(server.snapshot.allowed_videos(filters).sum())
    return _json(VideosDocument(total=total, videos=tuple(found)))


@router.get("/videos/{video_id}", response_model=Video, responses=NOT_FOUND, tags=["videos"])
def video(server: ServerState, video_id: VideoId) -> Response:
    """One video."""
    return _json(server.library.video(video_id))


@router.get("/videos/{video_id}/moments", response_model=Timeline, responses=NOT_FOUND, tags=["videos"])
def timeline(server: ServerState, video_id: VideoId, q: QueryText, lang: LanguageTag = "auto") -> Response:
    """How well each clip of a video matches a text, in order of time."""
    query = text_query(q, language=lang, likely=server.snapshot.languages)
    found = server.library.video(video_id)
    clips = tuple(server.batcher.score_clips(video_id, query))
    return _json(Timeline(video=found, query=query.text, language=query.language, clips=clips))


@router.get(
    "/videos/{video_id}/file",
    response_class=Response,
    responses={**NOT_FOUND, **_BINARY},
    tags=["videos"],
)
def video_file(server: ServerState, video_id: VideoId) -> Response:
    """The file of a video; understands ``Range``."""
    return video_response(server.snapshot, video_id)


@router.get("/moments/{clip_id}", response_model=LibraryClip, responses=NOT_FOUND, tags=["moments"])
def clip(server: ServerState, clip_id: ClipId) -> Response:
    """One clip and its video."""
    return _json(server.library.clip(clip_id))


@router.get(
    "/thumbnails/{clip_id}",
    response_class=Response,
    responses={**NOT_FOUND, 200: {"content": {"image/jpeg": {}}}},
    tags=["moments"],
)
def thumbnail(server: ServerState, clip_id: ClipId) -> Response:
    """The picture of a clip, a JPEG."""
    return thumbnail_response(server.snapshot, clip_id)


@router.get("/library", response_model=Contents, tags=["library"])
def library(server: ServerState) -> Response:
    """What can be searched, and which files were left out or read in part."""
    return _json(server.library.contents())


@router.get("/bundle", response_model=BundleCard, tags=["library"])
def bundle(server: ServerState) -> Response:
    """The card of the model: what it is made of and how well it did in each language."""
    return _json(server.library.bundle.card)


@router.get("/index", response_model=IndexStatus, tags=["library"])
def index_status(server: ServerState) -> Response:
    """How far a running index is."""
    return _json(server.library.index_status())


@router.post(
    "/index",
    status_code=202,
    response_model=IndexStatus,
    responses={
        403: {"model": ErrorDocument, "description": "The folder is not allowed"},
        409: {"model": ErrorDocument, "description": "An index run is under way"},
    },
    tags=["library"],
)
def start_index(server: ServerState, request: IndexRequest) -> Response:
    """Start to index a folder, one of those that the server allows."""
    server.indexer.start(request.folder)
    return _json(IndexStatus(running=True), status=202)


@router.get("/health", response_model=HealthDocument, tags=["operation"])
def health(server: ServerState) -> Response:
    """Whether the process lives; needs no token, and says nothing about the library but its state."""
    return _json(_health(server))


@router.get(
    "/ready", response_model=HealthDocument, responses={503: {"model": HealthDocument}}, tags=["operation"]
)
def ready(server: ServerState) -> Response:
    """Whether searches can be answered now: 200 or 503; needs no token."""
    health_now = _health(server)
    return _json(health_now, status=200 if health_now.status == "ok" else 503)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    tags=["operation"],
)
def metrics(server: ServerState) -> Response:
    """Counts and times for Prometheus."""
    facts = {"usable": int(server.batcher.problem is None)}
    if facts["usable"]:
        snapshot = server.snapshot
        facts |= {"commit": snapshot.state.commit}
        facts |= {"videos": len(snapshot.index.videos), "clips": len(snapshot.index.clips)}
    server.metrics.library(facts)
    return Response(server.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _health(server: Server) -> HealthDocument:
    problem = server.batcher.problem
    return HealthDocument(
        status="failing" if problem else "ok",
        version=__version__,
        commit=None if problem else server.snapshot.state.commit,
        problem=problem.what if problem else None,
    )


async def _answer(server: Server, query: SearchQuery) -> Response:
    return _json(await server.batcher.ask(query))


def _json(document: BaseModel, *, status: int = 200) -> Response:
    # Written once, by pydantic itself: FastAPI would validate and convert what is valid already.
    return Response(document.model_dump_json(), status_code=status, media_type="application/json")
