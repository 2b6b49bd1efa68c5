"""Servers for tests: in this process for requests, on a port for browsers; and their library of colours."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.testclient import TestClient

from films import film, index_films, subtitles
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.server.app import create_app
from polyreel.server.serving import protocol_for
from polyreel.server.settings import ServerSettings
from tiny_bundle import PALETTE


def make_library(folder: Path, bundle: Bundle) -> Path:
    """A film in each colour, one of three with subtitles, one below a folder; the library of them."""
    videos = folder / "videos"
    for colour in PALETTE:
        film(videos / f"{colour}.mp4", colour)
    film(videos / "talks" / "tricolour.mp4", "blue", "white", "red", "black", each_s=3)
    subtitles(
        videos / "talks" / "tricolour.en.srt",
        (0.5, 1.5, "good evening"),
        (4, 5, "and then the dog runs away"),
        (7, 8, "a sesquipedalian <b>word</b> & more"),
    )
    (videos / "empty.mp4").write_bytes(b"")
    (videos / "text.mp4").write_text("this is no video", encoding="utf-8")
    index_films(videos, folder / "library", bundle)
    return folder / "library"


def load_bundle(location: str) -> Bundle:
    """The bundle at the location that the library states."""
    return Bundle(locate_bundle(location))


@contextlib.contextmanager
def serving(library: Path, **settings: Any) -> Iterator[TestClient]:
    """A server in this process, calibrated."""
    app = create_app(ServerSettings(library=library, **settings), load_bundle)
    # Errors become answers, as they do outside of tests.
    with TestClient(
        app,
        base_url="http://127.0.0.1",
        client=("127.0.0.1", 50_000),
        raise_server_exceptions=False,
        follow_redirects=False,
    ) as client:
        wait_for(lambda: app.state.server.snapshot.calibration is not None)
        yield client


def wait_for(condition: Callable[[], Any], *, seconds: float = 20.0) -> Any:
    """Wait until something is so, and return it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.02)
    return found


@dataclass(frozen=True)
class Listening:
    """A server on a port."""

    address: str
    port: int
    app: Any


@contextlib.contextmanager
def listening(library: Path, **settings: Any) -> Iterator[Listening]:
    """A server on a free port of this machine."""
    told = ServerSettings(library=library, port=0, **settings)
    app = create_app(told, load_bundle)
    config = uvicorn.Config(
        app,
        port=0,
        http=protocol_for(told.head_timeout_s),
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started or not thread.is_alive())
        port = server.servers[0].sockets[0].getsockname()[1]
        wait_for(lambda: app.state.server.snapshot.calibration is not None)
        yield Listening(f"http://127.0.0.1:{port}", port, app)
    finally:
        server.should_exit = True
        thread.join()
