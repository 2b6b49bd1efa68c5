"""The pages: searching, one video, examples to search with."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import urlencode

import anyio.from_thread
from fastapi import APIRouter, Path, Request, Response
from markupsafe import Markup

from polyreel.errors import PolyreelError
from polyreel.languages import STUDY_LANGUAGES
from polyreel.library.exchange.exporting import formats_here
from polyreel.library.line_kinds import line_kind
from polyreel.library.results import Hit, SearchResult
from polyreel.library.search.recognitions import recognitions
from polyreel.library.search.search_query import SearchQuery
from polyreel.server.errors import ForbiddenError, status_of
from polyreel.server.failures import failure_of
from polyreel.server.film import film_of
from polyreel.server.links import AddressLocator, redirect
from polyreel.server.player import screen_or_failure
from polyreel.server.reasons import reason
from polyreel.server.rendering import VISITOR_COOKIE, render, spoken_languages, translations_for
from polyreel.server.run_status import run_status
from polyreel.server.search_params import SearchParams, require_known
from polyreel.server.state import Server, ServerState
from polyreel.server.timeline import draw_profile, draw_timeline
from polyreel.server.translations import Translations, translations_in
from polyreel.server.uploads import form_in, read_example
from polyreel.server.why import Why, why_found

__all__ = ["require_form_token", "router"]

router = APIRouter(include_in_schema=False)

_WELCOME_VIDEOS = 12
_MAX_FOLDERS = 200
_MOST_OF_VIDEO = 1_000
_MAX_TAG = 35  # what BCP 47 recommends to allow for


@router.get("/")
async def search_page(request: Request, server: ServerState) -> Response:
    """The search page, or for htmx the part of it that changes."""
    params = SearchParams.of(request.query_params)
    part = "hx-request" in request.headers and "hx-history-restore-request" not in request.headers
    title = f"{params.q} · polyreel" if params.q else "polyreel"
    context: dict[str, Any] = {"params": params, "part": part, "failure": None, "title": title}
    status = 200
    try:
        require_known(request.query_params)
        if params.is_search:
            query = params.query(server, spoken_languages(request))
            result = (await server.batcher.ask(query)).at_least(params.least)
            context |= await asyncio.to_thread(_results, server, params, query, result)
        else:
            context |= await asyncio.to_thread(_welcome, server, translations_for(request))
        context |= _filter_choices(server)
    except PolyreelError as error:
        status = status_of(error)
        failure = failure_of(error, translations_for(request))
        context |= {"failure": failure, "folders": (), "languages": (), "line_kinds": ()}
        with contextlib.suppress(PolyreelError):  # the filters, one of which may be what is wrong
            context |= _filter_choices(server)
    # htmx shows an answer whatever its status.
    response = render(request, "results.html" if part else "search.html", status=status, **context)
    if part:
        response.headers["hx-push-url"] = server.settings.root_path + params.address
    return response


@router.get("/videos/{video_id}")
def video_page(request: Request, server: ServerState, video_id: str = Path(max_length=64)) -> Response:
    """One video: a part of it with its clips and lines, and where a query matches in the whole.

    Args:
        request: its address may hold a query, a time ``t`` in seconds to begin at, and the language of the
            ``lines`` to show.
        server: what has the video.
        video_id: hash of the video's content.
    """
    translations = translations_for(request)
    params = SearchParams.of(request.query_params)
    video = server.library.video(video_id)
    at_s = _seconds(request.query_params.get("t", ""), most=video.duration_s)
    query = params.query(server, spoken_languages(request)) if params.is_search else None
    clips = server.batcher.score_clips(video_id, query)
    lines = server.library.lines(video_id) if video.subtitles else ()
    subtitled = {line.language for line in lines if line_kind(line.source) == "subtitles"}
    lines_in = request.query_params.get("lines", "")[:_MAX_TAG]
    film = film_of(
        video.duration_s,
        clips,
        lines,
        at_s=at_s,
        wanted=[lines_in, translations.tag, *spoken_languages(request)],
    )
    # What was chosen once stays chosen on the way through the film.
    address_at = functools.partial(params.moment_address, lines=lines_in if film.language == lines_in else "")
    here_s = max((clip.start_s for clip in clips if clip.start_s <= at_s), default=0.0) if at_s else None
    is_short = len(film.sections) == 1
    # What is indexed is shown even where the file is gone.
    screen, failure, _ = anyio.from_thread.run(
        functools.partial(screen_or_failure, moment=(at_s, None), spoken=spoken_languages(request)),
        server,
        video,
        translations,
    )
    return render(
        request,
        "video.html",
        params=params,
        **_filter_choices(server),
        video=video,
        film=film,
        address_at=address_at,
        here_s=here_s,
        timeline=draw_timeline(
            clips,
            here=None if is_short else (film.section.start_s, film.section.end_s),
            link=lambda clip: address_at(clip.start_s),
            label=translations.gettext("Where in the video it matches"),
        )
        if query
        else "",
        screen=screen,
        failure=failure,
        subtitle_languages=", ".join(translations.language(tag) for tag in sorted(subtitled)),
        recognitions=recognitions(server.snapshot, [video_id])[video_id],
        reason=lambda message: reason(message, translations),
    )


@router.get("/more/{video_id}")
async def more_moments(
    request: Request, server: ServerState, video_id: str = Path(max_length=64)
) -> Response:
    """The moments of one video that match but for the best one, as part of the page of results.

    Args:
        request: its address holds the search.
        server: what is searched.
        video_id: hash of the video's content.
    """
    params = SearchParams.of(request.query_params)
    query = params.query(server, spoken_languages(request))
    result = await server.batcher.ask(replace(query, top=_MOST_OF_VIDEO, per_video=None))
    own = [hit for hit in result.at_least(params.least).hits if hit.video_id == video_id]
    grouped = await server.batcher.ask(query)
    count = next((hit.more for hit in grouped.hits if hit.video_id == video_id), 0)
    return render(request, "more.html", params=params, hits=own[1 : count + 1])


@router.post("/example")
async def search_by_example(request: Request, server: ServerState) -> Response:
    """Take a picture or a clip and lead to its results, which have an address."""
    async with form_in(request) as form:
        require_form_token(request, server, form.get("form"))
        example = await read_example(form, server)
    name = server.examples.keep(example)
    return redirect(request, "/?" + urlencode({"example": name}))


def require_form_token(request: Request, server: Server, given: object) -> None:
    """Refuse a form that this server did not make for this browser.

    Args:
        request: its cookie says which browser it is.
        server: what made the form.
        given: the hidden field of the form.

    Raises:
        ForbiddenError: it was made elsewhere, or for another.
    """
    visitor = request.cookies.get(VISITOR_COOKIE, "")
    if not isinstance(given, str) or not server.csrf.is_form(given, visitor):
        raise ForbiddenError("the form was not made for this browser", remedy="Open the page again")


def _filter_choices(server: Server) -> dict[str, Any]:
    snapshot = server.snapshot
    return {
        "folders": snapshot.folders[:_MAX_FOLDERS],
        "languages": snapshot.languages,
        "line_kinds": snapshot.line_kinds,
    }


def _welcome(server: Server, translations: Translations) -> dict[str, Any]:
    snapshot = server.snapshot
    contents = snapshot.contents
    # From all over the library, the same ones as long as it does not change.
    rows = {place * contents.videos // _WELCOME_VIDEOS for place in range(_WELCOME_VIDEOS)}
    return {
        "contents": contents,
        "example_queries": _example_queries(translations),
        "in_other_languages": [
            (tag, _example_queries(translations_in(tag))[0])
            for tag in STUDY_LANGUAGES
            if tag != translations.tag
        ],
        "roots": [str(root) for root in server.indexer.roots],
        **run_status(server),
        "videos": [snapshot.video(row) for row in sorted(rows) if row < contents.videos],
    }


def _example_queries(translations: Translations) -> tuple[str, ...]:
    """Things of everyday life, from a word or two to a sentence."""
    _ = translations.gettext
    return (
        _("waves on a beach"),
        _("people dance"),
        _("somebody plays the piano"),
        _("a car drives along a street"),
        _("a dog runs across the grass"),
    )


def _results(
    server: Server, params: SearchParams, query: SearchQuery, result: SearchResult
) -> dict[str, Any]:
    more = params.more if len(result.hits) > params.top else None
    # The parts of the address that the form for the query's language has to keep.
    kept = {name: value for name, value in asdict(params).items() if value and name not in {"lang", "top"}}
    without_filters = dict.fromkeys(("folder", "length", "subtitles", "after", "before", "min_match"), "")
    return {
        "result": result,
        "left_out": min(result.left_out, max(params.top - len(result.hits), 0)),
        "moments": [_moment(server, query, hit) for hit in result.hits[: params.top]],
        "more": more.address if more else None,
        "example_picture": _example_picture(server, params),
        "hidden_fields": kept,
        "unfiltered": params.changed(**without_filters).address,
        "any_more": any(hit.more for hit in result.hits),
        "search_query": params.address.partition("/")[2],
        "export_formats": formats_here(),
        "every_moment": params.changed(moments="all").address,
        "best_moments": params.changed(moments="").address,
        "with_pictures": params.changed(mode="hybrid").address,
    }


def _moment(server: Server, query: SearchQuery, hit: Hit) -> tuple[Hit, Markup, Why]:
    """A hit as its card shows it, with where in its video the query matches, and why it was found."""
    clips = server.batcher.score_clips(hit.video_id, query)
    return hit, draw_profile(clips, (hit.start_s, hit.end_s)), why_found(hit.evidence, query.text)


def _example_picture(server: Server, params: SearchParams) -> str:
    """Address of the picture that was searched with."""
    if params.example:
        data = base64.b64encode(server.examples.get(params.example).thumbnail).decode()
        return f"data:image/jpeg;base64,{data}"
    return AddressLocator(server.settings.root_path).thumbnail(params.like) if params.like else ""


def _seconds(text: str, *, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value <= most else 0.0
