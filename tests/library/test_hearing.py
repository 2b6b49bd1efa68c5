"""Hearing: the second stage of indexing, which can be stopped at any moment and goes on where it was."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import films
from films import holdings, index_films, open_library
from polyreel.errors import LibraryBusyError, UsageError
from polyreel.library.index.hearing import hear, plan_hearing
from polyreel.library.store.doctor import examine
from polyreel.library.store.known_videos import forget
from polyreel.library.store.state import generation_of
from polyreel.library.store.store import open_snapshot, writing
from polyreel.library.store.tables import RECOGNISED, SUBTITLES
from polyreel.recognition.protocol import START, Place
from sounds import write_sounds
from tone_recogniser import ToneRecogniser, says

WORDS = ("red", "kijani", "blau", "dog runs")


def talk(path, *words, seconds=None, **options):
    """A film in which a word is said every two seconds."""
    tones = [says(word, 2 * at + 0.5, 2 * at + 1.5) for at, word in enumerate(words)]
    length_s = 2 * len(words) + 1 if seconds is None else seconds
    return write_sounds(
        path, tones, seconds=length_s, codec="pcm_s16le", layout="mono", rate=16_000, **options
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_bundle):
    """Three films and their library, in which nothing has been heard yet."""
    home = tmp_path_factory.mktemp("made")
    (home / "films").mkdir()
    talk(home / "films" / "a.mkv", "red", "kijani")
    talk(home / "films" / "b.mkv", "blau")
    films.film(home / "films" / "silent.mp4", "white")
    index_films(home / "films", home / "library", tiny_bundle)
    return home


@pytest.fixture
def library(made, tmp_path):
    """A copy of the library of the three films, which stay where they are."""
    return shutil.copytree(made / "library", tmp_path / "library")


@pytest.fixture
def folder(made, tmp_path):
    """The three films in a folder that a test may change."""
    return shutil.copytree(made / "films", tmp_path / "films")


@pytest.fixture
def own_library(folder, tmp_path, tiny_bundle):
    """The library of that folder."""
    index_films(folder, tmp_path / "own", tiny_bundle)
    return tmp_path / "own"


def listen(library, bundle, recogniser=None, **options):
    return hear(library, bundle, recogniser or ToneRecogniser(), location=str(bundle.folder), **options)


def spoken(library):
    """Every line of speech: name of the file, text, language, start in whole seconds."""
    rows = open_snapshot(library).read(SUBTITLES).to_pylist()
    names = {row["video"]: Path(row["path"]).name for row in open_snapshot(library).read("files").to_pylist()}
    return sorted(
        (names[row["video"]], row["text"], row["language"], int(row["start_s"]))
        for row in rows
        if row["source"] == "speech"
    )


ALL = [("a.mkv", "kijani", "sw", 2), ("a.mkv", "red", "en", 0), ("b.mkv", "blau", "de", 0)]


def test_what_is_said_is_found_by_words_and_by_meaning_and_says_that_it_was_heard(library, tiny_bundle):
    report = listen(library, tiny_bundle)
    assert (report.heard, report.lines, report.failed, report.interrupted) == (2, 3, [], False)
    assert spoken(library) == ALL
    holdings(library)  # nothing is doubled, lost or left over
    (hit, *_) = open_library(library).search("grün", mode="speech").hits  # said in Swahili
    assert Path(hit.video).name == "a.mkv"
    assert hit.evidence.subtitle.text == "kijani"
    assert str(hit.evidence.subtitle) == "[sw, speech] kijani"
    assert open_library(library).search("grün", mode="subtitles").hits == ()
    assert (hit.evidence.subtitle.kind, hit.evidence.subtitle.language) == ("speech", "sw")


def test_that_nothing_was_said_shows_in_a_library_that_is_open(tmp_path, tiny_bundle):
    (tmp_path / "films").mkdir()
    talk(tmp_path / "films" / "quiet.mkv", seconds=1)
    index_films(tmp_path / "films", tmp_path / "library", tiny_bundle)
    opened = open_library(tmp_path / "library")
    before = opened.snapshot
    assert before.recognised == {}
    listen(tmp_path / "library", tiny_bundle)
    assert opened.snapshot is before  # searches see nothing new
    assert before.recognised["speech"].heard == {"tones/1": 1}
    assert before.state.commit == open_snapshot(tmp_path / "library").state.commit


def test_a_second_run_has_nothing_to_do_and_silent_films_are_never_opened(library, tiny_bundle):
    recogniser = ToneRecogniser()
    plan = plan_hearing(library, recogniser)
    assert plan.videos == 2
    assert plan.sound_s == pytest.approx(8, abs=0.5)
    assert plan.estimate_s == pytest.approx(20 + 0.001 * 2 * 30 / len(os.sched_getaffinity(0)))
    listen(library, tiny_bundle, recogniser)
    assert [name for name, _, _ in recogniser.asked] == ["a.mkv", "b.mkv"]
    assert plan_hearing(library, recogniser).videos == 0
    assert listen(library, tiny_bundle, recogniser).heard == 0


@pytest.mark.slow
def test_another_engine_does_its_own_lines_anew_and_leaves_subtitles_alone(folder, own_library, tiny_bundle):
    films.subtitles(folder / "b.de.srt", (0, 1, "ein Hund"))
    index_films(folder, own_library, tiny_bundle)
    listen(own_library, tiny_bundle)
    before = holdings(own_library)
    report = listen(own_library, tiny_bundle, ToneRecogniser("tones/2"))
    assert report.heard == 2
    assert holdings(own_library) == before
    assert {row["engine"] for row in open_snapshot(own_library).read(RECOGNISED).to_pylist()} == {"tones/2"}


def test_new_subtitles_do_not_take_what_was_heard(folder, own_library, tiny_bundle):
    listen(own_library, tiny_bundle)
    films.subtitles(folder / "a.srt", (0, 1, "another dog"))
    assert index_films(folder, own_library, tiny_bundle).resubtitled == 1
    assert spoken(own_library) == ALL
    holdings(own_library)


def test_languages_that_the_engine_does_not_know_are_refused_before_anything_is_done(library, tiny_bundle):
    with pytest.raises(UsageError, match="klingon"):
        listen(library, tiny_bundle, languages=["klingon"])
    recogniser = ToneRecogniser()
    listen(library, tiny_bundle, recogniser, languages=["sw", "de"])
    assert {languages for _, languages, _ in recogniser.asked} == {("sw", "de")}


@pytest.mark.slow
def test_a_film_whose_subtitles_say_the_same_is_not_heard_to_its_end(folder, tmp_path, tiny_bundle):
    talk(folder / "long.mkv", *["red"] * 45)
    films.subtitles(folder / "long.en.srt", (0, 1, "a dog"))
    library = tmp_path / "library"
    index_films(folder, library, tiny_bundle)
    recogniser = ToneRecogniser()
    report = listen(library, tiny_bundle, recogniser)
    assert (report.heard, report.spared) == (2, 1)
    assert spoken(library) == ALL
    rows = {row["status"]: row["until_s"] for row in open_snapshot(library).read(RECOGNISED).to_pylist()}
    assert 30 < rows["spared"] < 80
    assert plan_hearing(library, recogniser).videos == 0
    assert examine(library).speech.spared == 1


@pytest.mark.slow
def test_a_film_that_speaks_another_language_than_its_subtitles_is_heard(folder, tmp_path, tiny_bundle):
    films.subtitles(folder / "a.en.srt", (0, 1, "a dog"))
    index_films(folder, tmp_path / "library", tiny_bundle)
    listen(tmp_path / "library", tiny_bundle)
    assert spoken(tmp_path / "library") == [ALL[0], ALL[2]]  # what its subtitles do not say


@pytest.fixture(scope="module")
def made_long(tmp_path_factory, tiny_bundle):
    """A film of 49 seconds in which 24 words are said, and its library."""
    home = tmp_path_factory.mktemp("long")
    (home / "films").mkdir()
    talk(home / "films" / "long.mkv", *(WORDS * 6))
    index_films(home / "films", home / "library", tiny_bundle)
    return home / "library"


@pytest.fixture
def long_library(made_long, tmp_path):
    """A copy of that library."""
    return shutil.copytree(made_long, tmp_path / "library")


def said_in_order(library):
    rows = open_snapshot(library).read(SUBTITLES).to_pylist()
    return [row["text"] for row in sorted(rows, key=lambda row: row["start_s"])]


def test_ctrl_c_keeps_what_is_heard_and_the_next_run_goes_on_there(long_library, tiny_bundle):
    def interrupt(until):
        if until.time_s > 25:
            raise KeyboardInterrupt

    report = listen(long_library, tiny_bundle, ToneRecogniser(before=interrupt))
    assert report.interrupted
    begun = said_in_order(long_library)
    assert begun == list((WORDS * 6)[: len(begun)])
    assert len(begun) >= 8
    assert len(examine(long_library).speech.half_heard) == 1
    recogniser = ToneRecogniser()
    assert listen(long_library, tiny_bundle, recogniser).heard == 1
    ((_, _, begin),) = recogniser.asked
    assert begin.time_s > 15
    assert said_in_order(long_library) == list(WORDS * 6)
    holdings(long_library)


_KILLED = """
import os, signal, sys
from pathlib import Path
from polyreel.encoders.runtime import Bundle
from polyreel.library.index.hearing import hear
from tone_recogniser import ToneRecogniser

def kill(until):
    if until.time_s > float(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

bundle = Bundle(Path(sys.argv[2]))
engine = ToneRecogniser(before=kill)
hear(Path(sys.argv[1]), bundle, engine, location=sys.argv[2], commit_every_s=0.0)
"""


def test_a_kill_costs_no_line_that_was_committed_and_none_comes_twice(long_library, tiny_bundle):
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    arguments = [str(long_library), str(tiny_bundle.folder), "35"]
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, *arguments], env={**os.environ, "PYTHONPATH": path}, timeout=120
    )
    assert done.returncode == -signal.SIGKILL
    begun = said_in_order(long_library)
    assert begun == list((WORDS * 6)[: len(begun)])
    assert len(begun) >= 12
    assert listen(long_library, tiny_bundle).heard == 1
    assert said_in_order(long_library) == list(WORDS * 6)
    holdings(long_library)


def test_a_film_that_cannot_be_heard_is_named_and_not_tried_again_by_itself(library, tiny_bundle):
    class Deaf(ToneRecogniser):
        def recognise(self, media, *, languages=(), begin=START):
            from polyreel.errors import MediaError

            if media.name == "a.mkv":
                raise MediaError("nothing of the sound decodes", item=media)
            return super().recognise(media, languages=languages, begin=begin)

    report = listen(library, tiny_bundle, Deaf())
    assert report.heard == 1
    assert ["a.mkv" in str(error) for error in report.failed] == [True]
    (problem,) = examine(library).speech.failed
    assert problem.message.startswith("nothing of the sound decodes")
    assert "a.mkv" not in problem.message  # which may be called otherwise by the time that it is read
    assert listen(library, tiny_bundle).heard == 0
    assert listen(library, tiny_bundle, retry_failed=True).heard == 1
    assert spoken(library) == ALL


@pytest.mark.slow
def test_a_film_that_is_gone_is_heard_once_it_is_back(folder, own_library, tiny_bundle):
    (folder / "a.mkv").rename(folder / "away")
    report = listen(own_library, tiny_bundle)
    assert (report.heard, len(report.failed)) == (1, 1)
    (folder / "away").rename(folder / "a.mkv")
    assert listen(own_library, tiny_bundle).heard == 1
    assert spoken(own_library) == ALL


@pytest.mark.slow
def test_a_film_that_leaves_the_library_meanwhile_leaves_no_lines(made, library, tiny_bundle):
    left = []

    def leave(_until):
        if not left:
            left.extend(forget(library, [made / "films" / "a.mkv"]))

    listen(library, tiny_bundle, ToneRecogniser(before=leave))
    assert spoken(library) == [ALL[2]]
    holdings(library)
    assert forget(library, [made / "films" / "b.mkv"])
    assert open_snapshot(library).count(RECOGNISED) == 0


@pytest.mark.slow
def test_two_runs_do_not_hear_at_once_and_an_index_run_does_not_stop_hearing(library, tiny_bundle):
    holds = []

    def others(_until):
        if holds:
            return
        with pytest.raises(LibraryBusyError, match="is being recognised already"):
            listen(library, tiny_bundle)
        generation = generation_of(tiny_bundle.card, str(tiny_bundle.folder))
        holds.append(writing(library, generation))
        holds[0].__enter__()

    recogniser = ToneRecogniser(before=others)
    report_when_free = []

    def progress(now):
        if now.videos_done == now.videos and not report_when_free:
            report_when_free.append(holds[0].__exit__(None, None, None))

    listen(library, tiny_bundle, recogniser, commit_every_s=0.0, on_progress=progress)
    assert spoken(library) == ALL


@pytest.mark.slow
def test_only_films_that_were_asked_for_are_heard(made, library, tiny_bundle):
    assert listen(library, tiny_bundle, paths=[made / "films" / "b.mkv"]).heard == 1
    assert spoken(library) == [ALL[2]]
    assert listen(library, tiny_bundle, paths=[made / "films"]).heard == 1


@pytest.mark.parametrize("asked", ["elsewhere/../films/b.mkv", "./films//b.mkv"])
def test_a_film_is_heard_however_its_path_is_written(made, library, tiny_bundle, monkeypatch, asked):
    monkeypatch.chdir(made)
    assert listen(library, tiny_bundle, paths=[Path(asked)]).heard == 1


@pytest.mark.slow
def test_several_tracks_are_heard_one_after_the_other(tmp_path, tiny_bundle):
    (tmp_path / "films").mkdir()
    tracks = [[says("red", 1, 2)], [says("kijani", 1, 2)]]
    write_sounds(tmp_path / "films" / "two.mkv", *tracks, codec="pcm_s16le", languages=("eng", "swa"))
    index_films(tmp_path / "films", tmp_path / "library", tiny_bundle)
    listen(tmp_path / "library", tiny_bundle)
    assert [text for _, text, _, _ in spoken(tmp_path / "library")] == ["kijani", "red"]
    rows = open_snapshot(tmp_path / "library").read(RECOGNISED).to_pylist()
    assert [Place(row["track"], round(row["until_s"])) for row in rows] == [Place(1, 3)]


def test_an_older_library_gets_its_table_when_it_is_written(library, tiny_bundle):
    import json

    path = library / "library.json"
    state = json.loads(path.read_text())
    del state["tables"][RECOGNISED]
    path.write_text(json.dumps(state | {"schema_version": 3}))
    assert examine(library).speech.heard == {}
    assert listen(library, tiny_bundle).heard == 2
    assert examine(library).speech.heard == {"tones/1": 2}
    assert examine(library).schema_version == 4
