"""The pages: searching, one video, examples to search with."""

from __future__ import annotations

import asyncio
import base64
import math
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Request, Response
from starlette.responses import RedirectResponse

from polyreel.errors import PolyreelError
from polyreel.library.results import ClipScore, Question, SearchResult
from polyreel.server.errors import ForbiddenError, status_of
from polyreel.server.failures import failure_of
from polyreel.server.links import media_address, thumbnail_address
from polyreel.server.rendering import VISITOR_COOKIE, render, words_for
from polyreel.server.search_params import Asked
from polyreel.server.state import Server, ServerState
from polyreel.server.timeline import clock, strip
from polyreel.server.translations import Translations
from polyreel.server.uploads import form_in, read_example

__all__ = ["require_form_seal", "router"]

router = APIRouter(include_in_schema=False)

# Things of everyday life in four languages, so that the first look shows what the search understands.
_TRIES = (
    ("en", "a dog runs across the grass"),
    ("sw", "watu wanacheza"),
    ("zh", "海浪"),
    ("es", "un coche en la calle"),
)
_SHELF = 8
_MAX_FOLDERS = 200
# Shares of unrelated queries that a match surpasses.
_STRONG, _FAIR = 0.95, 0.8


@router.get("/")
async def search_page(request: Request, server: ServerState) -> Response:
    """The search page, or for htmx the part of it that changes."""
    asked = Asked.of(request.query_params)
    words = words_for(request)
    part = "hx-request" in request.headers and "hx-history-restore-request" not in request.headers
    context: dict[str, Any] = {"asked": asked, "part": part, "failure": None, "title": _title(asked)}
    status = 200
    try:
        if asked.is_search:
            question = asked.question(server)
            result = await server.desk.ask(question)
            context |= await asyncio.to_thread(_results, server, asked, question, result, words)
        else:
            context |= await asyncio.to_thread(_welcome, server)
        view = server.view
        context |= {"folders": view.folders[:_MAX_FOLDERS], "spoken": view.languages}
    except PolyreelError as error:
        status = status_of(error)
        context |= {"failure": failure_of(error, words), "folders": (), "spoken": ()}
    # htmx shows an answer whatever its status.
    response = render(request, "results.html" if part else "search.html", status=status, **context)
    if part:
        response.headers["hx-push-url"] = asked.address
    return response


@router.get("/videos/{video_id}")
def video_page(request: Request, server: ServerState, video_id: str = Path(max_length=64)) -> Response:
    """One video with its moments and where a query matches."""
    words = words_for(request)
    asked = Asked.of(request.query_params)
    video = server.library.video(video_id)
    at_s = _seconds(request.query_params.get("t", ""), most=video.duration_s)
    question = asked.question(server) if asked.is_search else None
    clips = server.desk.score_clips(video_id, question) if question else server.library.plain_clips(video_id)
    here = max((clip.start_s for clip in clips if clip.start_s <= at_s), default=0.0) if at_s else None

    def page(clip: ClipScore) -> str:
        return _video_page(video_id, clip.start_s, asked)

    shown = [
        {
            "page": page(clip),
            "start_s": clip.start_s,
            "start": clock(clip.start_s),
            "thumbnail": thumbnail_address(clip.clip_id),
            "strength": clip.strength if question else None,
            "is_here": clip.start_s == here,
            "like": "/?" + urlencode({"like": clip.clip_id}),
        }
        for clip in clips
    ]
    _ = words.gettext
    label = _("Where in the video it matches") if question else _("Moments of this video")
    return render(
        request,
        "video.html",
        asked=asked,
        folders=server.view.folders[:_MAX_FOLDERS],
        spoken=server.view.languages,
        video=video,
        clips=shown,
        strip=strip(clips, link=page, label=label) if question else "",
        query=asked.q,
        media=media_address(video_id, at_s if at_s else None),
        file=media_address(video_id),
        poster=thumbnail_address(server.view.middle_clip(video_id)),
        spoken_here=", ".join(words.language(tag) for tag in video.subtitles),
    )


@router.post("/example")
async def search_by_example(request: Request, server: ServerState) -> Response:
    """Take a picture or a clip and lead to its results, which have an address."""
    async with form_in(request) as form:
        require_form_seal(request, server, form.get("form"))
        example = await read_example(form, server)
    name = server.examples.keep(example)
    return RedirectResponse("/?" + urlencode({"example": name}), 303)


def require_form_seal(request: Request, server: Server, given: object) -> None:
    """Refuse a form that this server did not make for this browser.

    Raises:
        ForbiddenError: it was made elsewhere, or for another.
    """
    visitor = request.cookies.get(VISITOR_COOKIE, "")
    if not isinstance(given, str) or not server.seals.is_form(given, visitor):
        raise ForbiddenError("the form was not made for this browser", remedy="Open the page again")


def _title(asked: Asked) -> str:
    return f"{asked.q} · polyreel" if asked.q else "polyreel"


def _welcome(server: Server) -> dict[str, Any]:
    view = server.view
    count = len(view.searchable.videos)
    # From all over the library, the same ones as long as it does not change.
    rows = sorted({place * count // _SHELF for place in range(_SHELF)}) if count else []
    return {
        "contents": view.contents,
        "tries": _TRIES,
        "shelf": [
            {
                "id": (video := view.video(row)).id,
                "name": PurePosixPath(video.name).name,
                "thumbnail": thumbnail_address(view.middle_clip(video.id)),
            }
            for row in rows
        ],
    }


def _results(
    server: Server, asked: Asked, question: Question, result: SearchResult, words: Translations
) -> dict[str, Any]:
    hits = result.hits[: asked.top]
    more = asked.more if len(result.hits) > asked.top else None
    # The parts of the address that the form for the query's language has to keep.
    kept = [(name, value) for name, value in asdict(asked).items() if value and name not in {"lang", "top"}]
    return {
        "result": result,
        "hits": hits,
        "cards": [_card(server, asked, question, hit, words) for hit in hits],
        "more": more.address if more else None,
        "given": _given(server, asked),
        "kept_fields": kept,
        "unfiltered": asked.but(folder="", length="", subtitles="", after="", before="").address,
        "with_pictures": asked.but(mode="hybrid").address,
    }


def _card(server: Server, asked: Asked, question: Question, hit: Any, words: Translations) -> dict[str, Any]:
    view = server.view
    name = PurePosixPath(view.name(hit.video))
    folder = str(name.parent)
    clips = server.desk.score_clips(hit.video_id, question)
    return {
        "file": name.name,
        "folder": "" if folder == "." else folder,
        "start": clock(hit.start_s),
        "end": clock(math.ceil(hit.end_s)),
        "page": _video_page(hit.video_id, hit.start_s, asked),
        "media": media_address(hit.video_id, hit.start_s),
        "thumbnail": thumbnail_address(hit.clip_id),
        "strength": hit.strength,
        "verdict": _verdict(hit.strength, words),
        "subtitle": hit.subtitle,
        "strip": strip(clips, here=(hit.start_s, hit.end_s)),
        "like": "/?" + urlencode({"like": hit.clip_id}),
    }


def _verdict(strength: float | None, words: Translations) -> str:
    _ = words.gettext
    if strength is None:
        return ""
    if strength >= _STRONG:
        return _("Strong match")
    return _("Fair match") if strength >= _FAIR else _("Weak match")


def _given(server: Server, asked: Asked) -> str:
    """The picture that was searched with."""
    if asked.example:
        data = base64.b64encode(server.examples.get(asked.example).thumbnail).decode()
        return f"data:image/jpeg;base64,{data}"
    return thumbnail_address(asked.like) if asked.like else ""


def _video_page(video_id: str, start_s: float, asked: Asked) -> str:
    found = {"q": asked.q, "like": asked.like, "example": asked.example}
    kept = {name: value for name, value in found.items() if value}
    if asked.lang != "auto":
        kept["lang"] = asked.lang
    return f"/videos/{video_id}?" + urlencode({"t": f"{start_s:.3f}", **kept})


def _seconds(text: str, *, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value <= most else 0.0
