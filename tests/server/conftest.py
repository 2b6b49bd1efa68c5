"""A library of plain colours and servers of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="polyreel[serve] is not installed")

from servers import Listening, listening, make_library, serving
from starlette.testclient import TestClient

from films import film, index_films
from polyreel.encoders.runtime import Bundle


@pytest.fixture(scope="session")
def library_folder(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Bundle) -> Path:
    """The library of ``make_library``, with its videos beside it; not to be changed."""
    return make_library(tmp_path_factory.mktemp("server"), tiny_bundle)


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
