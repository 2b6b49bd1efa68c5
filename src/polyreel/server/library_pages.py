"""The pages about the library and its model, the language of the page, and the token."""

from __future__ import annotations

import math

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from polyreel.languages import STUDY_LANGUAGES
from polyreel.library.index.run_record import RunRecord
from polyreel.library.results import ProblemFile
from polyreel.library.search.background import BACKGROUND_QUERIES
from polyreel.library.search.recognitions import recognitions
from polyreel.library.search.snapshot import LibrarySnapshot
from polyreel.server.errors import RequestError
from polyreel.server.guard import SESSION_COOKIE
from polyreel.server.links import redirect
from polyreel.server.pages import require_form_token
from polyreel.server.reasons import reason
from polyreel.server.rendering import LANGUAGE_COOKIE, render, set_cookie, translations_for
from polyreel.server.run_status import run_status
from polyreel.server.state import ServerState
from polyreel.server.uploads import form_in

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_VIDEOS = 48
_PROBLEMS = 200
_SESSION_S = 30 * 24 * 3600


@router.get("/library")
def library_page(request: Request, server: ServerState) -> Response:
    """What is indexed, how that is going, and which files need a look."""
    contents = server.library.contents()
    translations, status = translations_for(request), run_status(server)
    problems = _problems(server.snapshot, status["record"])
    pages = max(1, math.ceil(contents.videos / _VIDEOS))
    page = min(_number(request.query_params.get("page", "1")), pages)
    videos = server.library.videos(skip=(page - 1) * _VIDEOS, top=_VIDEOS)
    return render(
        request,
        "library.html",
        here="library",
        contents=contents,
        problems=problems[:_PROBLEMS],
        problem_count=len(problems),
        problems_shown=_PROBLEMS,
        can_stop=server.indexer.is_running,
        roots=[str(root) for root in server.indexer.roots],
        bundle=server.library.bundle.card.name,
        bundles=server.mover.targets(),
        can_pause=server.mover.is_running,
        recognised=server.snapshot.recognised,
        recognitions=recognitions(server.snapshot, [video.id for video in videos]),
        reason=lambda message: reason(message, translations),
        videos=videos,
        page=page,
        pages=pages,
        **status,
    )


def _problems(snapshot: LibrarySnapshot, record: RunRecord | None) -> list[ProblemFile]:
    """The files that are not as they should be, and what the last run could not even open."""
    known = list(snapshot.contents.problems)
    names = {problem.name for problem in known}
    met = [(snapshot.name(problem.path), problem.message) for problem in (record.problems if record else ())]
    return known + [
        ProblemFile(name=name, left_out=True, message=message.replace(f"{snapshot.root}/", ""))
        for name, message in met
        if name not in names
    ]


@router.get("/library/progress")
def progress_part(request: Request, server: ServerState) -> Response:
    """The part of a page that says how far indexing is.

    Args:
        request: its address says with ``was`` which stage the page shows now.
        server: what is indexed.
    """
    status = run_status(server)
    response = render(request, "progress.html", **status)
    if (was := request.query_params.get("was", "")) and was != status["stage"]:
        response.headers["hx-refresh"] = "true"  # everything else on the page is another now
    return response


async def _named_in_form(request: Request, server: ServerState, field: str) -> str:
    """What a form of this page names in ``field``.

    Raises:
        RequestError: the form has no token of this page, or names nothing.
    """
    async with form_in(request) as form:
        require_form_token(request, server, form.get("form"))
        named = form.get(field)
    if not isinstance(named, str) or not named:
        raise RequestError(f"the form names no {field}")
    return named


@router.post("/library/index")
async def start_index(request: Request, server: ServerState) -> Response:
    """Start to index a folder."""
    server.indexer.start(await _named_in_form(request, server, "folder"))
    return redirect(request, "/library#indexing")


@router.post("/library/index/stop")
async def stop_index(request: Request, server: ServerState) -> Response:
    """Stop a run that this page began. What it has done stays, and indexing again goes on."""
    async with form_in(request) as form:
        require_form_token(request, server, form.get("form"))
    await run_in_threadpool(server.indexer.stop)
    return redirect(request, "/library#indexing")


@router.post("/library/bundle")
async def start_move(request: Request, server: ServerState) -> Response:
    """Start to move the library to another bundle."""
    server.mover.start(await _named_in_form(request, server, "bundle"))
    return redirect(request, "/library#model")


@router.post("/library/bundle/pause")
async def pause_move(request: Request, server: ServerState) -> Response:
    """Stop a move that this page began. What it has done stays, and starting it again goes on."""
    async with form_in(request) as form:
        require_form_token(request, server, form.get("form"))
    await run_in_threadpool(server.mover.stop)
    return redirect(request, "/library#indexing")


@router.get("/model")
def model_page(request: Request, server: ServerState) -> Response:
    """The card of the bundle."""
    return render(
        request,
        "model.html",
        here="model",
        card=server.library.bundle.card,
        background=BACKGROUND_QUERIES,
    )


@router.post("/language")
async def choose_language(request: Request, server: ServerState) -> Response:
    """Remember the language that a visitor wants, and go back."""
    async with form_in(request) as form:
        require_form_token(request, server, form.get("form"))
        tag, back = form.get("to"), form.get("next")
    if tag not in STUDY_LANGUAGES:
        raise RequestError("the page is not there in this language", value=repr(str(tag)[:20]))
    response = redirect(request, _own_address(back))
    set_cookie(request, response, LANGUAGE_COOKIE, str(tag))
    return response


@router.get("/login")
def login_page(request: Request) -> Response:
    """Ask for the token."""
    return render(request, "login.html", next=_own_address(request.query_params.get("next")), wrong=False)


@router.post("/login")
async def login(request: Request, server: ServerState) -> Response:
    """Take the token and go where the visitor wanted to."""
    async with form_in(request) as form:
        require_form_token(request, server, form.get("form"))
        token, target = form.get("token"), _own_address(form.get("next"))
    client = request.client.host if request.client else ""
    if not isinstance(token, str) or not server.csrf.is_token_from(client, token.strip()):
        return render(request, "login.html", status=401, next=target, wrong=True)
    response = redirect(request, target)
    set_cookie(request, response, SESSION_COOKIE, server.csrf.session(), max_age_s=_SESSION_S)
    return response


def _number(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def _own_address(given: object) -> str:
    """An address on this server: a path, which no browser takes for another host."""
    text = given if isinstance(given, str) else ""
    is_path = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if is_path and "\\" not in text else "/"
