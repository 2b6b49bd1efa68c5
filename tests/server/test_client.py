"""One interface to a library on this machine and to one on a server."""

from __future__ import annotations

import inspect
import json
import socket
from datetime import date
from pathlib import Path

import pytest
from servers import listening
from test_examples import picture
from test_safety import TOKEN

import polyreel
from films import open_library as open_with_tiny_bundle
from polyreel.client.opening import VideoLibrary, open_library
from polyreel.client.remote import RemoteLibrary
from polyreel.errors import (
    LibraryError,
    MediaError,
    NotFoundError,
    QueryError,
    RemoteError,
    UsageError,
)
from polyreel.library.results import Hit, SearchResult, Video
from polyreel.library.search.filters import Filter
from polyreel.library.search.search import Library

CALLS = [
    name for name in vars(VideoLibrary) if inspect.isfunction(vars(VideoLibrary)[name]) and name[0] != "_"
]


@pytest.fixture(scope="module")
def remote(site):
    with polyreel.connect(site.address) as library:
        yield library


@pytest.fixture(scope="module")
def local(library_folder):
    library = open_with_tiny_bundle(library_folder)
    library.calibrate()
    return library


@pytest.fixture(params=["local", "remote"])
def library(request):
    """Both, one after the other, for checks that hold for each."""
    return request.getfixturevalue(request.param)


# What holds for each


def names(result: SearchResult) -> list[str]:
    return [Path(hit.video).name for hit in result.hits]


def test_a_text_is_searched_for(library):
    result = library.search("dog runs", top=3)
    assert isinstance(result, SearchResult)
    best = result.hits[0]
    assert (Path(best.video).name, best.start_s, best.end_s, best.rank) == ("tricolour.mp4", 3.0, 6.0, 1)
    assert best.evidence.subtitle.text == "and then the dog runs away"
    assert (best.grade, best.evidence.picture is None) == ("strong", False)
    assert result.false_alarm_rate is not None
    assert names(library.search("rojo", mode="visual", language="es", top=1)) == ["red.mp4"]
    assert names(library.search("dog runs", top=3, exact=True)) == names(result)


def test_filters_hold(library):
    filters = Filter(folder="talks", min_duration_s=5, subtitles="en", after=date(2020, 1, 1))
    assert set(names(library.search("red", filters=filters))) == {"tricolour.mp4"}
    assert [video.name for video in library.videos(filters=filters)] == ["talks/tricolour.mp4"]


def test_a_clip_and_a_picture_are_searched_with(library, tmp_path):
    hit = library.search("red", mode="visual").hits[0]
    like = library.search_like(hit.clip_id, top=3)
    assert hit.clip_id not in {each.clip_id for each in like.hits}
    (tmp_path / "red.jpg").write_bytes(picture("red"))
    assert {"red.mp4", "tricolour.mp4"} == set(names(library.search_example(tmp_path / "red.jpg", top=2)))


def test_videos_clips_and_timelines_are_told(library):
    hit = library.search("white", mode="visual", filters=Filter(folder="talks")).hits[0]
    video = library.video(hit.video_id)
    assert isinstance(video, Video)
    assert (video.name, video.clips, video.subtitles) == ("talks/tricolour.mp4", 4, ("en",))
    assert library.videos(skip=6, top=3) == [library.video(each.id) for each in library.videos()[6:]]
    clip = library.clip(hit.clip_id)
    assert (clip.video, clip.start_s, clip.thumbnail, clip.media) == (
        video,
        3.0,
        hit.thumbnail,
        hit.media,
    )
    timeline = library.timeline(hit.video_id, " white ", language="en")
    assert (timeline.video, timeline.query, timeline.language) == (video, "white", "en")
    assert [round(each.visual) for each in timeline.clips] == [0, 1, 0, 0]
    assert timeline.clips[1].thumbnail == hit.thumbnail


def test_contents_are_told(library):
    contents = library.contents()
    assert (contents.videos, contents.clips, contents.subtitles, contents.paths) == (7, 10, 3, 9)
    assert contents.files == 7
    assert (contents.folders, contents.lines) == (("talks",), {"en": 3})
    assert [problem.name for problem in contents.problems] == ["empty.mp4", "text.mp4"]
    assert contents.updated_at.date() >= date(2020, 1, 1)
    assert library.index_status().running is False


def test_errors_are_the_same(library, tmp_path):
    with pytest.raises(QueryError, match="the query is empty"):
        library.search("  ")
    with pytest.raises(UsageError, match="not a language tag"):
        library.search("red", language="klingon")
    for call in (library.search_like, library.clip):
        with pytest.raises(NotFoundError, match="no such moment"):
            call("x")
    with pytest.raises(NotFoundError, match="no such video"):
        library.video("x" * 20)
    with pytest.raises(NotFoundError, match="no such video"):
        library.timeline("x" * 20, "red")
    (tmp_path / "no.jpg").write_bytes(b"no")
    with pytest.raises(MediaError, match=r"neither a picture nor a video.*no\.jpg"):
        library.search_example(tmp_path / "no.jpg")


def test_a_result_is_frozen_and_reads_well(library):
    result = library.search("dog runs", top=2)
    with pytest.raises(ValueError, match="frozen"):
        result.hits[0].rank = 2
    with pytest.raises(ValueError, match="Extra inputs"):
        Hit.model_validate({**result.hits[0].model_dump(), "colour": "red"})
    head, first, second = str(result).splitlines()
    assert head.startswith("2 hits for 'dog runs' (")
    assert first.split()[:4] == ["1", "0:03.0", "-", "0:06.0"]
    assert first.endswith("tricolour.mp4  [en] and then the dog runs away")
    assert second.split()[0] == "2"


# What holds between them


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", [Library, RemoteLibrary])
def test_calls_are_those_of_the_protocol(name, kind):
    assert inspect.signature(getattr(kind, name)) == inspect.signature(getattr(VideoLibrary, name))


def test_there_are_calls():
    assert {
        "search",
        "search_like",
        "search_example",
        "timeline",
        "clip",
        "video",
        "videos",
        "contents",
    } <= set(CALLS)


def same(found: SearchResult, wanted: SearchResult) -> bool:
    """Whether a result from a server is the local one but for places and the rounding of JSON."""

    def bare(result: SearchResult) -> dict:
        document = json.loads(result.model_dump_json())
        for hit in document["hits"]:
            hit["video"] = Path(hit["video"]).name
            del hit["thumbnail"], hit["media"]
        return document | {"took_ms": 0}

    return bare(found) == bare(wanted)


@pytest.mark.parametrize("query", ["red", "mbwa anakimbia", "zzzz"])
@pytest.mark.parametrize("mode", ["visual", "subtitles", "hybrid"])
def test_a_search_gives_what_the_library_gives(remote, local, query, mode):
    assert same(remote.search(query, mode=mode, top=5), local.search(query, mode=mode, top=5))


def test_all_calls_give_what_the_library_gives(remote, local, tmp_path):
    hit = remote.search("white", mode="visual").hits[0]
    assert same(remote.search_like(hit.clip_id, top=3), local.search_like(hit.clip_id, top=3))
    (tmp_path / "red.jpg").write_bytes(picture("red"))
    example = tmp_path / "red.jpg"
    assert same(remote.search_example(example, top=2), local.search_example(example, top=2))
    mine, theirs = (each.timeline(hit.video_id, "white").clips for each in (remote, local))
    assert [(clip.clip_id, clip.strength) for clip in mine] == [
        (clip.clip_id, clip.strength) for clip in theirs
    ]
    own, found = local.video(hit.video_id), remote.video(hit.video_id)
    assert found == own.model_copy(
        update={"thumbnail": found.thumbnail, "media": found.media, "duration_s": found.duration_s}
    )
    assert remote.contents() == local.contents().model_copy(
        update={"duration_s": remote.contents().duration_s}
    )


def test_places_are_paths_here_and_addresses_there(remote, local, site):
    here, there = (each.search("white", mode="visual").hits[0] for each in (local, remote))
    assert Path(here.video) == Path(here.media)
    assert all(Path(place).is_file() for place in (here.media, here.thumbnail))
    assert there.video == "talks/tricolour.mp4"
    assert there.media == f"{site.address}/api/v1/videos/{there.video_id}/file#t=3.000"
    assert there.thumbnail == f"{site.address}/api/v1/thumbnails/{there.clip_id}"


def test_a_server_that_knows_more_is_understood(remote, monkeypatch):
    answer = remote._http.request("GET", "videos")
    later = json.loads(answer.content)
    later["videos"][0]["colour"] = "red"
    answer._content = json.dumps(later).encode()
    monkeypatch.setattr(remote._http, "request", lambda *_arguments, **_options: answer)
    assert remote.videos()[0].name == later["videos"][0]["name"]


def test_a_server_gives_its_errors_their_kind(remote):
    with pytest.raises(RemoteError, match="may not be indexed from here"):
        remote.index("/")


def test_open_takes_a_folder_or_an_address(library_folder, site, tmp_path):
    with open_library(library_folder) as local, open_library(site.address) as remote:
        assert isinstance(local, Library)
        assert isinstance(remote, RemoteLibrary)
        assert names(local.search("red", top=1)) == names(remote.search("red", top=1)) == ["red.mp4"]
    assert open_library(str(library_folder)).search("red").hits
    with pytest.raises(LibraryError, match="no library is here"):
        open_library(tmp_path)


def test_a_token_opens(library_folder):
    with listening(library_folder, token=TOKEN) as started:
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
