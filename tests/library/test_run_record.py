"""What is kept of a run for whoever asks once it is over."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from films import film, index_films, subtitles
from polyreel.library.index.run_record import RUN_FILE, read_run_record


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    for colour in ("red", "green", "blue"):
        film(tmp_path / "videos" / f"{colour}.mp4", colour)
    (tmp_path / "videos" / "empty.mp4").write_bytes(b"")
    return tmp_path / "videos"


def test_a_run_is_kept_with_what_it_did_and_each_problem(videos, tmp_path, tiny_bundle):
    assert read_run_record(tmp_path / "library") is None
    index_films(videos, tmp_path / "library", tiny_bundle)
    first = read_run_record(tmp_path / "library")
    assert (first.new, first.reread, first.failed, first.changed) == (3, 0, 1, True)
    (problem,) = first.problems
    assert problem.path == str(videos / "empty.mp4")
    assert problem.message.startswith("the file is empty")

    film(videos / "red.mp4", "yellow", "white")
    film(videos / "new.mp4", "black")
    (videos / "green.mp4").rename(videos / "moved.mp4")
    subtitles(videos / "blue.en.srt", (0, 1, "the sea"))
    index_films(videos, tmp_path / "library", tiny_bundle)
    second = read_run_record(tmp_path / "library")
    assert (second.new, second.reread, second.linked, second.resubtitled) == (1, 1, 1, 1)
    assert (second.removed, second.failed, second.interrupted) == (0, 0, False)
    assert second.ended_at > first.ended_at

    index_films(videos, tmp_path / "library", tiny_bundle)
    third = read_run_record(tmp_path / "library")
    assert (third.changed, third.unchanged) == (False, 4)


def test_what_is_gone_is_told_from_what_moved_and_from_copies(videos, tmp_path, tiny_bundle):
    library = tmp_path / "library"
    for name in ("red copy.mp4", "blue copy.mp4", "blue third.mp4"):
        shutil.copy(videos / f"{name.partition(' ')[0]}.mp4", videos / name)
    index_films(videos, library, tiny_bundle)
    (videos / "red.mp4").unlink()
    (videos / "green.mp4").unlink()
    (videos / "blue.mp4").rename(videos / "moved.mp4")
    (videos / "blue copy.mp4").unlink()
    report, record = index_films(videos, library, tiny_bundle), read_run_record(library)
    for told in (report, record):
        assert (told.linked, told.removed, told.copies_removed, told.changed) == (1, 1, 2, True)
    for path in videos.glob("blue*"):
        path.unlink()
    assert index_films(videos, library, tiny_bundle).copies_removed == 1
    (videos / "moved.mp4").unlink()
    (videos / "red copy.mp4").rename(videos / "a.mp4")
    report = index_films(videos, library, tiny_bundle)
    assert (report.linked, report.removed, report.copies_removed) == (1, 1, 0)


def test_an_interrupted_run_says_so(videos, tmp_path, tiny_bundle):
    def interrupt(event: object) -> None:
        raise KeyboardInterrupt

    index_films(videos, tmp_path / "library", tiny_bundle)
    film(videos / "new.mp4", "black")
    assert index_films(videos, tmp_path / "library", tiny_bundle, on_event=interrupt).interrupted
    assert read_run_record(tmp_path / "library").interrupted


@pytest.mark.parametrize("content", ["", "{", "[]", '{"ended_at": "soon"}', '{"new": -1}'])
def test_what_is_no_record_is_none(tmp_path, content):
    (tmp_path / RUN_FILE).write_text(content)
    assert read_run_record(tmp_path) is None


def test_a_record_of_a_newer_version_is_read(tmp_path):
    (tmp_path / RUN_FILE).write_text('{"ended_at": "2026-11-29T00:00:00Z", "new": 3, "mood": "good"}')
    assert read_run_record(tmp_path).new == 3
