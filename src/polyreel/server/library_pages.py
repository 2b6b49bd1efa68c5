"""The pages about the library and its model, the language of the page, and the token."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from polyreel.languages import STUDY_LANGUAGES
from polyreel.library.index.progress_file import read_progress
from polyreel.library.search.calibration import BACKGROUND_QUERIES, FALSE_ALARM_RATE
from polyreel.server.errors import RequestError
from polyreel.server.guard import SESSION_COOKIE
from polyreel.server.links import progress_document, thumbnail_address
from polyreel.server.pages import require_form_seal
from polyreel.server.reasons import reason
from polyreel.server.rendering import LANGUAGE_COOKIE, render, set_cookie, words_for
from polyreel.server.state import Server, ServerState
from polyreel.server.uploads import form_in

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_VIDEOS = 48
_PROBLEMS = 200
_SESSION_S = 30 * 24 * 3600


@router.get("/library")
def library_page(request: Request, server: ServerState) -> Response:
    """What is indexed, how that is going, and which files need a look."""
    view = server.view
    contents = view.contents
    words = words_for(request)
    pages = max(1, math.ceil(contents.videos / _VIDEOS))
    page = min(_number(request.query_params.get("page", "1")), pages)
    problems = []
    for problem in contents.problems[:_PROBLEMS]:
        why, what = reason(problem.message, words)
        facts = {"name": view.name(problem.path), "left_out": problem.left_out}
        problems.append({**facts, "why": why, "what": what, "message": problem.message})
    return render(
        request,
        "library.html",
        here="library",
        contents=contents,
        updated=datetime.fromisoformat(contents.updated_at) if contents.updated_at else None,
        problems=problems,
        roots=[str(root) for root in server.indexer.roots],
        shelf=[
            {
                "id": video.id,
                "name": PurePosixPath(video.name).name,
                "duration_s": video.duration_s,
                "thumbnail": thumbnail_address(view.middle_clip(video.id)),
            }
            for video in server.library.videos(skip=(page - 1) * _VIDEOS, top=_VIDEOS)
        ],
        page=page,
        pages=pages,
        before_page=page - 1 if page > 1 else None,
        after_page=page + 1 if page < pages else None,
        **_progress(server),
    )


@router.get("/library/progress")
def progress_part(request: Request, server: ServerState) -> Response:
    """The part of the library page that says how far indexing is."""
    return render(request, "progress.html", **_progress(server))


@router.post("/library/index")
async def start_index(request: Request, server: ServerState) -> Response:
    """Start to index a folder."""
    async with form_in(request) as form:
        require_form_seal(request, server, form.get("form"))
        folder = form.get("folder")
    if not isinstance(folder, str) or not folder:
        raise RequestError("the form names no folder")
    server.indexer.start(folder)
    return RedirectResponse("/library#indexing", 303)


@router.get("/model")
def model_page(request: Request, server: ServerState) -> Response:
    """The card of the bundle."""
    return render(
        request,
        "model.html",
        here="model",
        card=server.library.bundle.card,
        background=BACKGROUND_QUERIES,
        rate=FALSE_ALARM_RATE,
    )


@router.post("/language")
async def choose_language(request: Request, server: ServerState) -> Response:
    """Remember the language that a visitor wants, and go back."""
    async with form_in(request) as form:
        require_form_seal(request, server, form.get("form"))
        wanted, back = form.get("to"), form.get("next")
    if wanted not in STUDY_LANGUAGES:
        raise RequestError("the page is not there in this language", value=repr(str(wanted)[:20]))
    response = RedirectResponse(_own_address(back), 303)
    set_cookie(request, response, LANGUAGE_COOKIE, str(wanted))
    return response


@router.get("/login")
def login_page(request: Request) -> Response:
    """Ask for the token."""
    return render(request, "login.html", next=_own_address(request.query_params.get("next")), wrong=False)


@router.post("/login")
async def login(request: Request, server: ServerState) -> Response:
    """Take the token and go where the visitor wanted to."""
    async with form_in(request) as form:
        require_form_seal(request, server, form.get("form"))
        token, wanted = form.get("token"), _own_address(form.get("next"))
    if not isinstance(token, str) or not server.seals.is_token(token.strip()):
        return render(request, "login.html", status=401, next=wanted, wrong=True)
    response = RedirectResponse(wanted, 303)
    set_cookie(request, response, SESSION_COOKIE, server.seals.session(), max_age_s=_SESSION_S)
    return response


def _progress(server: Server) -> dict[str, Any]:
    progress = read_progress(server.settings.library)
    return {
        "progress": progress_document(progress, server.view),
        "stopped": progress is not None and not progress.is_running,
        "run_failed": server.indexer.failed,
    }


def _number(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def _own_address(given: object) -> str:
    """An address on this server: a path, which no browser takes for another host."""
    text = given if isinstance(given, str) else ""
    is_path = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if is_path and "\\" not in text else "/"
