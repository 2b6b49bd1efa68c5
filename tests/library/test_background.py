"""Vectors of the background queries: encoded once for each bundle, whichever library asks."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from polyreel.encoders.card import CARD_FILE
from polyreel.encoders.runtime import Bundle
from polyreel.languages import STUDY_LANGUAGES
from polyreel.library.search import background
from polyreel.library.search.background import kept_background, load_background


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """The user's cache; it also keeps the vectors of models that encode everything in a moment."""
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path / "user" / "cache"))
    monkeypatch.setattr(background, "starts_at_once", lambda _folder: False)
    return tmp_path / "user" / "cache" / "background"


@pytest.fixture
def library(tmp_path):
    """Makes the folder in which a library keeps what can be made again."""

    def made(name: str) -> Path:
        folder = tmp_path / name / "cache"
        folder.mkdir(parents=True)
        return folder

    return made


@pytest.fixture
def encoded(monkeypatch) -> list[int]:
    """How many texts each call encoded."""
    calls: list[int] = []
    plain = Bundle.encode_text

    def counted(self, texts):
        calls.append(len(texts))
        return plain(self, texts)

    monkeypatch.setattr(Bundle, "encode_text", counted)
    return calls


def same(one, other) -> bool:
    return list(one) == list(other) == list(STUDY_LANGUAGES) and all(
        one[tag].dtype == other[tag].dtype == np.float32 and one[tag].tobytes() == other[tag].tobytes()
        for tag in one
    )


def test_a_library_encodes_them_once_and_keeps_them_where_that_is_possible(tmp_path, tiny_bundle, encoded):
    first = load_background(tiny_bundle, tmp_path)
    assert sum(encoded) == 1_800
    (kept,) = tmp_path.glob("background-*")
    assert same(first, load_background(tiny_bundle, tmp_path))
    assert same(first, kept_background(tiny_bundle, tmp_path))
    assert sum(encoded) == 1_800
    kept.write_bytes(b"cut short")
    assert same(first, load_background(tiny_bundle, tmp_path))
    assert sum(encoded) == 3_600
    nowhere = tmp_path / "no folder"
    assert same(first, load_background(tiny_bundle, nowhere))
    assert not nowhere.exists()


def test_a_second_library_of_the_same_bundle_does_not_encode_them(cache, library, tiny_bundle, encoded):
    first = load_background(tiny_bundle, library("first"))
    second = library("second")
    assert kept_background(tiny_bundle, library("a search")) is not None
    assert same(first, load_background(tiny_bundle, second))
    assert sum(encoded) == 1_800
    # It takes them along to where there is no such cache.
    shutil.rmtree(cache)
    assert same(first, kept_background(tiny_bundle, second))


def test_another_bundle_does_not_take_them(cache, library, tiny_bundle, tmp_path, encoded):
    """By the parts that encode text, whatever its card calls itself."""
    load_background(tiny_bundle, library("first"))
    card = tiny_bundle.card
    parts = {**card.files, "tokenizer.json": "0" * 64}
    spoken = card.text.model_copy(update={"prefix": "query: "})
    for number, changed in enumerate(({"files": parts}, {"text": spoken})):
        folder = shutil.copytree(tiny_bundle.folder, tmp_path / f"bundle-{number}")
        (folder / CARD_FILE).write_text(card.model_copy(update=changed).model_dump_json(), encoding="utf-8")
        assert kept_background(Bundle(folder), library(f"library-{number}")) is None
    # The same text side in a bundle that sees pictures otherwise is the same.
    folder = shutil.copytree(tiny_bundle.folder, tmp_path / "bundle-2")
    renamed = card.model_copy(update={"identity": "a" * 64, "name": "another"})
    (folder / CARD_FILE).write_text(renamed.model_dump_json(), encoding="utf-8")
    assert kept_background(Bundle(folder), library("library-2")) is not None


def test_encoders_of_a_program_and_tiny_models_leave_nothing_there(cache, library, tiny_bundle, monkeypatch):
    class Own(Bundle):
        """It can do anything with texts."""

    load_background(Own(tiny_bundle.folder), library("first"))
    monkeypatch.undo()
    monkeypatch.setenv("POLYREEL_CACHE", str(cache.parent))
    load_background(tiny_bundle, library("second"))
    assert not cache.exists()


@pytest.mark.parametrize("damage", ["empty", "cut", "longer", "a bit", "a pipe", "a folder"])
def test_what_is_damaged_is_made_again(cache, library, tiny_bundle, encoded, damage):
    first = load_background(tiny_bundle, library("first"))
    (kept,) = cache.iterdir()
    good = kept.read_bytes()
    if damage in {"a pipe", "a folder"}:
        kept.unlink()
        os.mkfifo(kept) if damage == "a pipe" else kept.mkdir()
    else:
        flipped = bytes([*good[:5_000], good[5_000] ^ 1, *good[5_001:]])
        kept.write_bytes({"empty": b"", "cut": good[:-4], "longer": good + b"\0", "a bit": flipped}[damage])
    assert kept_background(tiny_bundle, library("second")) is None
    assert same(first, load_background(tiny_bundle, library("third")))
    assert sum(encoded) == 3_600
    assert damage == "a folder" or kept.read_bytes() == good
    assert [path.name for path in cache.iterdir()] == [kept.name]


def test_a_cache_that_cannot_be_written_stops_nothing(cache, library, tiny_bundle, encoded):
    """A file in the way, so that it holds for the superuser, too."""
    cache.parent.parent.mkdir(parents=True)
    cache.parent.write_bytes(b"")
    first = load_background(tiny_bundle, library("first"))
    assert same(first, load_background(tiny_bundle, library("second")))
    assert sum(encoded) == 3_600


def test_what_a_library_keeps_is_not_taken_over_for_others(cache, library, tiny_bundle):
    """It may be of someone else, and not what the bundle makes."""
    mine = library("mine")
    load_background(tiny_bundle, mine)
    shutil.rmtree(cache)
    load_background(tiny_bundle, mine)
    assert not cache.exists()
    assert kept_background(tiny_bundle, library("second")) is None
