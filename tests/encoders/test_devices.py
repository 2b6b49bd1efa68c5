"""What runs a bundle: named, found, and given up for the CPU with one message if it fails."""

from __future__ import annotations

import importlib.metadata
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime as ort
import pytest

from polyreel.encoders import devices
from polyreel.encoders.devices import chosen_device
from polyreel.encoders.runtime import Bundle
from polyreel.errors import UnknownNameError
from tiny_bundle import SIDE_PX

CPU, CUDA, OPENVINO = "CPUExecutionProvider", "CUDAExecutionProvider", "OpenVINOExecutionProvider"


@pytest.mark.parametrize(
    ("named", "installed", "chosen"),
    [
        (None, [CPU, CUDA], "cpu"),
        ("cpu", [CPU, CUDA], "cpu"),
        ("auto", [CPU, CUDA], "cuda"),
        ("auto", [CPU, OPENVINO], "cpu"),
        ("auto", [CPU], "cpu"),
        ("openvino", [CPU, OPENVINO], "openvino"),
    ],
)
def test_the_device_is_the_one_that_is_named(monkeypatch, named, installed, chosen):
    monkeypatch.delenv("POLYREEL_DEVICE", raising=False)
    assert chosen_device(named, installed=installed) == chosen
    monkeypatch.setenv("POLYREEL_DEVICE", named or "")
    assert chosen_device(installed=installed) == chosen


def test_one_that_is_not_installed_is_said_and_the_cpu_taken(caplog):
    assert chosen_device("cuda", installed=[CPU]) == "cpu"
    assert [record.message for record in caplog.records] == [
        "device cuda: its ONNX Runtime is not installed, so the CPU does the work"
    ]


def test_a_name_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("POLYREEL_DEVICE", "cdua")
    with pytest.raises(UnknownNameError, match="Did you mean 'cuda'"):
        chosen_device()


def texts_and_pictures(bundle: Bundle) -> tuple[np.ndarray, np.ndarray]:
    frames = np.random.default_rng(0).integers(0, 255, (4, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    return bundle.encode_text(["red", "der hund rennt"]), bundle.encode_frames(frames)


def test_a_device_that_cannot_open_a_graph_gives_way_with_one_message(tiny_bundle, monkeypatch, caplog):
    monkeypatch.setattr(devices, "_installed", lambda: [CPU, CUDA])
    failing = Bundle(tiny_bundle.folder, device="cuda")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ONNX Runtime's own, of a provider that is not in its build
        found = texts_and_pictures(failing)
    assert failing.device == "cpu"
    assert sum("device cuda failed" in record.message for record in caplog.records) == 1
    for mine, right in zip(found, texts_and_pictures(tiny_bundle), strict=True):
        assert np.array_equal(mine, right)


@pytest.mark.skipif(
    OPENVINO not in ort.get_available_providers(),
    reason="needs onnxruntime-openvino in the place of onnxruntime",
)
def test_openvino_ranks_as_the_cpu_does(tiny_bundle):
    fast = Bundle(tiny_bundle.folder, device="openvino")
    for mine, right in zip(texts_and_pictures(fast), texts_and_pictures(tiny_bundle), strict=True):
        assert np.allclose(mine, right, atol=1e-5)
    assert fast.device == "openvino"
    assert importlib.metadata.version("onnxruntime-openvino")
    options = devices._PROVIDERS["openvino"][1]
    assert "INFERENCE_PRECISION_HINT" in options["load_config"]


def test_a_device_that_fails_at_work_gives_way_with_one_message(tiny_bundle, monkeypatch, caplog):
    failing = Bundle(tiny_bundle.folder)
    right = texts_and_pictures(failing)
    failing.device = "cuda"  # as if its sessions were of a device that has just been taken away
    run_once = Bundle._run_once

    def fails_on_device(bundle, name, inputs):
        if bundle.device != "cpu":
            raise RuntimeError("CUDA error 719: unspecified launch failure")
        return run_once(bundle, name, inputs)

    monkeypatch.setattr(Bundle, "_run_once", fails_on_device)
    for mine, wanted in zip(texts_and_pictures(failing), right, strict=True):
        assert np.array_equal(mine, wanted)
    assert failing.device == "cpu"
    assert [record.message for record in caplog.records] == [
        "device cuda failed, so the CPU does the work: CUDA error 719: unspecified launch failure"
    ]


def test_searches_that_lose_the_device_together_are_all_answered(tiny_bundle, monkeypatch, caplog):
    bundle = Bundle(tiny_bundle.folder)
    bundle.device = "cuda"
    run_once = Bundle._run_once
    both = threading.Barrier(2)

    def fails_for_both(bundle, name, inputs):
        if (device := bundle.device) != "cpu":
            both.wait(20)
            raise RuntimeError(f"{device} is lost")
        return run_once(bundle, name, inputs)

    monkeypatch.setattr(Bundle, "_run_once", fails_for_both)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: bundle.encode_text(["a dog"]), range(2))
    assert np.array_equal(first, second)
    assert len(caplog.records) == 1
