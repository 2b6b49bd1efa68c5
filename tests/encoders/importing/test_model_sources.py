"""Models of the hub, from a small hub of our own: what is fetched, resumed, pinned and refused."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyreel.encoders.importing import sources
from polyreel.encoders.importing.sources import find_model, wanted_files
from polyreel.errors import FetchError, UsageError
from small_hub import COMMIT, small_hub

FILES = {
    "config.json": b"{}",
    "README.md": b"---\nlicense: mit\n---\n",
    "model.safetensors": bytes(range(256)) * 40,
    "pytorch_model.bin": b"never asked for",
    "modeling_own.py": b"raise SystemExit",
    "onnx/model_fp16.onnx": b"another engine's",
}


@pytest.fixture
def hub() -> Iterator[tuple[str, list[str]]]:
    """Address of the hub, and what it was asked for."""
    with small_hub("makers/model", FILES) as served:
        yield served


CALL = """
import json, sys
from polyreel.encoders.importing.sources import find_model
from polyreel.errors import PolyreelError
seen = []
try:
    hub = find_model(sys.argv[1], offline="--offline" in sys.argv, download=lambda *facts: seen.append(facts))
    print(json.dumps([str(hub.path), hub.label, hub.revision, seen]))
except PolyreelError as error:
    print(json.dumps(str(error)))
"""


def call(address: str, home: Path, source: str, *options: str) -> object:
    """In a process of its own: the client reads its settings when it is loaded."""
    settings = {"HF_ENDPOINT": address, "POLYREEL_CACHE": str(home), "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-c", CALL, source, *options]

    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_model_is_fetched_pinned_and_found_again_without_a_network(hub, tmp_path):
    address, asked = hub
    path, label, revision, seen = call(address, tmp_path, "makers/model")
    assert (label, revision) == ("makers/model", COMMIT)
    assert {file.name for file in Path(path).iterdir()} == {"README.md", "config.json", "model.safetensors"}
    assert (Path(path) / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert ["model.safetensors", 10_240, 10_240] in seen
    assert not any("pytorch_model" in line or ".py" in line for line in asked)
    assert call("http://127.0.0.1:9", tmp_path, "makers/model", "--offline")[:3] == [path, label, COMMIT]


def test_a_download_that_broke_off_goes_on(hub, tmp_path):
    address, asked = hub
    body = FILES["model.safetensors"]
    folder = tmp_path / "hub" / "makers--model" / COMMIT
    folder.mkdir(parents=True)
    (folder / "model.safetensors.part").write_bytes(body[:4000])
    path, *_ = call(address, tmp_path, "makers/model")
    assert (Path(path) / "model.safetensors").read_bytes() == body
    assert "GET model.safetensors bytes=4000-" in asked


def test_a_file_that_arrives_damaged_is_refused_and_fetched_anew(hub, tmp_path):
    folder = tmp_path / "hub" / "makers--model" / COMMIT
    folder.mkdir(parents=True)
    (folder / "model.safetensors.part").write_bytes(b"x" * 4000)
    assert "arrived damaged" in call(hub[0], tmp_path, "makers/model")
    path, *_ = call(hub[0], tmp_path, "makers/model")
    assert (Path(path) / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_model_that_is_not_there_and_a_hub_that_does_not_answer_are_messages(hub, tmp_path):
    assert "no model of this name" in call(hub[0], tmp_path, "makers/other")
    message = call("http://127.0.0.1:9", tmp_path, "makers/model")
    assert "did not deliver" in message
    assert "Check the network" in message
    assert "not downloaded before" in call("http://127.0.0.1:9", tmp_path, "makers/model", "--offline")


def test_a_source_that_is_neither_is_a_usage_error(tmp_path):
    for source in ("model", "a/b/c", "../x", "", "a//b"):
        with pytest.raises(UsageError, match="neither a folder nor a name on the hub"):
            find_model(source)
    with pytest.raises(UsageError, match="no revisions"):
        find_model(str(tmp_path), revision="main")


def test_weights_are_preferred_and_pickles_never_wanted():
    assert wanted_files(list(FILES)) == ["README.md", "config.json", "model.safetensors"]
    ready = ["config.json", "onnx/vision_model.onnx", "onnx/text_model.onnx", "onnx/text_model_q4.onnx"]
    assert wanted_files(ready) == ["config.json", "onnx/text_model.onnx", "onnx/vision_model.onnx"]
    layers = ["modules.json", "2_Dense/model.safetensors"]
    assert wanted_files(["onnx/model.onnx", *layers]) == sorted(["onnx/model.onnx", *layers])
    both = ["onnx/model.onnx", "model.safetensors", *layers]
    assert wanted_files(both, exports=True) == sorted(["model.safetensors", *layers])
    assert wanted_files(both, exports=False) == sorted(["onnx/model.onnx", *layers])
    assert wanted_files(["../evil.json", "model.safetensors", "/etc/a.json"]) == ["model.safetensors"]
    with pytest.raises(FetchError, match="neither safetensors nor ONNX"):
        wanted_files(["config.json", "pytorch_model.bin"])


def test_a_full_disk_ends_a_download_with_one_message(monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sources, "_downloaded", full)
    with pytest.raises(FetchError, match="the disk is full: makers/model") as caught:
        find_model("makers/model")
    assert "what has arrived is kept" in caught.value.remedy
