"""A server that ends while players wait for it: quickly, and with nothing in its log to be afraid of."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("fastapi", reason="polyreel[serve] is not installed")

from buckets import memory_bucket, silence
from films import film, index_films, open_library
from polyreel.encoders.runtime import Bundle
from polyreel.remote import spool
from polyreel.server import serving
from polyreel.server.settings import ServerSettings


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("polyreel.server", "uvicorn.error")]
    before = [(each.handlers[:], each.filters[:], each.level, each.propagate) for each in loggers]
    yield
    for each, (handlers, filters, level, propagate) in zip(loggers, before, strict=True):
        each.handlers[:], each.filters[:], each.propagate = handlers, filters, propagate
        each.setLevel(level)


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str, Callable[[], bool]], bytes]:
    """Asks a server for something, ends it once the request waits; what came of the request."""
    servers = []

    class Noted(serving._Server):
        def __init__(self, *given: object) -> None:
            super().__init__(*given)  # type: ignore[arg-type]
            servers.append(self)

    monkeypatch.setattr(serving, "_Server", Noted)
    monkeypatch.setattr(serving, "_GRACE_S", 1)

    def ask_and_end(library: Path, path: str, waits: Callable[[], bool]) -> bytes:
        told: list[str] = []
        settings = ServerSettings(library=library, port=0)
        options = {"on_ready": told.append}
        thread = threading.Thread(
            target=serving.serve, args=(settings, lambda at: Bundle(Path(at))), kwargs=options
        )
        thread.start()
        wait_until(lambda: bool(told))
        port = urlsplit(told[0]).port
        with socket.create_connection(("127.0.0.1", port or 0), timeout=30) as player:
            player.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode())
            wait_until(waits)
            servers[0].should_exit = True
            thread.join(20)
            assert not thread.is_alive(), "it waits"
            return player.recv(1 << 16)

    return ask_and_end


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.02)


def file_of(library: Path) -> str:
    (hit, *_) = open_library(library).search("red").hits
    return f"/api/v1/videos/{hit.video_id}/file"


@pytest.mark.parametrize("silent", ["facts_of", "range_of"])
def test_bytes_of_a_bucket_are_waited_for(silent, tmp_path, tiny_bundle, monkeypatch, ended, capsys):
    bucket = memory_bucket(monkeypatch)
    bucket.put("films/red.mp4", film(tmp_path / "red.mp4", "red"))
    index_films(Path(bucket.at("films")), tmp_path / "library", tiny_bundle)
    path = file_of(tmp_path / "library")
    spool_emptied = [each.unlink() for each in spool.spool_folder().glob("*/files/*")]
    assert spool_emptied
    monkeypatch.setattr("polyreel.server.files.BUCKET_S", 2.0)
    asked = threading.Event()
    with silence(monkeypatch, silent, asked):
        answer = ended(tmp_path / "library", path, asked.is_set)
        wait_until(lambda: not any(each.name.startswith("AnyIO") for each in threading.enumerate()))
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"the server is ending" in answer
    assert "Traceback" not in capsys.readouterr().err


def test_a_player_reads_nothing(tmp_path, tiny_bundle, ended, capsys):
    file = film(tmp_path / "films" / "red.mp4", "red")
    with file.open("ab") as padded:  # more than fits between a server and a player
        padded.write((64 << 20).to_bytes(4, "big") + b"free")
        padded.truncate(padded.tell() - 8 + (64 << 20))
    index_films(tmp_path / "films", tmp_path / "library", tiny_bundle)
    begun = time.monotonic()
    answer = ended(tmp_path / "library", file_of(tmp_path / "library"), lambda: time.monotonic() > begun + 2)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert "Traceback" not in capsys.readouterr().err
