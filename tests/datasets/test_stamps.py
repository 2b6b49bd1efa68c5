"""Tux Paint's stamps: descriptions, drawings that are not read, and the real package."""

from __future__ import annotations

from collections import Counter

import pytest
from written import NFC, NFD, fails, write

from polyreel.datasets.readers.stamps import fetch_stamps, stamps_records
from polyreel.errors import FetchError
from polyreel.evaluation.items import evaluation_set
from polyreel.languages import STUDY_LANGUAGES

FROG = f"A frog.\nde.utf8=Ein Frosch.\nvi.utf8={NFD}\nzh_TW.utf8=蛙\nzh_CN.utf8=青蛙\nsw.utf8=\n"


def read_stamps(folder):
    return evaluation_set(stamps_records(folder), "stamps", kind="picture")


@pytest.fixture
def folder(tmp_path):
    return write(
        tmp_path,
        {
            "animals/frog.png": b"",
            "animals/frog.svg": b"",
            "animals/frog.txt": FROG,
            "animals/frog.ogg": b"",
            "animals/frog_mirror.png": b"",
            "b/frog-1.png": b"",
            "b/frog-1.txt": "a  Frog\nzh_TW.utf8=蛙",
            "b/car.svg": b"",
            "b/car.txt": "A car.\n",
            "b/gift.txt": "A gift.\n",
        },
    )


def test_stamps_have_their_path_as_id_and_what_was_said_of_them(folder):
    corpus = read_stamps(folder)
    assert [item.id for item in corpus.items] == ["animals/frog", "b/frog-1"]
    assert corpus.items[0].captions == {
        "en": ("A frog.",),
        "de": ("Ein Frosch.",),
        "zh": ("青蛙",),
        "vi": (NFC,),
    }
    assert corpus.items[1].captions == {"en": ("a Frog",), "zh": ("蛙",)}
    assert corpus.items[0].media.references == ("animals/frog.png",)


def test_stamps_of_the_same_thing_are_relevant_to_each_other(folder):
    frog, other = read_stamps(folder).items
    assert (frog.also_relevant, other.also_relevant) == ((other.id,), (frog.id,))


def test_what_is_not_read_is_noted(folder):
    assert {gone.id: gone.reason for gone in read_stamps(folder).missing} == {
        "animals/frog_mirror": "no description",
        "b/car": "an SVG drawing, which is not read",
        "b/gift": "no picture",
    }


def test_a_folder_without_stamps_and_a_damaged_description(folder, tmp_path):
    fails(lambda: read_stamps(tmp_path / "no"), "no stamps", "data fetch stamps")
    (folder / "animals" / "frog.txt").write_bytes(b"\xff")
    fails(lambda: read_stamps(folder), "cannot be read", "frog.txt")


@pytest.mark.slow
def test_the_real_package(tmp_path):
    try:
        folder = fetch_stamps(tmp_path)
    except FetchError as error:
        pytest.skip(f"Debian's package cannot be fetched: {error}")
    assert fetch_stamps(tmp_path) == folder
    corpus = read_stamps(folder)
    assert len(corpus.items) == 785
    counts = Counter(tag for item in corpus.items for tag in item.captions)
    assert [counts[tag] for tag in STUDY_LANGUAGES] == [785, 785, 785, 785, 752, 785, 750, 183, 785]
    assert Counter(gone.reason for gone in corpus.missing) == {
        "an SVG drawing, which is not read": 165,
        "no description": 11,
        "no picture": 2,
    }
    assert sum(bool(item.also_relevant) for item in corpus.items) == 216
