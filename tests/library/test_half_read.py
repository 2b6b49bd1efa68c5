"""Films that a run did not read to their end: what is kept of them, and how the next run goes on."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from films import Held, film, holdings, index_films, open_library, orphans, slow_fade, subtitles
from index_runs import Run
from polyreel.cli.app import main
from polyreel.errors import DecodeError, WorkerKilledError
from polyreel.library.index import decode_pool, indexing
from polyreel.library.store.doctor import examine
from polyreel.library.store.store import open_snapshot
from polyreel.library.store.tables import CLIPS
from polyreel.media.limited import ClipEnd

COLOURS = ("red", "green", "blue", "yellow", "white", "black")
SPANS = tuple((3.0 * place, 3.0 * place + 3) for place in range(6))
WHOLE = Held("ok", SPANS, ("at the end",))


@pytest.fixture
def place(tmp_path):
    """Home of a film of six clips, 18 s, with a line."""
    film(tmp_path / "videos" / "film.mp4", *COLOURS, each_s=3)
    subtitles(tmp_path / "videos" / "film.en.srt", (15, 17, "at the end"))
    return tmp_path


@pytest.fixture
def encoded(tiny_bundle, monkeypatch):
    """How many clips were encoded since it was last cleared."""
    seen: list[int] = []
    encode = type(tiny_bundle).encode_video

    def noting(bundle, features):
        seen.append(len(features))
        return encode(bundle, features)

    monkeypatch.setattr(type(tiny_bundle), "encode_video", noting)
    return seen


@pytest.fixture
def after_clips(monkeypatch):
    """Makes something happen once so many clips of a run are made."""

    def arrange(count: int, act: Callable[[], None]) -> None:
        made = []
        end_clip = indexing._Run._end_clip

        def counting(run, job, end):
            end_clip(run, job, end)
            made.append(job)
            if len(made) == count:
                act()

        monkeypatch.setattr(indexing._Run, "_end_clip", counting)

    return arrange


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def run(place: Path, bundle, **options):
    return index_films(place / "videos", place / "library", bundle, **options)


def held(place: Path) -> dict[str, Held]:
    return {Path(path).name: found for path, found in holdings(place / "library").items()}


@pytest.mark.parametrize("commit_every_s", [0, 60])
def test_ctrl_c_keeps_the_clips_and_the_next_run_goes_on(
    place, tiny_bundle, encoded, after_clips, commit_every_s
):
    after_clips(4, ctrl_c)
    report = run(place, tiny_bundle, commit_every_s=commit_every_s)
    path = place / "videos" / "film.mp4"
    assert (report.interrupted, report.half_read, report.clips) == (True, {str(path): 12.0}, 4)
    assert held(place) == {"film.mp4": Held("partial", SPANS[:4], ())}

    encoded.clear()
    report = run(place, tiny_bundle)
    assert (report.indexed, report.clips, report.half_read, encoded) == (1, 2, {}, [1, 1])
    assert held(place) == {"film.mp4": WHOLE}
    assert orphans(place / "library") == set()
    assert not run(place, tiny_bundle).changed


def test_a_film_read_in_parts_is_like_one_read_at_once(place, tiny_bundle, after_clips):
    index_films(place / "videos", place / "at once", tiny_bundle)
    for _ in range(2):
        after_clips(2, ctrl_c)
        run(place, tiny_bundle)
    run(place, tiny_bundle)
    whole, parts = (open_library(place / name).snapshot.index for name in ("at once", "library"))
    columns = ["clip_id", "start_s", "end_s"]
    assert parts.clips.select(columns) == whole.clips.select(columns)
    assert np.array_equal(parts.clip_vectors, whole.clip_vectors)
    for row in whole.clips["thumbnail"].to_pylist():
        assert (place / "library" / row).read_bytes() == (place / "at once" / row).read_bytes()


def test_a_slow_fade_read_in_parts_has_the_vectors_of_one_read_at_once(tmp_path, tiny_bundle, after_clips):
    """The first pictures of the third clip share features with one of the second."""
    slow_fade(tmp_path / "videos" / "fade.mp4", seconds=30)
    index_films(tmp_path / "videos", tmp_path / "at once", tiny_bundle)
    after_clips(2, ctrl_c)
    assert len(run(tmp_path, tiny_bundle).half_read) == 1
    run(tmp_path, tiny_bundle)
    whole, parts = (open_library(tmp_path / name).snapshot.index for name in ("at once", "library"))
    assert len(whole.clip_vectors) == 3
    assert np.array_equal(parts.clip_vectors, whole.clip_vectors)


def test_a_half_read_film_is_not_found_and_doctor_says_why(place, tiny_bundle, after_clips, capsys):
    film(place / "videos" / "short.mp4", "red")
    after_clips(4, ctrl_c)
    run(place, tiny_bundle)
    library = open_library(place / "library")
    assert {Path(hit.video).name for hit in library.search("green", top=100).hits} <= {"short.mp4"}
    health = examine(place / "library")
    (problem,) = health.half_read
    assert problem.path == str(place / "videos" / "film.mp4")
    assert "the first 0:12 are kept" in problem.message
    assert "Run index again" in problem.message
    assert (health.failed, health.damage, health.clips) == ((), (), health.videos)
    assert main(["doctor", "--library", str(place / "library")]) == 0
    assert "Half read, and not searched yet: 1 file" in capsys.readouterr().out
    run(place, tiny_bundle)
    assert examine(place / "library").half_read == ()


def test_a_search_among_half_read_films_alone_says_so(place, tiny_bundle, after_clips, capsys):
    after_clips(4, ctrl_c)
    run(place, tiny_bundle)
    assert main(["search", "green", "--library", str(place / "library")]) == 0
    said = capsys.readouterr().err
    assert "no video is read to its end yet, 1 file half. Run 'polyreel index' again" in said
    assert "empty" not in said


@pytest.mark.parametrize("commits", [2, 4, 6])
def test_kill_9_keeps_what_was_committed(place, tiny_bundle, encoded, commits):
    """With a commit after each clip; the sixth brings the last of them, after which only the line is left."""
    victim = Run(tiny_bundle.folder, place / "library", place / "videos")
    victim.until("stage", "committing", times=commits)
    victim.kill()
    assert not victim.acknowledged
    found = held(place)["film.mp4"]
    assert found in [Held("partial", SPANS[:count], ()) for count in (commits - 1, commits)]
    run(place, tiny_bundle)
    assert len(encoded) == 6 - len(found.clips)
    assert held(place) == {"film.mp4": WHOLE}
    assert orphans(place / "library") == set()


def test_another_film_under_its_name_starts_anew(place, tiny_bundle, encoded, after_clips):
    after_clips(4, ctrl_c)
    run(place, tiny_bundle)
    film(place / "videos" / "film.mp4", "blue", "red", each_s=3)
    encoded.clear()
    assert run(place, tiny_bundle).indexed == 1
    assert len(encoded) == 2
    assert held(place) == {"film.mp4": Held("ok", SPANS[:2], ("at the end",))}
    assert orphans(place / "library") == set()
    assert open_snapshot(place / "library").count(CLIPS) == 2


def test_a_film_that_is_renamed_or_touched_goes_on(place, tiny_bundle, encoded, after_clips):
    after_clips(4, ctrl_c)
    run(place, tiny_bundle)
    path = place / "videos" / "film.mp4"
    os.utime(path, (0, 0))
    path.rename(place / "videos" / "renamed.mp4")
    shutil.copy(place / "videos" / "renamed.mp4", place / "videos" / "twin.mp4")
    encoded.clear()
    report = run(place, tiny_bundle)
    assert (report.indexed, report.linked, len(encoded)) == (1, 1, 2)
    assert {name: found.clips for name, found in held(place).items()} == {
        "renamed.mp4": SPANS,
        "twin.mp4": SPANS,
    }


def test_a_film_that_is_gone_leaves_nothing(place, tiny_bundle, after_clips):
    film(place / "videos" / "short.mp4", "red")
    after_clips(4, ctrl_c)
    run(place, tiny_bundle)
    (place / "videos" / "film.mp4").unlink()
    run(place, tiny_bundle)
    assert held(place).keys() == {"short.mp4"}
    assert orphans(place / "library") == set()


def test_an_interrupt_at_the_lines_costs_no_clip(place, tiny_bundle, encoded, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(indexing._Run, "_subtitles_part", lambda *_arguments: ctrl_c())
        assert list(run(place, tiny_bundle).half_read.values()) == [18.0]
    assert held(place) == {"film.mp4": Held("partial", SPANS, ())}
    encoded.clear()
    assert run(place, tiny_bundle).indexed == 1
    assert encoded == []
    assert held(place) == {"film.mp4": WHOLE}


def test_what_the_path_held_before_is_found_until_the_new_film_is_whole(place, tiny_bundle, after_clips):
    run(place, tiny_bundle)
    film(place / "videos" / "film.mp4", *reversed(COLOURS), each_s=3)
    after_clips(4, ctrl_c)
    report = run(place, tiny_bundle, commit_every_s=0)
    assert (report.interrupted, report.half_read) == (True, {})
    assert held(place) == {"film.mp4": WHOLE}
    assert open_library(place / "library").search("red").hits


def breaking(error: type[Exception], monkeypatch, times: int = 1) -> None:
    """Let decoding end with an error after four clips, so many times."""
    decode = decode_pool.DecodeWorker.decode
    left = [times]

    def broken(worker, path, options):
        clips = 0
        for event in decode(worker, path, options):
            yield event
            clips += isinstance(event, ClipEnd)
            if clips == 4 and left[0]:
                left[0] -= 1
                raise error("it broke", item=path)

    monkeypatch.setattr(decode_pool.DecodeWorker, "decode", broken)


def test_a_film_that_breaks_in_the_middle_leaves_no_clips(place, tiny_bundle, encoded, monkeypatch):
    breaking(DecodeError, monkeypatch)
    assert len(run(place, tiny_bundle, commit_every_s=0).failed) == 1
    assert held(place) == {"film.mp4": Held("failed", (), ())}
    assert open_snapshot(place / "library").count(CLIPS) == 0
    assert list((place / "library" / "thumbs").rglob("*.jpg")) == []
    assert run(place, tiny_bundle, retry_failed=True).indexed == 1
    assert held(place) == {"film.mp4": WHOLE}


@pytest.mark.parametrize("commit_every_s", [0, 60])
def test_a_decoder_that_is_killed_from_outside_costs_no_clip(
    place, tiny_bundle, encoded, monkeypatch, commit_every_s
):
    breaking(WorkerKilledError, monkeypatch)
    run(place, tiny_bundle, commit_every_s=commit_every_s)
    assert held(place) == {"film.mp4": Held("unreadable", SPANS[:4], ())}
    encoded.clear()
    assert run(place, tiny_bundle).indexed == 1
    assert len(encoded) == 2
    assert held(place) == {"film.mp4": WHOLE}


def test_a_drive_that_fails_costs_no_clip(place, tiny_bundle, encoded, after_clips, monkeypatch):
    after_clips(4, ctrl_c)
    run(place, tiny_bundle)

    def failing(*_arguments):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(decode_pool, "content_hash", failing)
        run(place, tiny_bundle)
    assert held(place) == {"film.mp4": Held("unreadable", SPANS[:4], ())}
    encoded.clear()
    run(place, tiny_bundle)
    assert len(encoded) == 2
    assert held(place) == {"film.mp4": WHOLE}


def test_the_closing_line_says_what_is_kept(place, tiny_bundle, after_clips, capsys):
    after_clips(4, ctrl_c)
    library = place / "library"
    code = main(
        ["index", str(place / "videos"), "--library", str(library), "--bundle", str(tiny_bundle.folder)]
    )
    said = capsys.readouterr().out.splitlines()
    assert code == 130
    assert said[0].startswith("4 new clips and no subtitle lines from 12 s of video in ")
    assert "Interrupted: the first 0:12 of film.mp4 are kept; run the same command to go on." in said
