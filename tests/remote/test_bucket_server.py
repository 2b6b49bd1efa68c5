"""Films in a bucket on the page: played, cut and shown, and what is said where that cannot be."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="polyreel[serve] is not installed")

from starlette.testclient import TestClient

import videos
from buckets import Bucket
from films import film, index_films, open_library
from polyreel.encoders.runtime import Bundle
from polyreel.remote import spool
from polyreel.remote.address import place
from polyreel.remote.spool import spool_folder
from polyreel.server.app import create_app
from polyreel.server.files import on_this_machine
from polyreel.server.settings import ServerSettings


@pytest.fixture
def library(tmp_path: Path, bucket: Bucket, tiny_bundle: Bundle) -> Path:
    """One film that browsers play, and one that has to be made anew for them."""
    bucket.put("films/red.mp4", film(tmp_path / "red.mp4", "red", "blue"))
    old = videos.write_video(
        tmp_path / "old.avi", seconds=2.0, codec="mpeg4", picture=videos.solid((0, 128, 0))
    )
    bucket.put("films/old.avi", old)
    index_films(Path(bucket.at("films")), tmp_path / "library", tiny_bundle)
    shutil.rmtree(spool_folder())
    return tmp_path / "library"


@pytest.fixture
def client(library: Path) -> Iterator[TestClient]:
    """Requests to a server of it."""
    app = create_app(ServerSettings(library=library), lambda location: Bundle(Path(location)))
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def address(library: Path, name: str) -> str:
    """Where the API has a video."""
    rows = open_library(library).search("red").hits
    return f"/api/v1/videos/{next(hit.video_id for hit in rows if hit.video.endswith(name))}"


def test_films_are_played_cut_and_drawn(client: TestClient, library: Path, tmp_path: Path):
    (hit, *_) = client.get("/api/v1/search", params={"q": "red"}).json()["hits"]
    assert hit["video"] == "red.mp4"
    here = address(library, "red.mp4")
    whole = (tmp_path / "red.mp4").read_bytes()
    head = client.head(f"{here}/file")
    assert (head.status_code, int(head.headers["content-length"])) == (200, len(whole))
    assert not spool_folder().exists()
    part = client.get(f"{here}/file", headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole[100:200])
    assert client.get(f"{here}/file").content == whole
    assert client.get(f"{here}/strip", params={"start": 0, "end": 2}).headers["content-type"] == "image/jpeg"
    cut = client.get(f"{here}/cut", params={"start": 1, "end": 2})
    assert (cut.status_code, cut.headers["content-type"]) == (200, "video/mp4")
    page = client.get(here.replace("/api/v1/videos", "/play"))
    assert page.status_code == 200
    assert f"{here}/file" in page.text
    stream = client.get(f"{address(library, 'old.avi')}/stream", params={"start": 0})
    assert (stream.status_code, stream.headers["content-type"]) == (200, "video/webm")


def test_a_film_that_is_gone_or_changed_or_out_of_reach_is_said_to_be(
    client: TestClient, library: Path, bucket: Bucket, tmp_path: Path, monkeypatch
):
    def broken(*_: object) -> bytes:
        raise OSError(5, "the network is down")

    here = address(library, "red.mp4")
    with monkeypatch.context() as patched:
        patched.setattr(spool, "range_of", broken)
        patched.setattr(spool, "_PATIENCE_S", 0.01)
        for what in ("file", "cut?start=0&end=1", "strip?start=0&end=1"):
            answer = client.get(f"{here}/{what}")
            assert answer.status_code == 503, what
            assert "the network is down" in answer.text
            assert bucket.address not in answer.text
        assert bucket.address not in client.get(here.replace("/api/v1/videos", "/play")).text
    assert client.get(f"{here}/file").status_code == 200
    bucket.put("films/red.mp4", film(tmp_path / "other.mp4", "white"))
    answer = client.get(f"{here}/file")
    assert (answer.status_code, "has changed since it was indexed" in answer.text) == (404, True)
    bucket.remove("films/red.mp4")
    answer = client.get(f"{here}/file")
    assert (answer.status_code, "cannot be seen in its bucket" in answer.text) == (404, True)


def test_a_server_that_ends_does_not_wait_for_a_silent_bucket(bucket: Bucket, monkeypatch):
    film = place(bucket.put("a.mp4", b"a film"))
    asked, over = threading.Event(), threading.Event()

    def silent(*_: object) -> bytes:
        asked.set()
        over.wait(60)
        return b"a film"

    monkeypatch.setattr(spool, "range_of", silent)

    async def ask() -> None:
        async with on_this_machine(film):
            pytest.fail("it cannot be there")

    async def end_meanwhile() -> None:
        asking = asyncio.create_task(ask())
        while not asked.is_set():
            await asyncio.sleep(0.01)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking

    asyncio.run(end_meanwhile())
    deadline = time.monotonic() + 30
    while any(thread.name.startswith("AnyIO") for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "the thread that fetches goes on"
        time.sleep(0.05)
    over.set()
