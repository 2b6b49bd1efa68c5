"""The application: routes, errors, guard."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import anyio.to_thread
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.routing import Route

from polyreel._version import __version__
from polyreel.encoders.runtime import Bundle
from polyreel.errors import NotFoundError, PolyreelError
from polyreel.library.search.search import Library
from polyreel.server import api, cut_api, export_api, library_pages, media_api, pages, player
from polyreel.server.csrf import CsrfSigner
from polyreel.server.errors import (
    RangeError,
    RequestError,
    SlowError,
    TooLargeError,
    TooManyError,
    UnauthorisedError,
    document_of,
    status_of,
)
from polyreel.server.failures import failure_of
from polyreel.server.guard import Guard
from polyreel.server.headers import security_headers
from polyreel.server.indexer import Indexer, Mover
from polyreel.server.links import AddressLocator, redirect, route_path
from polyreel.server.metrics import Metrics
from polyreel.server.parameters import refuse_unknown
from polyreel.server.rendering import render, script, script_address, style, translations_for
from polyreel.server.search_batcher import SearchBatcher
from polyreel.server.settings import ServerSettings
from polyreel.server.state import Server

__all__ = ["create_app"]

_ROUTERS = (
    api.router,
    media_api.router,
    cut_api.router,
    export_api.router,
    pages.router,
    player.router,
    library_pages.router,
)
_THREADS = 16
_GZIP_FROM_BYTES = 500
_YEAR_S = 365 * 24 * 3600


class ParameterError(RequestError):
    """A parameter is not what it should be."""


def create_app(settings: ServerSettings, load_bundle: Callable[[str], Bundle]) -> FastAPI:
    """The server for one library, as an ASGI application.

    Args:
        settings: of the server.
        load_bundle: gives the bundle for the location that the library states.

    Raises:
        UsageError: the settings are not safe.
        LibraryError: there is no library, or it cannot be read.
        BundleError: its text encoder cannot be run.
    """
    settings.require_safe()
    metrics = Metrics()
    csrf = CsrfSigner(settings.token.get_secret_value() if settings.token else None)
    locator = AddressLocator(settings.root_path)
    batcher = SearchBatcher(
        lambda: Library(settings.library, load_bundle, refresh="when asked", locator=locator),
        on_batch=metrics.batch,
    )
    indexer = Indexer(settings.library, settings.roots)
    mover = Mover(settings.library, allowed=bool(settings.roots))
    server = Server(settings, batcher, csrf, metrics, indexer, mover)
    app = FastAPI(
        title="polyreel",
        version=__version__,
        description="Search a library of video in any language.",
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        openapi_url=f"{api.API}/openapi.json",
        lifespan=_lifespan,
    )
    app.state.server = server
    for router in _ROUTERS:
        app.include_router(router, dependencies=[Depends(refuse_unknown)])
    app.get(script_address(), include_in_schema=False)(_script)
    for kind in (PolyreelError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _refuse)
    app.add_middleware(GZipMiddleware, minimum_size=_GZIP_FROM_BYTES, compresslevel=6)
    app.add_middleware(
        Guard,
        settings=settings,
        csrf=csrf,
        headers=security_headers(style()),
        refuse=lambda scope, error: _refuse(Request({**scope, "app": app}), error),
        metrics=metrics,
        routes=[route.path_regex for route in app.routes if isinstance(route, Route)]
        + [route.path_regex for part in _ROUTERS for route in part.routes if isinstance(route, Route)],
    )
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    server: Server = app.state.server
    server.batcher.start()
    anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
    try:
        yield
    finally:
        server.indexer.stop()
        server.mover.stop()
        await anyio.to_thread.run_sync(server.playback.close)
        await anyio.to_thread.run_sync(server.batcher.stop)


def _script() -> Response:
    headers = {"cache-control": f"public, max-age={_YEAR_S}, immutable"}
    return Response(script(), media_type="text/javascript; charset=utf-8", headers=headers)


async def _refuse(request: Request, exception: Exception) -> Response:
    """The answer for an error: JSON for programs, a page for people."""
    error, status = _as_error(exception)
    headers: dict[str, str] = {}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, TooLargeError | SlowError):
        headers["connection"] = "close"  # the rest of the body is not waited for
    if status in {429, 503}:
        headers["retry-after"] = str(math.ceil(getattr(error, "retry_after_s", TooManyError.retry_after_s)))
    if isinstance(error, RangeError):
        headers["content-range"] = f"bytes */{error.value}"
    path = route_path(request.scope)
    if path.startswith(api.API):
        body = document_of(error).model_dump_json()
        return Response(body, status, media_type="application/json", headers=headers)
    if isinstance(error, UnauthorisedError):
        query = f"?{request.url.query}" if request.url.query else ""
        return redirect(request, "/login?" + urlencode({"next": path + query}))
    response = render(
        request, "error.html", status=status, failure=failure_of(error, translations_for(request))
    )
    response.headers.update(headers)
    return response


def _as_error(exception: Exception) -> tuple[PolyreelError, int]:
    if isinstance(exception, PolyreelError):
        return exception, status_of(exception)
    if isinstance(exception, RequestValidationError):
        return _parameter_error(exception), 422
    if isinstance(exception, HTTPException):
        if exception.status_code == 404:
            return NotFoundError("there is nothing at this address"), 404
        return RequestError(str(exception.detail).lower()), exception.status_code
    # The log has the rest; nobody outside needs to know it.
    return PolyreelError("the server failed", remedy="Whoever runs it finds the reason in its log"), 500


def _parameter_error(exception: RequestValidationError) -> ParameterError:
    first: dict[str, Any] = next(iter(exception.errors()))
    where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    return ParameterError(
        "a parameter is not what it should be",
        item=where[:100],
        value=str(first["msg"])[:200],
        remedy="See /api/v1/openapi.json",
    )
