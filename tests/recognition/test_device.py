"""What hears: a GPU where CTranslate2 finds one, the processor otherwise and where it is asked for."""

from __future__ import annotations

import logging

import pytest

from polyreel.errors import UnknownNameError
from polyreel.recognition.speech.device import compute_type, speech_device

ctranslate2 = pytest.importorskip("ctranslate2", reason="the extra 'speech' is not installed")


@pytest.fixture
def gpus(monkeypatch):
    """Says how many GPUs CTranslate2 finds, or what it raises."""
    monkeypatch.delenv("POLYREEL_DEVICE", raising=False)

    def found(count):
        def answer():
            if isinstance(count, Exception):
                raise count
            return count

        monkeypatch.setattr(ctranslate2, "get_cuda_device_count", answer)

    return found


def test_a_gpu_is_used_where_there_is_one_unless_the_processor_is_asked_for(gpus, monkeypatch):
    gpus(1)
    for wish in (None, "auto", "cuda", "openvino"):
        assert speech_device(wish) == "cuda"
    assert speech_device("cpu") == "cpu"
    monkeypatch.setenv("POLYREEL_DEVICE", "cpu")
    assert speech_device() == "cpu"


def test_without_one_the_processor_hears_and_one_message_says_so_where_one_was_asked_for(gpus, caplog):
    gpus(0)
    caplog.set_level(logging.WARNING, "polyreel")
    assert speech_device() == speech_device("auto") == "cpu"
    assert caplog.messages == []
    assert speech_device("cuda") == "cpu"
    assert caplog.messages == ["device cuda: CTranslate2 finds no GPU, so the CPU hears"]


def test_a_driver_that_is_too_old_is_one_message(gpus, caplog):
    gpus(RuntimeError("CUDA failed with error CUDA driver version is insufficient"))
    assert speech_device("auto") == "cpu"
    assert "driver version is insufficient" in caplog.messages[0]


def test_precision_is_what_the_device_has(monkeypatch):
    assert compute_type("cpu") == "int8"
    for has, wanted in (({"float16", "float32"}, "float16"), ({"float32"}, "float32")):
        monkeypatch.setattr(ctranslate2, "get_supported_compute_types", lambda _device, has=has: has)
        assert compute_type("cuda") == wanted


def test_a_device_that_is_none_is_refused(gpus, monkeypatch):
    with pytest.raises(UnknownNameError, match="device"):
        speech_device("gpu")
    monkeypatch.setenv("POLYREEL_DEVICE", "tpu")
    with pytest.raises(UnknownNameError, match="tpu"):
        speech_device()
