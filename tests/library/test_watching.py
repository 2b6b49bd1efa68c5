"""Folders that are watched: with real files, copied slowly, renamed and removed."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from films import film, holdings, index_films, subtitles
from polyreel.cli.watching import index_and_watch
from polyreel.errors import LibraryBusyError, UsageError
from polyreel.library.index import watching
from polyreel.library.index.indexing import IndexReport
from polyreel.library.index.watching import watched_changes

pytestmark = pytest.mark.skipif(find_spec("watchfiles") is None, reason="watchfiles is not installed")

SETTLE_S = 0.3


@pytest.fixture
def folder(tmp_path):
    """A folder of films to watch; a library lies in it as well."""
    (tmp_path / "films" / "library").mkdir(parents=True)
    return tmp_path / "films"


@pytest.fixture
def changes(folder):
    """What is seen in the folder, from now on and for half a minute at most."""
    stop = threading.Event()
    ending = threading.Timer(30, stop.set)
    ending.start()
    seen = watched_changes([folder], folder / "library", settle_s=SETTLE_S, stop=stop)
    assert next(seen) == frozenset()
    yield seen
    seen.close()
    ending.cancel()


def test_a_film_that_comes_is_renamed_or_goes_is_seen_once_each(folder, changes):
    (folder / "a.mp4").write_bytes(b"film")
    assert next(changes) == frozenset()
    (folder / "a.mp4").rename(folder / "b.mp4")
    assert next(changes) == frozenset()
    (folder / "b.mp4").unlink()
    assert next(changes) == frozenset()


def test_a_film_that_is_still_being_copied_is_waited_for(folder, changes):
    whole = 8

    def copy() -> None:
        with (folder / "a.mp4").open("wb") as file:
            for _ in range(whole):
                file.write(b"x")
                file.flush()
                time.sleep(SETTLE_S / 3)

    copying = threading.Thread(target=copy)
    copying.start()
    assert next(changes) == frozenset()
    assert not copying.is_alive()
    assert (folder / "a.mp4").stat().st_size == whole


def test_a_film_that_is_written_for_long_is_passed_over_for_others(folder, changes, monkeypatch):
    monkeypatch.setattr(watching, "_LONGEST_WAIT_S", 3 * SETTLE_S)
    recording, ended = folder / "live [1].mp4", threading.Event()

    def record() -> None:
        while not ended.wait(SETTLE_S / 4):
            with recording.open("ab") as file:
                file.write(b"x")

    recorder = threading.Thread(target=record)
    recorder.start()
    (folder / "a.mp4").write_bytes(b"film")
    assert next(changes) == {recording}
    ended.set()
    recorder.join()
    assert next(changes) == frozenset()


def test_folders_and_subtitles_matter_and_what_is_hidden_or_the_library_does_not(folder, changes, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "c.mkv").write_bytes(b"film")
    (folder / "library" / "data.mp4").write_bytes(b"own")
    (folder / ".hidden.mp4").write_bytes(b"hidden")
    (folder / "notes.txt").write_text("no film")
    started = time.monotonic()
    moving = threading.Timer(4 * SETTLE_S, (tmp_path / "new").rename, [folder / "new"])
    moving.start()
    assert next(changes) == frozenset()
    assert time.monotonic() - started > 4 * SETTLE_S
    (folder / "new" / "c.en.srt").write_text("1")
    assert next(changes) == frozenset()


def test_a_folder_that_is_removed_and_made_again_is_watched_again(folder, changes, tmp_path):
    shutil.rmtree(folder)
    assert next(changes) == frozenset()
    folder.mkdir()
    assert next(changes) == frozenset()
    (folder / "a.mp4").write_bytes(b"film")
    assert next(changes) == frozenset()
    (tmp_path / "other" / "films").mkdir(parents=True)
    shutil.rmtree(folder)
    (tmp_path / "other" / "films").rename(folder)  # another in its place, at once
    assert next(changes) == frozenset()
    (folder / "b.mp4").write_bytes(b"film")
    assert next(changes) == frozenset()


def test_a_single_file_is_watched_with_its_subtitles(tmp_path):
    named = tmp_path / "one.mp4"
    named.write_bytes(b"film")
    stop = threading.Event()
    threading.Timer(6 * SETTLE_S, stop.set).start()
    seen = watched_changes([named], tmp_path / "library", settle_s=SETTLE_S, stop=stop)
    next(seen)
    (tmp_path / "other.mp4").write_bytes(b"film")
    (tmp_path / "one.en.srt").write_text("1")
    assert list(seen) == [frozenset()]


def test_what_is_still_written_stays_as_it_was_and_nothing_else_is_passed_over(tmp_path, tiny_bundle):
    roots = [tmp_path / "one", tmp_path / "other"]
    for root, colour in zip(roots, ("red", "blue"), strict=True):
        film(root / "a.mp4", colour)
    subtitles(film(roots[1] / "b.mp4", "green").with_suffix(".srt"), (0, 1, "a line"))
    index_films(roots, tmp_path / "library", tiny_bundle)
    before = holdings(tmp_path / "library")
    with (roots[0] / "a.mp4").open("ab") as file:
        file.write(b"more")
    subtitles(roots[1] / "b.srt", (0, 1, "half"))
    film(roots[1] / "new.mp4", "yellow")
    busy = [roots[0] / "a.mp4", roots[1] / "b.srt"]
    report = index_films(roots, tmp_path / "library", tiny_bundle, busy=busy)
    assert (report.indexed, report.removed, report.resubtitled) == (1, 0, 0)
    now = holdings(tmp_path / "library")
    assert {path: held for path, held in now.items() if "new" not in path} == before


def test_each_change_is_indexed_until_ctrl_c(tmp_path, tiny_bundle, capsys, monkeypatch):
    videos, library = tmp_path / "videos", tmp_path / "library"
    film(videos / "red.mp4", "red")
    held: list[set[str]] = []
    busy = [True]

    def run(exclude):
        if len(held) == 1 and busy:
            busy.clear()
            raise LibraryBusyError("another process is writing the library", item=library)
        report = index_films(videos, library, tiny_bundle, exclude=exclude)
        held.append({Path(path).name for path in holdings(library)})
        if len(held) == 1:
            film(videos / "blue.mp4", "blue")
            subtitles(videos / "red.en.srt", (0, 1, "the dog runs"))
        elif len(held) == 2:
            (videos / "blue.mp4").rename(videos / "sky.mp4")
        elif len(held) == 3:
            (videos / "red.mp4").unlink()
        else:
            signal.raise_signal(signal.SIGINT)
        return report

    monkeypatch.setattr("polyreel.cli.watching._TRY_AGAIN_S", 0.1)
    monkeypatch.setattr(watched_changes, "__kwdefaults__", {"settle_s": SETTLE_S, "stop": None})
    assert index_and_watch([videos], library, run, None) == 0
    assert held == [{"red.mp4"}, {"red.mp4", "blue.mp4"}, {"red.mp4", "sky.mp4"}, {"sky.mp4"}]
    said = capsys.readouterr()
    assert [json.loads(line)["indexed"] for line in said.out.splitlines()] == [1, 1, 0]
    assert "another process is writing the library" in said.err
    assert said.err.endswith("Watching has ended.\n")


def test_a_run_that_is_interrupted_says_so_and_ends_watching(tmp_path):
    told: list[IndexReport] = []
    ended = index_and_watch(
        [tmp_path], tmp_path / "library", lambda _: IndexReport(interrupted=True), told.append
    )
    assert ended == 130
    assert [report.interrupted for report in told] == [True]


def test_a_first_run_that_cannot_be_is_an_error(tmp_path):
    def run(_exclude):
        raise UsageError("no such file or folder", item="x")

    with pytest.raises(UsageError):
        index_and_watch([tmp_path], tmp_path / "library", run, None)


@pytest.mark.slow
def test_ctrl_c_while_nothing_happens_ends_it_without_a_trace(tmp_path, tiny_bundle):
    film(tmp_path / "videos" / "red.mp4", "red")
    command = [sys.executable, "-m", "polyreel", "index", str(tmp_path / "videos"), "--watch"]
    command += ["--library", str(tmp_path / "library"), "--bundle", str(tiny_bundle.folder)]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for line in started.stderr:
            if line.startswith("Watching for changes"):
                break
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=30)
    finally:
        started.kill()
    assert (started.returncode, err) == (0, "Watching has ended.\n")
    assert out.startswith("1 file indexed.")
