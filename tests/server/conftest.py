"""A library of plain colours and servers of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="polyreel[serve] is not installed")

from servers import Listening, listening, make_heard_library, make_library, serving
from starlette.testclient import TestClient

import videos
from films import film, index_films, subtitles
from polyreel.encoders.runtime import Bundle


@pytest.fixture(scope="session")
def library_folder(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Bundle) -> Path:
    """The library of ``make_library``, with its videos beside it; not to be changed."""
    return make_library(tmp_path_factory.mktemp("server"), tiny_bundle)


@pytest.fixture(scope="session")
def refused_library(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Bundle) -> Path:
    """An AVI with subtitles in two languages, two MPEG-TS, and a film with red at both ends."""
    folder = tmp_path_factory.mktemp("refused")
    films = folder / "films"
    films.mkdir()
    picture = videos.scenes((3.0, videos.clock), (9.0, videos.solid((255, 0, 0))))
    videos.write_video(films / "old.avi", seconds=6.0, codec="mpeg4", picture=picture)
    videos.write_video(films / "tuner.ts", seconds=6.0, audio=True)
    subtitles(films / "old.en.srt", (0.5, 1.5, "good evening"), (4, 5.5, "a <i>red</i> wall\n& no dog"))
    subtitles(films / "old.cs.srt", (4, 5, "červená zeď"))
    # More than fits between a server and a player that reads nothing.
    videos.write_video(films / "noise.ts", seconds=3, size=(320, 240), picture=videos.noise())
    film(films / "twice.mp4", "red", "blue", "green", "red")
    index_films(films, folder / "library", tiny_bundle)
    return folder / "library"


@pytest.fixture(scope="session")
def heard_library(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Bundle) -> Path:
    """The library of ``make_heard_library``, with its videos beside it; not to be changed."""
    return make_heard_library(tmp_path_factory.mktemp("heard"), tiny_bundle)


@pytest.fixture
def own_library(tmp_path: Path, library_folder: Path, tiny_bundle: Bundle) -> Path:
    """A copy of the library with one video, to be harmed."""
    film(tmp_path / "videos" / "red.mp4", "red", "blue")
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    return tmp_path / "library"


@pytest.fixture(scope="session")
def client(library_folder: Path) -> Iterator[TestClient]:
    """Requests to a server with default settings."""
    with serving(library_folder) as started:
        yield started


@pytest.fixture(scope="session")
def site(library_folder: Path) -> Iterator[Listening]:
    """A server on a port, with default settings."""
    with listening(library_folder) as started:
        yield started
