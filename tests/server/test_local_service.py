"""A search on the command line asks the server that has the library open, and is none the worse without."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import tempfile
from pathlib import Path

import pytest
from servers import make_library, serving

from films import film, index_films, open_library
from polyreel.cli import search as verb
from polyreel.cli.app import main
from polyreel.library import local_socket
from polyreel.library.local_socket import MAX_REQUEST_BYTES, ask_server, socket_path
from polyreel.server import local_service
from polyreel.server.local_service import LocalService

ASKED = {"query": "the dog runs away", "top": 5, "mode": "hybrid", "language": "auto", "likely": ["sw"]}


@pytest.fixture(scope="module")
def library(tmp_path_factory, tiny_bundle):
    return make_library(tmp_path_factory.mktemp("local"), tiny_bundle)


@pytest.fixture(autouse=True)
def cache(monkeypatch):
    """A folder for sockets, whose path has to be short."""
    folder = Path(tempfile.mkdtemp(prefix="pr"))
    monkeypatch.setenv("POLYREEL_CACHE", str(folder))
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def served(library):
    with serving(library) as client:
        service = LocalService(client.app.state.server)
        client.portal.call(service.open)
        yield client
        client.portal.call(service.close)


def test_it_answers_what_a_search_done_here_would(library):
    with served(library):
        answer = ask_server(library, ASKED)
    own = open_library(library).search("the dog runs away", top=5).model_dump(mode="json")
    assert answer["hits"], answer
    for mine, its in zip(own["hits"], answer["hits"], strict=True):
        assert {name: its[name] for name in mine if name != "evidence"} == {
            name: mine[name] for name in mine if name != "evidence"
        }
    assert Path(answer["hits"][0]["video"]).is_absolute()
    assert ask_server(library, ASKED) is None
    assert not socket_path(library).exists()


def test_the_command_line_asks_it_unless_told_not_to(library, monkeypatch, capsys):
    def done_here(*_arguments, **_options):
        raise AssertionError("the search was done here")

    monkeypatch.setattr(verb, "_opened", done_here)
    with served(library):
        assert main(["search", "green", "--library", str(library), "--json"]) == 0
        assert Path(json.loads(capsys.readouterr().out)["hits"][0]["video"]).name == "green.mp4"
        filters = ["--max-duration", "60", "--after", "2000-01-01", "--in", "visual,speech"]
        assert main(["search", "green", "--library", str(library), *filters]) == 0
        assert "green.mp4" in capsys.readouterr().out
        with pytest.raises(AssertionError, match="done here"):
            main(["search", "green", "--library", str(library), "--no-server"])


def test_a_server_that_sees_another_commit_or_is_of_another_version_is_not_believed(library, monkeypatch):
    with served(library) as client:
        newer = client.app.state.server.snapshot.state.model_copy(update={"shown": "another"})
        with monkeypatch.context() as patch:
            patch.setattr(local_service, "require_state", lambda _folder: newer)
            assert ask_server(library, ASKED) is None
        with monkeypatch.context() as patch:
            patch.setattr(local_socket, "__version__", "0.0")
            assert ask_server(library, ASKED) is None
        assert ask_server(library, {**ASKED, "mode": "smell"}) is None
        assert ask_server(library, {**ASKED, "query": " "}) is None
        assert ask_server(library, ASKED)


@pytest.mark.parametrize("line", [b"\n", b"[]\n", b"\xff\n", b"{" * MAX_REQUEST_BYTES, b""])
def test_what_is_no_question_does_it_no_harm(library, line):
    with served(library):
        with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(BrokenPipeError):
            connection.connect(str(socket_path(library)))
            connection.sendall(line)
        assert ask_server(library, ASKED)


def test_what_a_killed_server_leaves_costs_nothing(library):
    path = socket_path(library)
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(path))
    assert path.exists()
    assert ask_server(library, ASKED) is None
    with served(library):
        assert ask_server(library, ASKED)


def test_a_server_that_takes_its_place_stays(library):
    with served(library), served(library):
        assert ask_server(library, ASKED)
    with serving(library) as client:
        first, second = (LocalService(client.app.state.server) for _ in range(2))
        client.portal.call(first.open)
        client.portal.call(second.open)
        client.portal.call(first.close)
        assert ask_server(library, ASKED)
        client.portal.call(second.close)


def test_a_folder_that_others_can_enter_is_not_used(library, cache):
    folder = socket_path(library).parent
    folder.mkdir()
    folder.chmod(0o755)
    with served(library):
        assert not list(folder.iterdir())
        assert ask_server(library, ASKED) is None
    folder.chmod(0o700)
    with served(library):
        assert ask_server(library, ASKED)
        folder.chmod(0o770)
        assert ask_server(library, ASKED) is None
        folder.chmod(0o700)


def test_where_no_name_is_short_enough_there_is_no_socket(library, cache, monkeypatch):
    deep = cache / ("deep" * 30)
    monkeypatch.setenv("POLYREEL_CACHE", str(deep))
    assert socket_path(library) is None
    with served(library):
        assert ask_server(library, ASKED) is None
    assert not deep.exists()


def test_it_names_the_copy_in_the_folder_that_is_searched(tmp_path, tiny_bundle):
    """As the search done here, the API and the lists of the page do."""
    videos = tmp_path / "videos"
    film(videos / "a" / "red.mp4", "red")
    (videos / "b").mkdir()
    shutil.copyfile(videos / "a" / "red.mp4", videos / "b" / "again.mp4")
    index_films(videos, tmp_path / "library", tiny_bundle)
    with served(tmp_path / "library") as client:
        answer = ask_server(tmp_path / "library", {**ASKED, "query": "red", "filters": {"folder": "b"}})
        assert answer["hits"][0]["video"] == answer["hits"][0]["media"] == str(videos / "b" / "again.mp4")
        found = client.get("/api/v1/search", params={"q": "red", "folder": "b"}).json()
        assert found["hits"][0]["video"] == "b/again.mp4"
        assert (
            client.get("/api/v1/videos", params={"folder": "b"}).json()["videos"][0]["name"] == "b/again.mp4"
        )
        for address in ("/export/csv", "/api/v1/search/export"):
            asked = {"q": "red", "folder": "b"} | ({"to": "csv"} if address.startswith("/api") else {})
            table = client.get(address, params=asked).content.decode("utf-8-sig")
            assert table.splitlines()[1].split(",")[1] == str(videos / "b" / "again.mp4")
