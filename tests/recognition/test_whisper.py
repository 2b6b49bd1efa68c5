"""Whisper itself, on real speech: words, times, language, and nothing of what nobody says.

Needs its weights (145 MB) and a Debian package (18 MB), or the network to fetch them.
"""

from __future__ import annotations

import av
import numpy as np
import pytest

from polyreel.errors import PolyreelError, UsageError
from polyreel.packages.fetch import fetch
from polyreel.packages.members import cache_dir
from polyreel.recognition.protocol import Place
from polyreel.recognition.registry import load_speech
from sounds import CONGRATULATIONS, write_sounds

pytestmark = pytest.mark.slow

RATE = 16_000


@pytest.fixture(scope="module")
def engine():
    pytest.importorskip("faster_whisper", reason="the extra 'speech' is not installed")
    found = load_speech()
    try:
        assert found._model
    except PolyreelError as error:
        pytest.skip(f"the weights cannot be had: {error}")
    return found


@pytest.fixture(scope="module")
def speech():
    """A file in which somebody speaks English for half a minute, 8 kHz."""
    report = fetch([CONGRATULATIONS], cache_dir() / "sources")
    for error in report.failures.values():
        pytest.skip(f"the recording cannot be had: {error}")
    return report.files[CONGRATULATIONS]


def samples_of(path):
    mixer = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    with av.open(str(path)) as container:
        frames = [part for frame in container.decode(audio=0) for part in mixer.resample(frame)]
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


def heard(engine, path, **options):
    return [line for stretch in engine.recognise(path, **options) for line in stretch.lines]


def test_words_times_and_language_are_right(engine, speech):
    lines = heard(engine, speech)
    text = " ".join(line.text for line in lines)
    assert "have successfully installed and executed the Asterisk open" in text
    assert "hang up commands to simulate the actions of a standard telephone" in text
    assert {(line.language, line.source) for line in lines} == {("en", "speech")}
    assert all(0.5 < line.confidence <= 1 for line in lines)
    assert lines[0].start_s < 1.0
    assert 29 < lines[-1].end_s < 31
    assert all(len(line.text) <= 84 for line in lines)


def test_speech_that_begins_late_and_after_silence_keeps_its_time(engine, speech, tmp_path):
    """A recogniser that counts samples, or that hears from the start of a window, would say 0.0."""
    said = np.concatenate([np.zeros(20 * RATE, np.float32), samples_of(speech)])
    path = write_sounds(tmp_path / "late.mkv", said, starts_s=3.0, rate=RATE, layout="mono", picture_s=55)
    lines = heard(engine, path)
    assert lines[0].text.startswith("Congratulations")
    assert lines[0].start_s == pytest.approx(23.1, abs=0.5)
    assert lines[-1].end_s == pytest.approx(53.2, abs=0.7)
    later = heard(engine, path, begin=Place(0, 30.0))
    assert later
    assert min(line.start_s for line in later) >= 29.5


def test_of_silence_and_noise_nothing_is_said(engine, tmp_path):
    for noise in (0.0, 0.05):
        path = write_sounds(
            tmp_path / f"{noise}.wav", (), seconds=40, noise=noise, codec="pcm_s16le", picture=False
        )
        assert heard(engine, path) == []


def test_sound_shorter_than_a_window_and_damaged_sound_are_no_errors(engine, speech, tmp_path):
    short = samples_of(speech)[: RATE // 20]
    path = write_sounds(
        tmp_path / "short.wav", short, rate=RATE, layout="mono", codec="pcm_s16le", picture=False
    )
    assert heard(engine, path) == []
    data = bytearray(speech.read_bytes())
    data[20_000:30_000] = bytes(10_000)
    damaged = tmp_path / "damaged.wav"
    damaged.write_bytes(bytes(data[: len(data) // 2]))
    assert "installed" in " ".join(line.text for line in heard(engine, damaged))


def test_a_language_that_whisper_does_not_know_is_named(engine, speech):
    with pytest.raises(UsageError, match="does not know a language"):
        heard(engine, speech, languages=["xh"])


def test_a_gpu_that_fails_leaves_the_work_to_the_processor(engine, speech, monkeypatch, caplog):
    """CTranslate2 may find a GPU and yet not use it, for want of its libraries, as here of the GPU."""
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 1)
    broken = load_speech(device="cuda")
    assert "installed" in " ".join(line.text for line in heard(broken, speech))
    assert [message for message in caplog.messages if "device cuda failed, so the CPU does" in message]
