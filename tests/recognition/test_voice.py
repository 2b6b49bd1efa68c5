"""Blocks and windows: nothing is cut in two, and each moment of a window has its time in the video."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest

from polyreel.media.sound import SAMPLE_RATE, Sound
from polyreel.recognition.speech import voice
from polyreel.recognition.speech.voice import Block, SpeechWindow, Utterance, blocks, join_spans, speech_spans


def span(start_s, end_s):
    return Utterance(round(start_s * SAMPLE_RATE), round(end_s * SAMPLE_RATE))


def block(seconds, start_s=0.0):
    return Block(start_s, np.zeros(round(seconds * SAMPLE_RATE), np.float32), goes_on=False)


def test_short_utterances_share_a_window_and_times_lead_back_to_the_video():
    (window,) = join_spans(block(60, start_s=100.0), [span(1, 3), span(20, 24), span(50, 51)])
    assert window.seconds == 7
    assert len(window.samples) == 7 * SAMPLE_RATE
    assert [window.utterance_at(time_s) for time_s in (0.0, 1.9, 2.1, 5.9, 6.5, 99.0)] == [0, 0, 1, 1, 2, 2]
    assert window.video_time_s(1.0, 0) == pytest.approx(102.0)
    assert window.video_time_s(2.5, 1) == pytest.approx(120.5)
    assert window.video_time_s(6.5, 2) == pytest.approx(150.5)
    assert window.video_time_s(2.5, 0) == pytest.approx(103.0)  # it does not leave the first utterance


def test_windows_hold_no_more_than_the_model_looks_at():
    windows = join_spans(block(300), [span(at, at + 8) for at in range(0, 280, 10)])
    assert [len(window.spans) for window in windows] == [3] * 9 + [1]
    assert isinstance(windows[0], SpeechWindow)
    assert all(window.seconds <= voice.WINDOW_S for window in windows)
    assert join_spans(block(3), []) == []


def spoken(monkeypatch, *utterances):
    """Let the detector find loud samples, which takes no model."""

    def spans(samples):
        loud = np.flatnonzero(np.diff(np.abs(samples) > 0.5, prepend=False, append=False))
        return [Utterance(int(start), int(end)) for start, end in zip(loud[::2], loud[1::2], strict=True)]

    monkeypatch.setattr(voice, "speech_spans", spans)

    def at(seconds):
        sound = np.zeros(round(seconds * SAMPLE_RATE), np.int16)
        for start_s, end_s in utterances:
            sound[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)] = 30_000
        return sound

    return at


def pieces(sound, *, start_s=0.0, each_s=10.0):
    step = round(each_s * SAMPLE_RATE)
    return [Sound(start_s + at / SAMPLE_RATE, sound[at : at + step]) for at in range(0, len(sound), step)]


def found(blocks_):
    return [
        (round(block.start_s + each.start / SAMPLE_RATE, 3), round(block.start_s + each.end / SAMPLE_RATE, 3))
        for block, spans in blocks_
        for each in spans
    ]


def test_an_utterance_at_the_end_of_a_block_is_heard_whole_in_the_next(monkeypatch):
    utterances = [(10.0, 20.0), (115.0, 125.0), (130.0, 131.0)]
    sound = spoken(monkeypatch, *utterances)(135.0)
    cut = list(blocks(pieces(sound)))
    assert found(cut) == utterances
    assert cut[0][0].goes_on
    assert cut[0][0].end_s == pytest.approx(115.0)
    assert sum(len(block.samples) for block, _ in cut) == len(sound)


def test_a_hole_in_the_sound_begins_a_block(monkeypatch):
    sound = spoken(monkeypatch, (1.0, 2.0))(5.0)
    cut = list(blocks([*pieces(sound), *pieces(sound, start_s=600.0)]))
    assert found(cut) == [(1.0, 2.0), (601.0, 602.0)]
    assert not cut[0][0].goes_on


def test_sound_that_never_pauses_still_comes_in_blocks(monkeypatch):
    sound = spoken(monkeypatch)(130.0)
    sound[:] = 30_000
    spans = voice.speech_spans

    def cut_long(samples):
        longest = 28 * SAMPLE_RATE
        return [
            Utterance(at, min(at + longest, each.end))
            for each in spans(samples)
            for at in range(each.start, each.end, longest)
        ]

    monkeypatch.setattr(voice, "speech_spans", cut_long)
    cut = list(blocks(pieces(sound)))
    assert sum(len(block.samples) for block, _ in cut) == len(sound)
    ends = found(cut)
    assert all(after[0] == before[1] for before, after in itertools.pairwise(ends))


def test_a_long_file_takes_no_more_memory_than_a_short_one(monkeypatch):
    """An hour as minutes do; ``test_long_sound`` hears ten."""
    second = spoken(monkeypatch, (3.0, 4.0))(10.0).astype(np.int16)

    def peak_bytes(minutes):
        tracemalloc.start()
        pieces = (Sound(10.0 * at, second.copy()) for at in range(6 * minutes))
        assert sum(1 for _ in blocks(pieces)) >= minutes // 2
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak_bytes(60) < 1.1 * peak_bytes(6)


@pytest.mark.parametrize("kind", ["nothing", "a moment", "silence", "noise", "tone"])
def test_nobody_speaks_in_silence_noise_or_a_tone(kind):
    pytest.importorskip("faster_whisper", reason="the extra 'speech' is not installed")
    times = np.arange(6 * SAMPLE_RATE) / SAMPLE_RATE
    sound = {
        "nothing": np.zeros(0),
        "a moment": np.zeros(100),
        "silence": np.zeros(len(times)),
        "noise": np.random.default_rng(0).normal(0, 0.1, len(times)),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * times),
    }[kind]
    assert speech_spans(sound.astype(np.float32)) == []
