"""Text on the screen in the library: the other kind of lines of the second stage."""

from __future__ import annotations

from pathlib import Path

import pytest

import films
from films import holdings, index_films, open_library
from polyreel.library.index.hearing import hear, plan_hearing
from polyreel.library.store.doctor import examine
from polyreel.library.store.store import open_snapshot
from polyreel.library.store.tables import SUBTITLES
from polyreel.recognition.screen.screen_text import ScreenText
from sounds import write_sounds
from tone_recogniser import ToneRecogniser, says
from videos import write_video
from written_pictures import written


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "films").mkdir()
    gate = written(("Tickets are sold here", 30, 300))
    write_video(
        tmp_path / "films" / "gate.mp4", seconds=2, fps=2, size=(640, 360), picture=lambda _time_s: gate
    )
    write_sounds(tmp_path / "films" / "talk.mkv", [says("red", 0.5, 1.5)], seconds=3, codec="pcm_s16le")
    return tmp_path / "films"


@pytest.fixture
def library(folder, tmp_path, tiny_bundle):
    index_films(folder, tmp_path / "library", tiny_bundle)
    return tmp_path / "library"


def lines(library):
    return sorted((row["source"], row["text"]) for row in open_snapshot(library).read(SUBTITLES).to_pylist())


@pytest.mark.slow  # six runs; test_index_screen.py has one, and test_hearing.py what they share
def test_what_is_shown_is_found_by_words_and_says_so_and_stays_beside_what_is_said(
    folder, library, tiny_bundle, screen
):
    location = str(tiny_bundle.folder)
    assert plan_hearing(library, screen).videos == 2  # silent films, too, are looked at
    report = hear(library, tiny_bundle, screen, location=location)
    assert (report.heard, report.lines, report.failed) == (2, 1, [])
    shown, said = ("screen", "Tickets are sold here"), ("speech", "red")
    assert lines(library) == [shown]
    (hit, *_) = open_library(library).search('"tickets are sold"', mode="screen").hits
    assert Path(hit.video).name == "gate.mp4"
    assert (hit.evidence.subtitle.text, hit.evidence.subtitle.kind) == ("Tickets are sold here", "screen")
    assert open_library(library).search('"tickets are sold"', mode="speech").hits == ()
    assert plan_hearing(library, screen).videos == 0

    hear(library, tiny_bundle, ToneRecogniser(), location=location)
    assert lines(library) == [shown, said]
    hear(library, tiny_bundle, ToneRecogniser("tones/2"), location=location)  # drops its own lines only
    assert lines(library) == [shown, said]
    films.subtitles(folder / "gate.en.srt", (0, 1, "a dog"))
    index_films(folder, library, tiny_bundle)
    assert lines(library) == [("gate.en.srt", "a dog"), shown, said]

    class Newer(ScreenText):
        engine = "another/2"

    hear(library, tiny_bundle, Newer(threads=1), location=location)
    assert lines(library) == [("gate.en.srt", "a dog"), shown, said]
    health = examine(library)
    assert (health.screen_text.heard, health.screen_text.lines) == ({"another/2": 2}, 1)
    assert (health.speech.heard, health.speech.lines) == ({"tones/2": 1}, 1)
    holdings(library)  # nothing is doubled, lost or left over
