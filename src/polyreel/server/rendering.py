"""Templates with the texts of a visitor's language."""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import secrets
from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from polyreel.languages import STUDY_LANGUAGES
from polyreel.library.results import FAIR, STRONG
from polyreel.server.links import route_path
from polyreel.server.translations import Translations, languages_in, negotiate, translations_in
from polyreel.units import clock, clock_span

__all__ = [
    "LANGUAGE_COOKIE",
    "VISITOR_COOKIE",
    "render",
    "script",
    "script_address",
    "set_cookie",
    "spoken_languages",
    "style",
    "translations_for",
]

LANGUAGE_COOKIE = "polyreel_language"
VISITOR_COOKIE = "polyreel_visitor"
_YEAR_S = 365 * 24 * 3600


def translations_for(request: Request) -> Translations:
    """The texts in the language that a visitor chose, or that the browser asks for."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in STUDY_LANGUAGES:
        return translations_in(chosen)
    return translations_in(negotiate(request.headers.get("accept-language", "")))


def spoken_languages(request: Request) -> list[str]:
    """BCP-47 tags of the languages that a visitor is known to read, the likeliest first."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    accepted = languages_in(request.headers.get("accept-language", ""))
    return [chosen, *accepted] if chosen in STUDY_LANGUAGES else accepted


def render(request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
    """A page, or a part of one, with everything that all pages need.

    Args:
        request: whose language and cookies count.
        template: name of the template.
        status: of the answer.
        context: variables of the template.
    """
    translations = translations_for(request)
    visitor = request.cookies.get(VISITOR_COOKIE) or secrets.token_urlsafe(16)
    text = (
        _environment()
        .get_template(template)
        .render(
            _=translations.gettext,
            ngettext=translations.ngettext,
            translations=translations,
            clock=clock,
            clock_span=clock_span,
            page_languages=[translations_in(tag) for tag in STUDY_LANGUAGES],
            form_token=request.app.state.server.csrf.form(visitor),
            this_address=_this_address(request),
            style=Markup(style()),  # noqa: S704  our own file
            script=script_address(),
            fair=FAIR,
            strong=STRONG,
            root=request.scope.get("root_path", ""),
            **{"here": "", **context},
        )
    )
    response = HTMLResponse(text, status, headers={"vary": "Accept-Language, Cookie, HX-Request"})
    if VISITOR_COOKIE not in request.cookies:
        set_cookie(request, response, VISITOR_COOKIE, visitor)
    return response


def set_cookie(
    request: Request, response: Response, name: str, value: str, *, max_age_s: int = _YEAR_S
) -> None:
    """A cookie that goes to this site alone and that no script reads.

    Args:
        request: says whether the cookie may only travel encrypted.
        response: what the cookie is added to.
        name: of the cookie.
        value: of the cookie.
        max_age_s: how long the browser keeps it, seconds.
    """
    response.set_cookie(
        name,
        value,
        max_age=max_age_s,
        path=request.scope.get("root_path") or "/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


@functools.cache
def style() -> str:
    """The style of all pages, which travels inside them: one request fewer."""
    return (_static() / "style.css").read_text(encoding="utf-8")


@functools.cache
def script() -> bytes:
    """htmx and the page's own scripts as one file."""
    return b"\n".join((_static() / name).read_bytes() for name in ("htmx.min.js", "page.js", "player.js"))


@functools.cache
def script_address() -> str:
    """Where ``script`` is; another script has another address, so that it can be kept for ever."""
    return f"/static/{hashlib.sha256(script()).hexdigest()[:16]}.js"


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("polyreel.server"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def _static() -> Path:
    return Path(str(importlib.resources.files("polyreel.server"))) / "static"


def _this_address(request: Request) -> str:
    query = request.url.query
    return route_path(request.scope) + (f"?{query}" if query else "") if request.method == "GET" else "/"
