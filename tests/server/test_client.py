"""``polyreel.connect``: a library elsewhere with the calls of a local one."""

from __future__ import annotations

import inspect
import socket
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from servers import listening
from test_examples import picture
from test_safety import TOKEN

import polyreel
from films import open_library
from polyreel.client.remote import RemoteLibrary
from polyreel.errors import MediaError, NotFoundError, QueryError, RemoteError, UsageError
from polyreel.library.search.filters import Filter
from polyreel.library.search.search import Library


@pytest.fixture(scope="module")
def remote(site):
    with polyreel.connect(site.address) as library:
        yield library


@pytest.fixture(scope="module")
def local(shelf):
    library = open_library(shelf)
    library.calibrate()
    return library


def named(hit, library):
    """A local hit as a server names it."""
    return replace(hit, video=library.view.name(hit.video), thumbnail="")


def same(found, wanted, library) -> bool:
    # What travels is rounded.
    for mine, theirs in zip(found.hits, wanted.hits, strict=True):
        own = named(theirs, library)
        assert replace(mine, thumbnail="", score=0.0, visual=0.0, start_s=0, end_s=0) == replace(
            own, score=0.0, visual=0.0, start_s=0, end_s=0
        )
        assert (mine.score, mine.start_s, mine.end_s) == pytest.approx(
            (own.score, own.start_s, own.end_s), abs=1e-3
        )
    return replace(found, hits=(), took_ms=0) == replace(wanted, hits=(), took_ms=0)


@pytest.mark.parametrize("query", ["red", "mbwa anakimbia", "zzzz"])
@pytest.mark.parametrize("mode", ["visual", "subtitles", "hybrid"])
def test_a_search_gives_what_the_library_gives(remote, local, query, mode):
    assert same(remote.search(query, mode=mode, top=5), local.search(query, mode=mode, top=5), local)


def test_all_calls_give_what_the_library_gives(remote, local, tmp_path):
    hit = remote.search("white", mode="visual").hits[0]
    assert same(remote.search_like(hit.clip_id, top=3), local.search_like(hit.clip_id, top=3), local)
    (tmp_path / "red.jpg").write_bytes(picture("red"))
    example = tmp_path / "red.jpg"
    assert same(remote.search_example(example, top=2), local.search_example(example, top=2), local)
    mine, theirs = remote.clips_of(hit.video_id, "white"), local.clips_of(hit.video_id, "white")
    assert [(clip.clip_id, clip.strength) for clip in mine] == [
        (clip.clip_id, clip.strength) for clip in theirs
    ]
    assert [video.name for video in remote.videos(skip=1, top=3)] == [
        video.name for video in local.videos(skip=1, top=3)
    ]
    own = local.video(hit.video_id)
    found = remote.video(hit.video_id)
    assert (found.name, found.subtitles, found.size_bytes, found.clips) == (
        own.name,
        own.subtitles,
        own.size_bytes,
        own.clips,
    )
    assert remote.contents().videos == 7
    assert remote.progress().running is False


def test_filters_travel(remote):
    only = Filter(folder="talks", min_duration_s=5, subtitles="en", after=date(2020, 1, 1))
    assert {hit.video for hit in remote.search("red", only=only).hits} == {"talks/tricolour.mp4"}


@pytest.mark.parametrize("name", ["search", "search_like", "search_example", "clips_of", "video", "videos"])
def test_calls_are_the_same(name):
    assert inspect.signature(getattr(RemoteLibrary, name)) == inspect.signature(getattr(Library, name))


def test_errors_are_those_of_the_library(remote, tmp_path):
    with pytest.raises(QueryError, match="the query is empty"):
        remote.search("  ")
    with pytest.raises(UsageError, match="not a language tag"):
        remote.search("red", language="klingon")
    with pytest.raises(NotFoundError, match="no such moment"):
        remote.search_like("x")
    with pytest.raises(NotFoundError, match="no such video"):
        remote.video("x" * 20)
    (tmp_path / "no.jpg").write_bytes(b"no")
    with pytest.raises(MediaError, match=r"neither a picture nor a video.*no\.jpg"):
        remote.search_example(tmp_path / "no.jpg")
    with pytest.raises(RemoteError, match="may not be indexed from here"):
        remote.index("/")


def test_a_token_opens(shelf):
    with listening(shelf, token=TOKEN) as started:
        with pytest.raises(RemoteError, match="the token is missing or wrong"):
            polyreel.connect(started.address)
        with polyreel.connect(started.address, token=TOKEN) as library:
            assert library.search("red").hits


def test_what_is_no_server_is_said_to_be_none(tmp_path: Path):
    for address in ("localhost:8420", "ftp://localhost", "", "http://"):
        with pytest.raises(RemoteError, match="not the address of a server"):
            polyreel.connect(address)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(RemoteError, match=r"cannot be reached.*polyreel serve"):
            polyreel.connect(f"http://127.0.0.1:{free.getsockname()[1]}")


def test_another_server_is_told_from_ours(tmp_path):
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, *_arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        try:
            with pytest.raises(RemoteError, match="not that of a polyreel server"):
                polyreel.connect(f"http://127.0.0.1:{other.server_port}")
        finally:
            other.shutdown()
            thread.join()
