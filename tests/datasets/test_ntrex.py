"""NTREX: nine files, row by row."""

from __future__ import annotations

import unicodedata

import pytest
from written import NFC, NFD, fails, write

from polyreel.datasets.readers.ntrex import read_ntrex
from polyreel.languages import STUDY_LANGUAGES


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path, {f"ntrex.dev.{tag}.txt.gz": f"{tag} 1\n{tag} 2\n" for tag in STUDY_LANGUAGES})


def test_rows_are_in_nfc_in_the_study_s_order(folder):
    (folder / "ntrex.dev.vi.txt.gz").unlink()
    write(folder, {"ntrex.dev.vi.txt": f"{NFD}\nhai", "LICENSE.md": "x", "ntrex.dev.it.txt": "uno"})
    found = read_ntrex(folder)
    assert tuple(found) == STUDY_LANGUAGES
    assert (found["vi"], found["sw"]) == ((NFC, "hai"), ("sw 1", "sw 2"))


def test_the_published_names(tmp_path):
    codes = ["deu", "fra", "ces", "zho-CN", "zho-TW", "rus", "vie", "swa", "spa", "spa-MX", "afr", "eng-GB"]
    names = ["newstest2019-src.eng.txt", *(f"newstest2019-ref.{code}.txt" for code in codes)]
    found = read_ntrex(write(tmp_path, {name: f"{name}\n" for name in names}))
    assert tuple(found) == STUDY_LANGUAGES
    assert (found["zh"], found["es"]) == (("newstest2019-ref.zho-CN.txt",), ("newstest2019-ref.spa.txt",))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("ntrex.dev.ru.txt.gz", "1\n2\n3", ["differ in length", "ntrex.dev.ru.txt.gz 3"]),
        ("ntrex.dev.ru.txt.gz", "1\n \n", ["an empty sentence", "ntrex.dev.ru.txt.gz, line 2"]),
        (
            "ntrex.test.ru.txt",
            "1\n2\n",
            ["two files of one language", "ntrex.test.ru.txt", "ntrex.dev.ru.txt.gz"],
        ),
    ],
)
def test_what_is_not_as_it_should_be_is_named(folder, name, content, said):
    write(folder, {name: content})
    fails(lambda: read_ntrex(folder), *said)


def test_a_language_that_is_not_there_is_asked_for(folder):
    (folder / "ntrex.dev.sw.txt.gz").unlink()
    (folder / "ntrex.dev.cs.txt.gz").unlink()
    fails(lambda: read_ntrex(folder), "languages are missing", folder, "cs, sw", "newstest2019-ref.deu.txt")
    fails(lambda: read_ntrex(folder / "no"), "no such folder")


def test_the_real_sentences(shared_data):
    found = read_ntrex(shared_data / "ntrex")
    assert {tag: len(rows) for tag, rows in found.items()} == dict.fromkeys(STUDY_LANGUAGES, 1_000)
    assert all(unicodedata.is_normalized("NFC", row) for rows in found.values() for row in rows)
