"""What the library says of itself."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path

import pytest

from films import film, index_films, subtitles
from polyreel.encoders.runtime import Bundle
from polyreel.errors import LibraryError
from polyreel.library.store.doctor import examine
from polyreel.library.store.state import read_state, write_state


@pytest.fixture
def library(tmp_path, tiny_bundle):
    bundle = Bundle(Path(shutil.copytree(tiny_bundle.folder, tmp_path / "tiny")))
    film(tmp_path / "videos" / "a.mp4", "red", "blue", each_s=3)
    film(tmp_path / "videos" / "b.mp4", "green")
    shutil.copy(tmp_path / "videos" / "b.mp4", tmp_path / "videos" / "c.mp4")
    (tmp_path / "videos" / "d.mp4").write_text("no video")
    subtitles(tmp_path / "videos" / "a.srt", (0, 1, "one"), (1, 2, "two"))
    index_films(tmp_path / "videos", tmp_path / "library", bundle)
    return tmp_path / "library"


def test_it_counts_what_is_there(library, tmp_path, tiny_bundle):
    health = examine(library)
    assert (health.videos, health.paths, health.clips, health.subtitles) == (2, 4, 3, 2)
    assert (health.library, health.bundle) == (str(library), tiny_bundle.card.label)
    assert (health.usable, health.bundle_state) == (True, "installed and whole")
    assert [problem.path for problem in health.failed] == [str(tmp_path / "videos" / "d.mp4")]
    assert health.remarks == ()
    assert health.schema_version == 2
    assert health.commit == read_state(library).commit


def test_it_tells_versions_and_space(library):
    health = examine(library)
    assert health.versions["lancedb"] == version("lancedb")
    assert {"python", "polyreel", "av", "onnxruntime"} <= health.versions.keys()
    assert {"clips.lance", "files.lance", "gen-1.lance", "subtitles.lance", "thumbs", "cache"} == set(
        health.space_bytes
    )
    pictures = [path for path in (library / "thumbs").rglob("*") if path.is_file()]
    assert health.space_bytes["thumbs"] == sum(path.stat().st_size for path in pictures)


def test_it_changes_nothing(library):
    before = {path: path.stat().st_mtime_ns for path in library.rglob("*")}
    examine(library)
    assert {path: path.stat().st_mtime_ns for path in library.rglob("*")} == before


def test_a_missing_bundle_is_named(library, tmp_path):
    shutil.rmtree(tmp_path / "tiny")
    health = examine(library)
    assert not health.usable
    assert "no bundle is here" in health.bundle_state
    assert str(tmp_path / "tiny") in health.bundle_state


def test_a_damaged_bundle_is_named(library, tmp_path):
    (tmp_path / "tiny" / "video.onnx").write_bytes(b"")
    health = examine(library)
    assert not health.usable
    assert "video.onnx" in health.bundle_state


def test_a_bundle_that_was_replaced_is_named(library):
    state = read_state(library)
    other = state.generation.model_copy(update={"identity": "f" * 64})
    write_state(library, state.model_copy(update={"generations": {1: other}}))
    health = examine(library)
    assert not health.usable
    assert "another bundle" in health.bundle_state


def test_no_library_is_one_clear_error(tmp_path):
    with pytest.raises(LibraryError, match=r"no library is here"):
        examine(tmp_path)


def test_files_that_go_while_it_looks_do_not_stop_it(library, monkeypatch):
    """An index run in another process removes what it no longer needs."""
    look = Path.stat

    def gone(path, **options):
        if path.suffix == ".jpg":
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return look(path, **options)

    monkeypatch.setattr(Path, "stat", gone)
    assert examine(library).space_bytes["thumbs"] == 0
