"""``bundles set`` and ``bundles drop`` from the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from films import film, subtitles
from polyreel.cli.app import main
from polyreel.library.store.store import moving
from tiny_bundle import write_tiny_bundle


def ask(capsys, *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    code = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return code, " ".join(said.out.split()), " ".join(said.err.split())


@pytest.fixture
def home(tmp_path, tiny_bundle, monkeypatch):
    """Two films, one of them on a drive; their library; another bundle."""
    film(tmp_path / "videos" / "a.mp4", "red", "blue", each_s=3)
    subtitles(tmp_path / "videos" / "a.en.srt", (0, 1, "the dog"))
    film(tmp_path / "videos" / "drive" / "b.mp4", "green")
    monkeypatch.setenv("POLYREEL_LIBRARY", str(tmp_path / "library"))
    assert main(["index", str(tmp_path / "videos"), "--bundle", str(tiny_bundle.folder)]) == 0
    write_tiny_bundle(tmp_path / "wide", name="wide", spare=1, fps=2.0)
    return tmp_path


def test_a_library_is_moved_and_moved_back(home, capsys, tiny_bundle):
    capsys.readouterr()
    code, out, _ = ask(capsys, "bundles", "set", home / "wide")
    assert code == 0
    assert "3 clips of 2 files (8 s of video) and 1 subtitle line; about" in out
    assert "on the disk. Until then searches use tiny" in out
    assert "3 clips and 1 subtitle line encoded in" in out
    assert "Searches use wide" in out
    code, out, err = ask(capsys, "search", "rot", "--json")
    assert json.loads(out)["bundle"] == "wide"
    code, out, _ = ask(capsys, "doctor")
    assert "also there vectors of tiny" in out
    assert ask(capsys, "bundles", "set", tiny_bundle.folder)[1].startswith("Searches use tiny")
    code, out, _ = ask(capsys, "bundles", "set", tiny_bundle.folder)
    assert (code, out.split(" (")[0]) == (0, "Searches use tiny")
    assert out.endswith("as before.")
    assert ask(capsys, "bundles", "drop", "wide")[1].endswith("are gone.")
    code, _, err = ask(capsys, "bundles", "drop", "wide")
    assert (code, "no bundle whose vectors the library keeps has this name" in err) == (2, True)


def test_the_estimate_alone_changes_nothing(home, capsys):
    capsys.readouterr()
    before = (home / "library" / "library.json").read_text()
    code, out, _ = ask(capsys, "bundles", "set", home / "wide", "--estimate", "--json")
    document = json.loads(out)
    assert (code, document["clips"], document["lines"], document["files"]) == (0, 3, 1, 2)
    assert ask(capsys, "bundles", "set", home / "wide", "--estimate")[0] == 0
    assert (home / "library" / "library.json").read_text() == before


def test_what_cannot_be_read_is_said_everywhere(home, capsys):
    (home / "videos" / "drive").rename(home / "unplugged")
    capsys.readouterr()
    code, out, _ = ask(capsys, "bundles", "set", home / "wide")
    assert code == 0
    assert "1 file cannot be read now. Their pictures keep the vectors" in out
    assert "b.mp4" in out
    _, _, err = ask(capsys, "search", "green")
    assert "Not searched by what they show: 1 video that could not be read" in err
    _, out, _ = ask(capsys, "doctor")
    assert "Not searched by what they show: 1 file" in out
    (home / "unplugged").rename(home / "videos" / "drive")
    _, out, _ = ask(capsys, "index", home / "videos")
    assert "1 clip encoded that could not be read before." in out
    _, _, err = ask(capsys, "search", "green")
    assert "Not searched" not in err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["set", "smal"], 2, "Did you mean 'small'?"),
        (["set"], 2, "requires an argument"),
        (["drop", "tiny"], 2, "searches use this bundle"),
        (["set", "small", "--library", "/nowhere"], 1, "no library is here"),
    ],
)
def test_what_cannot_be_is_one_message(home, capsys, arguments, code, said):
    capsys.readouterr()
    found, out, err = ask(capsys, "bundles", *arguments)
    assert (found, out) == (code, "")
    assert said in err


def test_the_second_of_two_moves_is_refused_with_one_message(home, capsys):
    capsys.readouterr()
    with moving(home / "library"):
        code, out, _ = ask(capsys, "bundles", "set", home / "wide", "--json")
    assert code == 1
    assert "being moved to another bundle already" in json.loads(out)["error"]["message"]


def test_ctrl_c_pauses_a_move(home):
    for number in range(6):
        film(home / "videos" / f"{number}.mp4", "red", "green", "white", each_s=2 + number / 10)
    assert main(["index", str(home / "videos")]) == 0
    command = [
        sys.executable,
        "-m",
        "polyreel",
        "bundles",
        "set",
        str(home / "wide"),
        "--json",
    ]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (home / "library" / "move.json").exists() and run.poll() is None:
        time.sleep(0.005)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 130, (out, err)
    assert "Traceback" not in err
    assert not (home / "library" / "move.json").exists()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(done.stdout)["switched"]
