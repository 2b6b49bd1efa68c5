"""A pipe, a socket or a device in the place of a file is refused: one would wait, the other never end."""

from __future__ import annotations

import numpy as np
import pytest

from films import index_films
from polyreel.cli.app import main

# It neither waits nor goes on for ever, so that a command which reads it fails here and hangs nothing.
DEVICE = "/dev/null"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a matrix, a text and an empty library."""
    monkeypatch.chdir(tmp_path)
    np.save("square.npy", np.eye(2, dtype=np.float32))
    (tmp_path / "captions.txt").write_text("a dog runs\n")
    (tmp_path / "lexicons").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ["score", DEVICE, "--truth", DEVICE],
        ["score", "square.npy", "--truth", DEVICE],
        ["report", DEVICE, "--format", "markdown"],
        ["train", DEVICE, "--check"],
        ["study", DEVICE, "--out", "out", "--check"],
        ["data", "codeswitch", "--captions", DEVICE, "--lexicons", "lexicons", "--languages", "de"],
        ["cut", DEVICE, "--start", "0", "--end", "1", "--out", "part.mp4"],
        ["transcribe", DEVICE],
        ["index", DEVICE, "--library", "library"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_command_refuses_it_with_one_message(here, command, capsys):
    assert main(command) in {1, 2}
    out, err = capsys.readouterr()
    said = (out + err).lower()
    assert said.count("not a regular file") == 1
    assert "did you mean" not in said


def test_a_search_refuses_it_as_an_example(here, tiny_bundle, capsys):
    (here / "videos").mkdir()
    index_films(here / "videos", here / "library", tiny_bundle)
    assert main(["search", "--image", DEVICE, "--library", "library"]) == 2
    assert "not a regular file" in capsys.readouterr().err
