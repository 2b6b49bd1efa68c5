"""What a running index says of itself, and examples to search with."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import videos
from films import film, index_films, open_library
from polyreel.errors import DecodeError, LibraryBusyError, LimitError, MediaError
from polyreel.library.index.events import Planned, Progressed, Settled
from polyreel.library.index.line_stages import line_stages, make_lines
from polyreel.library.index.progress_file import LINES_FILE, IndexProgress, ProgressFile, read_progress
from polyreel.library.search.examples import encode_example
from polyreel.library.store.store import recognising
from polyreel.media.jpeg import encode_jpeg
from polyreel.media.limited import Limits
from polyreel.recognition import registry
from sounds import write_sounds
from tiny_bundle import PALETTE
from tone_recogniser import ToneRecogniser, says


def test_a_run_tells_how_far_it_is_and_leaves_nothing_behind(tmp_path, tiny_bundle):
    seen = []
    for colour in ("red", "blue"):
        film(tmp_path / "videos" / f"{colour}.mp4", colour)

    def look(event):
        if isinstance(event, Settled):
            seen.append(read_progress(tmp_path / "library"))

    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle, on_event=look)
    assert len(seen) == 2
    assert all(progress is not None and progress.is_running and progress.files == 2 for progress in seen)
    assert read_progress(tmp_path / "library") is None


def test_a_run_that_makes_lines_tells_how_far_it_is_and_leaves_nothing_behind(
    tmp_path, tiny_bundle, monkeypatch
):
    (tmp_path / "videos").mkdir()
    write_sounds(tmp_path / "videos" / "a.mp4", [says("red", 0.5, 1.5)], seconds=2)
    write_sounds(tmp_path / "videos" / "b.mp4", [says("blau", 0.5, 1.5)], seconds=2)
    library = tmp_path / "library"
    index_films(tmp_path / "videos", library, tiny_bundle)
    monkeypatch.setattr(registry, "load_speech", lambda *_given, **_options: ToneRecogniser())
    seen = []

    def listen():
        return make_lines(
            line_stages(speech=True)[0],
            library,
            tiny_bundle,
            location=str(tiny_bundle.folder),
            limits=Limits(),
            on_progress=lambda now: seen.append((now, open_library(library).index_status())),
        )

    ProgressFile(library, LINES_FILE).write()
    with recognising(library), pytest.raises(LibraryBusyError):
        listen()
    assert read_progress(library, LINES_FILE) is not None  # the other's
    assert listen().heard == 2
    (_, first), *_ = seen
    assert (first.running, first.stage, first.files, first.files_done) == (True, "speech", 2, 0)
    assert (Path(first.current).name, first.share, first.left_s) == ("a.mp4", 0.0, None)
    assert read_progress(library, LINES_FILE) is None
    # Left by a run that was killed, of which nothing is left to do.
    ended = ProgressFile(library, LINES_FILE)
    ended._now = ended._now.model_copy(
        update={"host": "elsewhere", "updated_at": datetime.min.replace(tzinfo=UTC)}
    )
    ended.write()
    assert not open_library(library).index_status().running
    assert listen() is None
    assert read_progress(library, LINES_FILE) is None


def test_the_time_that_is_left_is_told_once_there_is_a_pace():
    now = datetime.now(UTC)
    told = IndexProgress(pid=1, host="h", started_at=now - timedelta(seconds=60), updated_at=now)
    told = told.model_copy(update={"source": "speech", "duration_s": 200.0, "duration_done_s": 50.0})
    assert (told.share, told.left_s) == (0.25, 180.0)
    earlier = {"started_at": now - timedelta(seconds=120), "updated_at": now - timedelta(seconds=60)}
    assert told.model_copy(update=earlier).left_s == told.left_s  # it does not grow while nothing is told
    assert told.model_copy(update={"duration_done_s": 1.0}).left_s is None
    assert told.model_copy(update={"started_at": now}).left_s is None


def test_shares_stay_within_the_whole(tmp_path):
    shown = ProgressFile(tmp_path)
    shown.take(Planned(0, 0))
    assert read_progress(tmp_path).share == 0.0
    shown.take(Planned(1, 100))
    shown._written_at = 0.0
    shown.take(Progressed(500.0))
    assert read_progress(tmp_path).share == 1.0


def test_a_disk_that_refuses_does_not_stop_a_run(tmp_path: Path):
    shown = ProgressFile(tmp_path / "nowhere")
    shown.take(Planned(1, 1))
    shown.remove()


def test_runs_elsewhere_are_judged_by_their_last_word():
    now = datetime.now(UTC)
    for age_s, running in ((10, True), (1_000, False)):
        told = IndexProgress(
            pid=1, host="elsewhere", started_at=now, updated_at=now - timedelta(seconds=age_s)
        )
        assert told.is_running is running
    assert IndexProgress(pid=1, host=socket.gethostname(), started_at=now, updated_at=now).is_running


def picture(folder: Path, colour: str) -> Path:
    path = folder / f"{colour}.jpg"
    path.write_bytes(encode_jpeg(videos.solid(PALETTE[colour])(0.0)))
    return path


def test_a_picture_and_a_clip_are_what_they_show(tmp_path, tiny_bundle):
    found = encode_example(picture(tmp_path, "blue"), tiny_bundle)
    assert (found.is_picture, found.vector.argmax()) == (True, 2)
    assert found.thumbnail.startswith(b"\xff\xd8")
    assert np.linalg.norm(found.vector) == pytest.approx(1.0, abs=1e-5)
    clip = encode_example(film(tmp_path / "c.mp4", "green"), tiny_bundle)
    assert (clip.is_picture, clip.vector.argmax()) == (False, 1)


def test_an_example_finds_its_like(tmp_path, tiny_bundle):
    for colour in ("red", "blue"):
        film(tmp_path / "videos" / f"{colour}.mp4", colour)
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    library = open_library(tmp_path / "library")
    result = library.search_example(str(picture(tmp_path, "blue")), top=1)
    assert Path(result.hits[0].video).stem == "blue"
    assert (result.query, result.mode) == ("", "visual")


@pytest.mark.parametrize(
    "data",
    [b"", b"no picture", b"#EXTM3U\n/etc/passwd\n", b"\xff\xd8\xff" + b"\0" * 64, b"\0\0\0\x18ftypmp42"],
)
def test_what_shows_nothing_is_refused_under_its_own_name(tmp_path, tiny_bundle, data):
    (tmp_path / "secret-place").write_bytes(data)
    with pytest.raises(MediaError) as caught:
        encode_example(tmp_path / "secret-place", tiny_bundle, name="mine.mp4")
    assert "mine.mp4" in str(caught.value)
    assert "secret-place" not in str(caught.value.item)


def test_a_clip_that_takes_too_long_is_stopped(tmp_path, tiny_bundle):
    path = film(tmp_path / "c.mp4", "red")
    with pytest.raises((LimitError, DecodeError)):
        encode_example(path, tiny_bundle, limits=Limits(silence_s=0.0, base_s=0.0, per_video_s=0.0))
