"""Checks of every request before anything else sees it; headers, log and metrics of every answer."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import re
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from http import cookies
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polyreel.errors import PolyreelError
from polyreel.server.csrf import CsrfSigner
from polyreel.server.errors import (
    EndingError,
    ForbiddenError,
    RequestError,
    SlowError,
    TooLargeError,
    TooManyError,
    UnauthorisedError,
)
from polyreel.server.files import CONDITIONAL_METHOD
from polyreel.server.links import route_path
from polyreel.server.metrics import Metrics
from polyreel.server.rates import Rates
from polyreel.server.settings import ServerSettings, is_loopback

__all__ = ["DEFAULT_SEARCHES_PER_S", "SESSION_COOKIE", "Guard", "is_search"]

DEFAULT_SEARCHES_PER_S = 20.0
SESSION_COOKIE = "polyreel_session"

_BURST_S = 10.0
# Pictures of a page of results come all at once.
_LIGHT_FACTOR = 20.0
_MAX_BODY = 64 << 10
_MAX_LOGGED = 2_000
_METHODS = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_OPEN = ("/static/", "/login", "/api/v1/health", "/api/v1/ready")
_UPLOADS = ("/example", "/api/v1/search/example")

Refuse = Callable[[Scope, PolyreelError], Awaitable[Response]]
_log = logging.getLogger("polyreel.server.access")


class Guard:
    """ASGI middleware: host, origin, token, rates, sizes and times of requests; headers, log and metrics.

    Args:
        app: what it guards.
        settings: of the server.
        csrf: checks tokens and sessions.
        headers: added to every answer.
        refuse: makes the answer for an error: a page for people, JSON for programs.
        metrics: counts every answer.
        routes: what the paths of the server look like, without the root path.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: ServerSettings,
        csrf: CsrfSigner,
        headers: list[tuple[bytes, bytes]],
        refuse: Refuse,
        metrics: Metrics,
        routes: Sequence[re.Pattern[str]],
    ) -> None:
        self._app, self._settings, self._csrf = app, settings, csrf
        self._headers, self._refuse, self._metrics = headers, refuse, metrics
        self._routes = routes
        self._names = {"localhost", socket.gethostname().lower(), *(name.lower() for name in settings.names)}
        if _is_name(settings.host):
            self._names.add(settings.host.lower())
        per_s = DEFAULT_SEARCHES_PER_S if settings.searches_per_s is None else settings.searches_per_s
        self._limits_own_machine = settings.searches_per_s is not None
        self._searches = Rates(per_s, burst=max(1.0, per_s * _BURST_S)) if per_s else None
        light = per_s * _LIGHT_FACTOR
        self._others = Rates(light, burst=max(1.0, light * _BURST_S)) if per_s else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Guard one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send, self._headers)
        # HEAD is GET without the body, on every route; a file that need not be read for it looks at the key.
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", CONDITIONAL_METHOD: "HEAD"}
        scope = self._with_root(scope)
        began = time.perf_counter()
        try:
            try:
                self._require_allowed(scope)
                await self._app(scope, self._limited(scope, receive), answer.send)
            except (PolyreelError, asyncio.CancelledError) as error:
                if answer.status:  # half of the answer has gone
                    raise
                if isinstance(error, asyncio.CancelledError):  # no client can bring this about
                    error = EndingError("the server is ending", remedy="Try again once it runs")
                response = await self._refuse(scope, error)
                await response(scope, receive, answer.send)
        finally:
            self._note(scope, answer.status, time.perf_counter() - began)

    def _with_root(self, scope: Scope) -> Scope:
        """``scope`` as ASGI has it below a root path, whether or not the proxy took it off the path."""
        root, path = self._settings.root_path, scope["path"]
        if not root:
            return scope
        # A root path such as "/videos" is the beginning of paths of our own as well.
        below = (path.removeprefix(root) or "/") if f"{path}/".startswith(f"{root}/") else ""
        is_whole = bool(below) and any(route.match(below) for route in self._routes)
        return {**scope, "root_path": root, "path": root + (below if is_whole else path)}

    def _require_allowed(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        self._require_host(headers)
        self._require_own_origin(scope, headers)
        self._require_rate(scope)
        if self._csrf.needed and not route_path(scope).startswith(_OPEN):
            self._require_token(scope, headers)
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self._body_limit(scope):
            raise _too_large(self._body_limit(scope))

    def _require_host(self, headers: Headers) -> None:
        # A page elsewhere can give its own name this machine's address (DNS rebinding); it cannot make the
        # browser ask for an address or a name of ours.
        given = headers.getlist("host")
        try:
            host = urlsplit(f"//{given[0]}").hostname if len(given) == 1 else None
        except ValueError:
            host = None
        if host is None or (_is_name(host) and host not in self._names):
            raise RequestError(
                "the server is not known under this name",
                item=given[0][:100] if given else "no name",
                remedy="Use its address, or start it with --name NAME",
            )

    def _require_own_origin(self, scope: Scope, headers: Headers) -> None:
        if scope["method"] in _SAFE_METHODS:
            return
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        try:
            foreign = origin is not None and urlsplit(origin).netloc != headers.get("host")
        except ValueError:
            raise RequestError("the origin is not an address", item=repr(origin)[:100]) from None
        if foreign or site not in {None, "same-origin", "none"}:
            raise ForbiddenError("a page of another site may not do this", item=(origin or site or "")[:100])

    def _require_rate(self, scope: Scope) -> None:
        client = scope["client"][0] if scope.get("client") else ""
        if not self._limits_own_machine and is_loopback(client):
            return
        rates = self._searches if is_search(scope) else self._others
        wait_s = rates.wait_s(client) if rates is not None else 0.0
        if wait_s:
            raise TooManyError.after("you ask too often", wait_s)

    def _require_token(self, scope: Scope, headers: Headers) -> None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            client = scope["client"][0] if scope.get("client") else ""
            if self._csrf.is_token_from(client, token.strip()):
                return
        jar: cookies.SimpleCookie = cookies.SimpleCookie()
        with contextlib.suppress(cookies.CookieError):
            jar.load(headers.get("cookie", ""))
        if SESSION_COOKIE in jar and self._csrf.is_session(jar[SESSION_COOKIE].value):
            return
        raise UnauthorisedError(
            "the token is missing or wrong", remedy="Send it as 'Authorization: Bearer TOKEN'"
        )

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """``receive`` under the limits of size and time."""
        limit, seen = self._body_limit(scope), 0
        body_is_open = scope["method"] not in _SAFE_METHODS

        async def limited() -> Message:
            nonlocal seen, body_is_open
            if not body_is_open:  # what is waited for now is the end of the connection
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self._settings.body_timeout_s)
            except TimeoutError:
                raise SlowError(
                    "the request came too slowly",
                    value=f"nothing for {self._settings.body_timeout_s:g} s",
                    remedy="Try again",
                ) from None
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                body_is_open = message.get("more_body", False)
                if seen > limit:
                    raise _too_large(limit)
            return message

        return limited

    def _body_limit(self, scope: Scope) -> int:
        upload = scope["method"] == "POST" and route_path(scope) in _UPLOADS
        # What a form adds to the file is far below the limit of other bodies.
        return _MAX_BODY + (self._settings.max_upload_bytes if upload else 0)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or "other"
        given = scope.get(CONDITIONAL_METHOD, scope["method"])
        method = given if given in _METHODS else "other"
        self._metrics.request(method, route, status, seconds)
        shown = scope["path"] if route == "other" else route
        if self._settings.log_queries:
            shown = scope["path"] + ("?" + scope["query_string"].decode("latin-1")).rstrip("?")
        # Cut twice, because an escape is longer than what it stands for.
        shown = repr(shown[:_MAX_LOGGED])[:_MAX_LOGGED]
        client = scope["client"][0] if scope.get("client") else "-"
        _log.info("%s %s %s %d %.0f ms", client, method, shown, status, seconds * 1000)


class _Answer:
    """Adds headers to an answer and remembers its status."""

    def __init__(self, scope: Scope, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._send, self._headers = send, headers
        self._has_body = scope["method"] != "HEAD"
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            for name, value in self._headers:
                headers.setdefault(name.decode(), value.decode())
            headers.setdefault("cache-control", "no-store")
            message["headers"] = headers.raw
        elif message["type"] == "http.response.body" and not self._has_body:
            message = {**message, "body": b""}
        await self._send(message)


def is_search(scope: Scope) -> bool:
    """Whether a request costs a run of an encoder or could try a token."""
    path = route_path(scope)
    return (
        path.startswith(("/api/v1/search", "/example", "/export", "/login"))
        or path.endswith("/moments")
        or (path == "/" and bool(scope["query_string"]))
    )


def _is_name(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(
        "the request is too large", value=f"at most {limit / 1_000_000:.1f} MB", remedy="Send less"
    )
