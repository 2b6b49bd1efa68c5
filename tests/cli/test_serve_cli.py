"""``polyreel serve`` as a command: it says where it is, answers, ends, and refuses what is not safe."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from films import film, index_films
from polyreel.cli.app import main

pytest.importorskip("fastapi", reason="polyreel[serve] is not installed")


@pytest.fixture
def library(tmp_path: Path, tiny_bundle) -> Path:
    film(tmp_path / "videos" / "red.mp4", "red")
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    return tmp_path / "library"


def started(library: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "polyreel", "serve", "--library", str(library), "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "POLYREEL_TOKEN": ""},
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_address_answers_and_ends(library, number):
    with started(library) as process:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address + "api/v1/search?q=mbwa&top=3") as answer:
            assert json.load(answer)["hits"][0]["video"] == "red.mp4"
        process.send_signal(number)
        assert process.wait(20) in {0, -number}
        assert "Traceback" not in process.stderr.read()


def test_it_tells_programs_too(library):
    nothing = library / "nothing"
    with started(library, "--json", "--root", str(nothing)) as process:
        told = [process.stdout.readline() for _ in range(4)]
        assert json.loads("".join(told))["library"] == str(library)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert f"no folder is at --root now: {nothing}. Check the path" in process.stderr.read()


def test_beyond_this_machine_it_wants_a_token(library, capsys, monkeypatch):
    monkeypatch.delenv("POLYREEL_TOKEN", raising=False)
    assert main(["serve", "--library", str(library), "--host", "0.0.0.0"]) == 2
    assert "needs a token" in capsys.readouterr().err
    monkeypatch.setenv("POLYREEL_TOKEN", "short")
    assert main(["serve", "--library", str(library)]) == 2
    assert "too short" in capsys.readouterr().err


def test_what_cannot_be_served_is_one_message(library, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("POLYREEL_TOKEN", raising=False)
    assert main(["serve", "--library", str(tmp_path / "nothing")]) == 1
    assert "no library is here" in capsys.readouterr().err
    assert main(["serve", "--library", str(library), "--port", "70000"]) == 2
    assert main(["serve", "--library", str(library), "--host", "::zz", "--port", "0"]) == 2
    assert "needs a token" in capsys.readouterr().err


def test_a_port_in_use_is_one_message(library, capsys, monkeypatch):
    import socket

    monkeypatch.delenv("POLYREEL_TOKEN", raising=False)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert main(["serve", "--library", str(library), "--port", str(other.getsockname()[1])]) == 2
    assert "the address cannot be used" in capsys.readouterr().err


def test_help_has_an_example(capsys):
    assert main(["serve", "--help"]) == 0
    assert "polyreel serve --library demo-library" in capsys.readouterr().out
