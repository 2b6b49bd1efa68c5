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
from polyreel.library.index.hearing import hear
from polyreel.library.store.store import Commit, writing
from polyreel.library.store.tables import FAILED, FILES, OK, PARTIAL, SPARED
from polyreel.recognition.screen.weights import MODEL
from polyreel.server.app import create_app
from polyreel.server.serving import protocol_for
from polyreel.server.settings import ServerSettings
from sounds import write_sounds
from tiny_bundle import PALETTE
from tone_recogniser import ToneRecogniser, says


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


def make_heard_library(folder: Path, bundle: Bundle) -> Path:
    """Films of which one was heard, one says nothing, one is silent; and all other ends of hearing.

    Their pictures were read but for those of "waiting.mkv", and show no text.
    """
    films = folder / "films"
    film(films / "silent.mp4", "white")
    said = {"talk": [says("red", 0.5, 1.5), says("kijani", 2.5, 3.5)], "quiet": [], "waiting": []}
    said |= {name: [says("blau", at / 10, 1)] for at, name in enumerate(("failed", "half", "spared"))}
    for name, tones in said.items():
        write_sounds(films / f"{name}.mkv", tones, seconds=4 if name == "talk" else 1, codec="pcm_s16le")
    index_films(films, folder / "library", bundle)
    heard = [films / "talk.mkv", films / "quiet.mkv"]
    hear(folder / "library", bundle, ToneRecogniser(), location=str(bundle.folder), paths=heard)
    with writing(folder / "library") as writer:
        videos = {Path(row["path"]).stem: row for row in writer.snapshot.read(FILES).to_pylist()}
        sound = f"nothing of the sound decodes: {films}/failed.mkv (pcm_s16le, 7 damaged packets). Play it."
        ends = {"failed": (FAILED, 0.0, sound), "half": (PARTIAL, 62.5, ""), "spared": (SPARED, 1.0, "")}
        rows = [_recognised(videos[name], "speech", "tones/1", *end) for name, end in ends.items()]
        rows += [
            _recognised(row, "screen", MODEL, OK, 1.0, "")
            for name, row in videos.items()
            if name != "waiting"
        ]
        writer.commit(Commit(recognised=rows))
    return folder / "library"


def _recognised(
    file: dict[str, Any], source: str, engine: str, status: str, until_s: float, message: str
) -> dict[str, Any]:
    row = {"video": file["video"], "source": source, "engine": engine, "status": status, "track": 0}
    return row | {"until_s": until_s, "message": message, "recognised_at": "2026-01-01T00:00:00+00:00"}


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
