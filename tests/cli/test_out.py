"""What ``--out`` names where a command writes a folder: refused before anything that takes long."""

from __future__ import annotations

import pytest

from polyreel.cli.app import main
from polyreel.cli.formats import EXPORTS, out_folder
from polyreel.errors import UsageError
from polyreel.library.exchange.exporting import EXPORT_FORMATS


def test_a_folder_is_not_named_as_a_file_is(tmp_path, capsys):
    kept = tmp_path / "kept"
    kept.write_text("something")
    dotted = tmp_path / "results.json"
    with pytest.raises(UsageError, match=r"--out is a file: .*kept\. Name a folder"):
        out_folder(kept)
    with pytest.raises(UsageError, match=r"not a file: .*Leave the ending out: --out .*/results\."):
        out_folder(dotted)
    assert out_folder(tmp_path / "run-1.5") == tmp_path / "run-1.5"
    for arguments in (("eval", "demo"), ("data", "build", "emoji")):
        assert main([*arguments, "--out", str(dotted)]) == 2
        assert "--out names a folder here" in capsys.readouterr().err
    dotted.mkdir()
    assert out_folder(dotted) == dotted  # whoever made it meant it


def test_a_file_is_not_named_by_a_folder_that_is_there(tmp_path, capsys):
    for arguments in (("search", "red", "--export", "csv"), ("transcribe", "x.mp4"), ("report", "x.json")):
        assert main([*arguments, "--out", str(tmp_path)]) == 2
        assert f"one file is written: {tmp_path}. Name a file in it, such as" in capsys.readouterr().err


@pytest.mark.parametrize("option", [("--check",), ("--data", "."), ("--workers", "2")])
def test_ranks_that_are_only_judged_ignore_no_option(tmp_path, capsys, option):
    (tmp_path / "ranks.csv").write_text("")
    assert main(["study", str(tmp_path / "ranks.csv"), "--out", str(tmp_path / "out"), *option]) == 2
    assert f"{option[0]} is for a study that is run" in capsys.readouterr().err


def test_every_format_of_hits_has_its_endings():
    assert set(EXPORTS) == EXPORT_FORMATS
