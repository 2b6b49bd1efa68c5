"""Speech models by name: faster-whisper's own names, fetched from the hub only when asked for."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from polyreel.errors import UnknownNameError
from polyreel.recognition.speech.hub_models import HUB_MODELS, hub_name
from polyreel.recognition.speech.weights import DEFAULT_MODEL, find_model
from small_hub import COMMIT, small_hub

FILES = {
    "config.json": b"{}",
    "model.bin": bytes(range(256)) * 40,
    "preprocessor_config.json": b"{}",
    "tokenizer.json": b"{}",
    "vocabulary.json": b"[]",
    "README.md": b"---\nlicense: mit\n---\n",
    "own_code.py": b"raise SystemExit",
}
CALL = """
import json, sys
from polyreel.errors import PolyreelError
from polyreel.recognition.speech.weights import find_model
model, seen = find_model(sys.argv[1]), []
try:
    print(json.dumps([model.name, str(model.folder(lambda *facts: seen.append(facts))), seen]))
except PolyreelError as error:
    print(json.dumps(str(error)))
"""


def call(address: str, home: Path, name: str) -> tuple[object, str]:
    """What a process of its own prints and warns of: the hub's client reads its settings once."""
    settings = {"HF_ENDPOINT": address, "POLYREEL_CACHE": str(home), "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-c", CALL, name]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=True)
    return json.loads(done.stdout), done.stderr


def test_a_model_by_name_is_fetched_told_and_then_found_without_a_network(tmp_path):
    with small_hub("Systran/faster-whisper-small", FILES) as (address, asked):
        (name, folder, seen), told = call(address, tmp_path, "small")
    assert name == "whisper-small"
    assert {file.name for file in Path(folder).iterdir()} == set(FILES) - {"README.md", "own_code.py"}
    assert ["model.bin", 10_240, 10_240] in seen
    assert not any("own_code" in line for line in asked)
    for fact in ("Systran/faster-whisper-small", COMMIT[:12], hashlib.sha256(FILES["model.bin"]).hexdigest()):
        assert fact in told
    again, told = call("http://127.0.0.1:9", tmp_path, "whisper-small")
    assert again == ["whisper-small", folder, []]
    assert told == ""


def test_without_a_network_one_message_says_what_to_do(tmp_path):
    message, _told = call("http://127.0.0.1:9", tmp_path, "large-v3")
    assert message.startswith("the weights of the speech model cannot be had: whisper-large-v3 (")
    assert "Check the network" in message
    assert "give the folder of such a model" in message


def test_the_names_are_those_of_faster_whisper_with_or_without_whisper():
    faster_whisper = pytest.importorskip("faster_whisper", reason="the extra 'speech' is not installed")
    for name in faster_whisper.available_models():
        assert find_model(name).name in {DEFAULT_MODEL, *HUB_MODELS}
        assert find_model(f"whisper-{name}").name == find_model(name).name
    assert {hub_name(name) for name in faster_whisper.available_models()} == {DEFAULT_MODEL, *HUB_MODELS}
    assert find_model("base").name == DEFAULT_MODEL
    assert find_model("turbo").name == "whisper-large-v3-turbo"


def test_a_name_that_is_none_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="whisper-large-v3"):
        find_model("whisper-large-v33")
