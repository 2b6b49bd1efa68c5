"""Listen: sockets, limits on connections, logging."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
import sys
from collections.abc import Callable

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from polyreel.encoders.runtime import Bundle
from polyreel.errors import UsageError
from polyreel.server.app import create_app
from polyreel.server.errors import RequestError, document_of
from polyreel.server.local_service import LocalService
from polyreel.server.settings import ServerSettings

__all__ = ["address_of", "protocol_for", "serve"]

_KEEP_ALIVE_S = 30
_GRACE_S = 5
_LAST_WORDS_S = 1
_BACKLOG = 2_048


def serve(
    settings: ServerSettings,
    load_bundle: Callable[[str], Bundle],
    *,
    on_ready: Callable[[str], None] = lambda _address: None,
) -> None:
    """Serve until interrupted.

    Args:
        settings: of the server.
        load_bundle: gives the bundle for the location that the library states.
        on_ready: called with the address once searches are answered.

    Raises:
        UsageError: the settings are not safe, or the address cannot be had.
        LibraryError: there is no library, or it cannot be read.
    """
    app = create_app(settings, load_bundle)
    _log_to_stderr()
    _allow_many_connections()
    listening = _listen(settings)
    address = address_of(settings.host, listening.getsockname()[1])
    config = uvicorn.Config(
        app,
        http=protocol_for(settings.head_timeout_s),
        ws="none",
        log_config=None,
        access_log=False,  # it would log queries
        server_header=False,
        proxy_headers=False,  # anyone can send them
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
        backlog=_BACKLOG,
    )
    server = _Server(config, lambda: on_ready(address), LocalService(app.state.server))
    try:
        server.run(sockets=[listening])
    finally:
        listening.close()
    if not server.started:
        raise UsageError("the server could not start", remedy="The lines above say why")


def address_of(host: str, port: int) -> str:
    """What to type into a browser."""
    shown = "127.0.0.1" if host in {"0.0.0.0", ""} else "::1" if host == "::" else host  # noqa: S104
    return f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None], local: LocalService) -> None:
        super().__init__(config)
        self._on_ready, self._local = on_ready, local

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            await self._local.open()
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._local.close()
        await super().shutdown(sockets)
        if self.server_state.tasks:  # those that were cancelled say so to their clients
            await asyncio.wait(self.server_state.tasks, timeout=_LAST_WORDS_S)
        for connection in list(self.server_state.connections):  # whose clients read nothing
            if (transport := getattr(connection, "transport", None)) is not None:
                transport.abort()


def protocol_for(head_timeout_s: float) -> type[H11Protocol]:
    """HTTP for uvicorn, with a limit on the time that the head of a request may take."""

    class Protocol(H11Protocol):
        # uvicorn has no such limit: a client that sends a byte now and then would stay for ever.
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._expect_head()

        def data_received(self, data: bytes) -> None:
            self._expect_head()
            super().data_received(data)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            error = RequestError(
                "the request is not HTTP, or its head is too large", remedy="Shorten the query"
            )
            body = document_of(error).model_dump_json().encode()
            head = (
                "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
            self.transport.close()

        def _expect_head(self) -> None:
            waiting = self.cycle is None or self.cycle.response_complete
            if waiting and self._deadline is None:
                self._deadline = self.loop.call_later(head_timeout_s, self._end, self.cycle)

        def _end(self, cycle: object) -> None:
            self._deadline = None
            if self.cycle is cycle and not self.transport.is_closing():
                self.transport.close()

    return Protocol


def _listen(settings: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named, because asyncio sends small answers at once (TCP_NODELAY) on sockets that say they are TCP only.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host, settings.port))
    except (OSError, UnicodeError) as error:
        listening.close()
        raise UsageError(
            "the address cannot be used",
            item=f"{settings.host}:{settings.port}",
            value=getattr(error, "strerror", None) or error,
            remedy="Choose another with --port or --host",
        ) from error
    return listening


def _allow_many_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else 1 << 16
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, 1 << 16)), hard))


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name in ("polyreel.server", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(logging.INFO if name == "polyreel.server" else logging.WARNING)
        logger.propagate = False
        logger.addFilter(_is_no_end)


def _is_no_end(record: logging.LogRecord) -> bool:
    """Whether it is more than a request that ends with the server, which uvicorn logs as a fault."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, asyncio.CancelledError)
