"""``polyreel transcribe``: what is said as subtitles, printed or beside the video."""

from __future__ import annotations

import json

import pytest

import videos
from polyreel.cli.app import main
from polyreel.extras import install_extra
from polyreel.media.subtitles import read_sidecars
from polyreel.recognition import registry
from polyreel.recognition.protocol import RecognisedLine
from polyreel.recognition.subtitle_files import main_language, subtitle_text
from sounds import write_sounds
from tone_recogniser import ToneRecogniser, says


@pytest.fixture
def tones(monkeypatch):
    """The recogniser of tones in place of the one of speech."""
    recogniser = ToneRecogniser()
    monkeypatch.setattr(registry, "load_speech", lambda *_given, **_options: recogniser)
    return recogniser


@pytest.fixture
def talk(tmp_path):
    return write_sounds(tmp_path / "talk.mp4", (says("red", 1, 2), says("kijani", 2.5, 3.5)), seconds=4)


def test_subtitles_are_printed_with_their_times(tones, talk, capsys):
    assert main(["transcribe", str(talk), "--languages", "sw,en"]) == 0
    blocks = capsys.readouterr().out.strip().split("\n\n")
    assert [block.splitlines()[2] for block in blocks] == ["red", "kijani"]
    assert blocks[0].splitlines()[1].startswith("00:00:01,0")
    assert tones.asked[0][1] == ("sw", "en")


def test_json_has_the_lines_with_language_and_engine(tones, talk, capsys):
    assert main(["transcribe", str(talk), "--json"]) == 0
    (document,) = json.loads(capsys.readouterr().out)["transcripts"]
    assert document["engine"] == "tones/1"
    assert [(line["text"], line["language"]) for line in document["lines"]] == [
        ("red", "en"),
        ("kijani", "sw"),
    ]
    assert document["lines"][0]["start_s"] == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_a_file_beside_the_video_is_read_as_its_subtitles_and_never_replaced(tones, talk, capsys, kind):
    assert main(["transcribe", str(talk), "--beside", "--to", kind]) == 0
    written = talk.with_name(f"talk.sw.{kind}")
    assert str(written) in capsys.readouterr().out
    ((track,), problems) = read_sidecars(talk)
    assert problems == []
    assert [(line.text, line.language) for line in track.captions] == [("red", "sw"), ("kijani", "sw")]
    before = written.read_bytes()
    assert main(["transcribe", str(talk), "--beside", "--to", kind]) == 1
    assert "was left as it was" in capsys.readouterr().err
    assert written.read_bytes() == before


def test_subtitles_are_written_to_a_file_in_the_format_of_its_ending(tones, talk, tmp_path, capsys):
    for name, begins in (("a.srt", "1\n00:00:01,"), ("b.VTT", "WEBVTT"), ("c.txt", "WEBVTT")):
        how = ("--to", "vtt") if name == "c.txt" else ()
        assert main(["transcribe", str(talk), "-o", str(tmp_path / name), *how]) == 0
        assert capsys.readouterr().out == f"{tmp_path / name}: 2 lines\n"
        assert (tmp_path / name).read_text().startswith(begins)
    several = tmp_path / "all.json"
    assert main(["transcribe", str(talk), str(talk), "-o", str(several)]) == 0
    assert [len(each["lines"]) for each in json.loads(several.read_text())["transcripts"]] == [2, 2]
    capsys.readouterr()
    heard = len(tones.asked)
    for arguments, said in (
        ((talk, "-o", several), "a file of this name is there and was left as it was"),
        ((talk, "-o", tmp_path / "a.mp4"), "End it in .srt, .vtt or .json, or give --to"),
        ((talk, "-o", tmp_path / "x.srt", "--to", "vtt"), "End the name in .vtt, or leave out --to for srt"),
        ((talk, "-o", tmp_path / "no" / "x.srt"), "no folder to write the subtitles into"),
        ((talk, talk, "-o", tmp_path / "x.srt"), "subtitles of several videos cannot be one text"),
        ((talk, "-o", tmp_path / "x.srt", "--beside"), "written to one place"),
        ((talk, "--beside", "--overwrite"), "nothing is replaced without -o"),
        ((talk, "--json", "--to", "vtt"), "--json prints one document, and no subtitles (--to vtt)"),
    ):
        assert main(["transcribe", *map(str, arguments)]) == 2, arguments
        assert said in capsys.readouterr().err
    assert len(tones.asked) == heard
    assert main(["transcribe", str(talk), "-o", str(several), "--overwrite", "--json"]) == 0
    (document,) = json.loads(capsys.readouterr().out)["transcripts"]
    assert document["file"] == str(several)


def test_a_film_without_sound_is_told_from_one_without_speech(tones, tmp_path, capsys):
    silent = videos.write_video(tmp_path / "mute.mp4", times_s=[0, 0.5, 1], size=(64, 48))
    still = write_sounds(tmp_path / "still.mp4", (), seconds=2)
    assert main(["transcribe", str(silent), str(still), "--json"]) == 0
    said = capsys.readouterr().err
    assert "mute.mp4: it has no sound" in said
    assert "still.mp4: nothing was heard that is speech" in said


def test_a_file_that_cannot_be_heard_does_not_stop_the_others(tones, talk, tmp_path, capsys):
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    assert main(["transcribe", str(broken), str(talk), "--json"]) == 1
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert [each["video"] for each in document["transcripts"]] == [str(talk)]
    assert "broken.mp4" in document["failed"][0]
    assert "Traceback" not in said.err


def test_a_silent_video_has_no_lines(tones, tmp_path, capsys):
    silent = videos.write_video(tmp_path / "silent.mp4", seconds=1)
    assert main(["transcribe", str(silent), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["transcripts"][0]["lines"] == []


def test_several_videos_are_no_one_text(tones, talk, capsys):
    assert main(["transcribe", str(talk), str(talk)]) == 2
    assert "Use --beside" in capsys.readouterr().err


def test_signs_of_markup_come_back_as_they_were():
    said = [
        RecognisedLine(text, at, at + 1, "en", "speech", 1.0) for at, text in enumerate(("AT&T", "1 < 2"))
    ]
    assert "AT&amp;T" in subtitle_text(said, "vtt")
    assert "1 &lt; 2" in subtitle_text(said, "vtt")
    assert "AT&T" in subtitle_text(said, "srt")
    assert main_language([]) == "und"


def test_without_the_extra_the_message_says_how_to_get_it(talk, capsys, monkeypatch):
    monkeypatch.setattr(registry, "has_speech", lambda: False)
    assert main(["transcribe", str(talk)]) == 2
    assert f"Install it with: {install_extra('speech')}" in capsys.readouterr().err


def test_a_wrong_model_is_named(talk, capsys, tmp_path):
    pytest.importorskip("faster_whisper", reason="the extra 'speech' is not installed")
    assert main(["transcribe", str(talk), "--speech-model", "whisper-bas"]) == 2
    assert "Did you mean 'whisper-base'?" in capsys.readouterr().err
    assert main(["transcribe", str(talk), "--speech-model", str(tmp_path)]) == 2
    assert "config.json, model.bin, tokenizer.json missing" in capsys.readouterr().err
