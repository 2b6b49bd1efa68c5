"""Which of a film's sound tracks are heard: one of each language, unless one is asked for."""

from __future__ import annotations

import pytest

from polyreel.errors import MediaError
from polyreel.media.sound import AudioTrack
from polyreel.recognition.speech.weights import SpeechModel
from polyreel.recognition.speech.whisper import WhisperSpeech
from sounds import Tone, write_sounds


def no_weights(_download):
    raise AssertionError("weights are fetched though nothing is to be heard")


def recogniser(track=None):
    return WhisperSpeech(SpeechModel("none", None, no_weights), track=track)


def chosen(*languages, default=0, track=None):
    tracks = [AudioTrack(number, each, number == default, 60.0) for number, each in enumerate(languages)]
    return [each.number for each in recogniser(track)._chosen(tracks)]


def test_of_eight_tracks_one_of_each_language_is_heard_the_one_a_player_plays_first():
    eight = ("en", "en", "de", "fr", "de", "und", "und", "sw")
    assert chosen(*eight, default=1) == [1, 2, 3, 7]
    assert chosen(*eight, default=5) == [0, 2, 3, 5, 7]
    assert chosen(*["und"] * 8, default=3) == [3]
    assert chosen(*eight, track=6) == [6]


def test_a_film_without_sound_needs_no_weights(tmp_path):
    silent = write_sounds(tmp_path / "silent.mp4", seconds=1)
    assert [stretch.lines for stretch in recogniser().recognise(silent)] == []


def test_a_track_that_is_not_there_is_refused_before_any_weights_are_fetched(tmp_path):
    film = write_sounds(tmp_path / "film.mp4", (Tone(0.2, 0.4),), seconds=1)
    with pytest.raises(MediaError, match="track 9 of 1"):
        list(recogniser(track=8).recognise(film))
