"""``polyreel index --screen-text`` reads what is written in the pictures."""

from __future__ import annotations

import json

import pytest

from polyreel.cli.app import main
from polyreel.errors import FetchError
from polyreel.packages.fetch import _CLIENTS
from polyreel.recognition import registry
from videos import write_video
from written_pictures import written


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "films").mkdir()
    gate = written(("Tickets are sold here", 30, 300))
    path = tmp_path / "films" / "gate.mp4"
    write_video(path, seconds=2, fps=2, size=(640, 360), picture=lambda _time_s: gate)
    return path.parent


def ask(capsys, bundle, folder, *options):
    library = str(folder.parent / "library")
    code = main(["index", str(folder), "--library", library, "--bundle", str(bundle.folder), *options])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_index_reads_and_search_and_doctor_know_what_was_read(
    folder, screen_model, tiny_bundle, capsys, monkeypatch
):
    del screen_model  # is there
    code, out, err = ask(capsys, tiny_bundle, folder, "--no-speech", "--screen-text")
    assert code == 0
    assert "Reading 1 video, 2 s of pictures, about" in err
    assert "1 line from 2 s of pictures" in out
    library = ["--library", str(folder.parent / "library")]
    assert main(["search", '"sold here"', "--in", "screen", "--json", *library]) == 0
    (hit, *_) = json.loads(capsys.readouterr().out)["hits"]
    read = {"text": "Tickets are sold here", "language": "en", "kind": "screen"}
    assert read.items() <= hit["evidence"]["subtitle"].items()
    assert main(["doctor", *library]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "1 video read by ppocr-v6-small" in said
    assert "no text in Cyrillic" in said
    monkeypatch.setattr(registry, "has_screen", lambda: True)  # from then on it is the default
    assert json.loads(ask(capsys, tiny_bundle, folder, "--json")[1])["screen_text"] is None  # nothing new


def test_weights_that_cannot_be_had_are_said_and_pictures_are_indexed(
    folder, tiny_bundle, capsys, monkeypatch, tmp_path
):
    def offline(*_arguments):
        raise FetchError("pypi did not deliver the archive", item="rapidocr")

    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(_CLIENTS, "pypi", offline)
    code, out, err = ask(capsys, tiny_bundle, folder, "--screen-text")
    assert code == 1
    assert "1 file indexed" in out
    assert "Nothing was read: pypi did not deliver the archive: rapidocr" in err
    code, out, _ = ask(capsys, tiny_bundle, folder, "--no-screen-text", "--json")
    assert (code, json.loads(out)["screen_text"]) == (0, None)
