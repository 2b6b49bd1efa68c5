"""``polyreel index --hwaccel`` where no device decodes."""

from __future__ import annotations

import json

import pytest

from films import film
from polyreel.cli.app import main


@pytest.fixture
def index(tmp_path, tiny_bundle, capsys):
    """Index two films with these options; the exit code, stdout and stderr."""
    film(tmp_path / "videos" / "red.mp4", "red")
    film(tmp_path / "videos" / "blue.mp4", "blue")

    def run(*options: str) -> tuple[int, str, str]:
        told = ["--library", str(tmp_path / "library"), "--bundle", str(tiny_bundle.folder), "--no-speech"]
        code = main(["index", str(tmp_path / "videos"), *told, *options])
        return code, *capsys.readouterr()

    return run


@pytest.mark.slow
def test_the_cpu_does_it_and_one_message_says_so(index, caplog):
    code, out, _ = index("--hwaccel", "d3d12va", "--json")
    assert (code, json.loads(out)["indexed"]) == (0, 2)
    (said,) = [record.getMessage() for record in caplog.records if "hwaccel" in record.getMessage()]
    assert said.startswith("hwaccel d3d12va: this FFmpeg was built without d3d12va, so the CPU decodes")


def test_other_machines_have_devices_of_their_own(index):
    code, _, said = index("--hwaccel", "auto", "--ray")
    assert code == 2
    assert "--hwaccel auto" in said
    assert "Leave one of the two out" in said


def test_a_name_that_is_not_known_is_refused_with_those_that_are(index):
    code, _, said = index("--hwaccel", "cudda")
    assert code == 2
    assert "cudda" in said
    assert "videotoolbox" in said
