"""How pictures are chosen is a wish that the library remembers."""

from __future__ import annotations

import json

import pytest

import videos
from films import index_films
from polyreel.cli.app import main
from polyreel.library.store.preferences import read_preferences
from polyreel.library.store.store import open_snapshot
from polyreel.library.store.tables import FILES

TWO_SECONDS = {"g": "20", "x264-params": "scenecut=0"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "videos").mkdir()
    videos.write_video(tmp_path / "videos" / "a.mp4", seconds=8, fps=10, encoder_options=TWO_SECONDS)
    return tmp_path / "videos"


def sampled(library) -> dict[str, tuple[str, int]]:
    """Sampling and number of pictures of each file."""
    rows = open_snapshot(library).read(FILES).to_pylist()
    healths = {row["path"].rsplit("/", 1)[-1]: json.loads(row["health"]) for row in rows}
    return {name: (each["sampling"], each["frames_sampled"]) for name, each in healths.items()}


def test_later_runs_keep_to_what_was_asked_for(folder, tmp_path, tiny_bundle):
    library = tmp_path / "library"
    index_films(folder, library, tiny_bundle, sampling="fast")
    assert sampled(library) == {"a.mp4": ("fast", 4)}
    videos.write_video(folder / "b.mp4", seconds=6, fps=10, encoder_options=TWO_SECONDS)
    index_films(folder, library, tiny_bundle)
    assert sampled(library) == {"a.mp4": ("fast", 4), "b.mp4": ("fast", 3)}


def test_another_wish_is_told_and_leaves_what_is_there(folder, tmp_path, tiny_bundle, capsys):
    library = tmp_path / "library"
    index_films(folder, library, tiny_bundle)
    assert sampled(library) == {"a.mp4": ("near", 8)}
    videos.write_video(folder / "b.mp4", seconds=6, fps=10, encoder_options=TWO_SECONDS)
    arguments = ["index", str(folder), "--library", str(library), "--no-speech", "--no-screen-text"]
    assert main([*arguments, "--sampling", "fast"]) == 0
    assert "stay as 'near' made them" in capsys.readouterr().err
    assert sampled(library) == {"a.mp4": ("near", 8), "b.mp4": ("fast", 3)}
    assert read_preferences(library).sampling == "fast"


def test_a_run_that_leaves_no_library_leaves_no_wish(folder, tmp_path, tiny_bundle, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(tiny_bundle), "encode_frames", interrupt)
    index_films(folder, tmp_path / "library", tiny_bundle, sampling="fast")
    assert not (tmp_path / "library").exists()
