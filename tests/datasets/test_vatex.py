"""VATEX: both languages, and the halves of the validation set."""

from __future__ import annotations

import pytest
from written import fails, lines, write

from polyreel.datasets.readers import vatex
from polyreel.datasets.readers.vatex import VATEX_LAYOUT, VATEX_SPLITS, vatex_records
from polyreel.errors import UnknownNameError
from polyreel.evaluation.items import evaluation_set

SMALL = {"train": 2, "validation": 4, "val": 2, "test": 2}


def read_vatex(folder, split):
    return evaluation_set(vatex_records(folder, {"some": split}), split, remedy=VATEX_LAYOUT)


def rows(names, chinese=10):
    return [
        {
            "videoID": name,
            "enCap": [f"en {n} {name}" for n in range(10)],
            "chCap": [f"中 {n}" for n in range(chinese)],
        }
        for name in names
    ]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(vatex, "VATEX_SPLITS", SMALL)
    return write(
        tmp_path,
        {
            "vatex_training_v1.0.json": rows(["t1_000001_000011", "-t2"]),
            "vatex_validation_v1.0.json": rows("abcd", chinese=9),
            "val_list.txt": "c\nb",
            "test_list.txt": "d\na\n",
            **{f"videos/{name}.mp4": b"" for name in ("-t2", "a", "b", "d")},
        },
    )


def test_each_split_has_its_videos_and_both_languages(folder):
    test = read_vatex(folder, "test")
    assert [item.id for item in test.items] == ["a", "d"]
    assert {tag: len(texts) for tag, texts in test.items[0].captions.items()} == {"en": 10, "zh": 9}
    assert test.items[0].media.path == folder / "videos" / "a.mp4"
    val = read_vatex(folder, "val")
    assert ([item.id for item in val.items], [gone.id for gone in val.missing]) == (["b"], ["c"])
    assert len(read_vatex(folder, "validation").items) == 3
    train = read_vatex(folder, "train")
    assert ([item.id for item in train.items], [gone.id for gone in train.missing]) == (
        ["-t2"],
        ["t1_000001_000011"],
    )


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("test_list.txt", "a\nx\n", ["without annotations", "test_list.txt", "x"]),
        ("test_list.txt", "a\n", ["videos in test", "1, not 2"]),
        ("vatex_validation_v1.0.json", [{"videoID": "a", "enCap": ["x"]}], ["0.chCap"]),
        ("vatex_validation_v1.0.json", {"a": ["x"]}, ["vatex_validation_v1.0.json", "valid list"]),
        ("vatex_validation_v1.0.json", rows("aad"), ["videos in test", "3, not 2"]),
    ],
)
def test_what_is_not_as_it_should_be_is_named(folder, name, content, said):
    write(folder, {name: content})
    fails(lambda: read_vatex(folder, "test"), *said)


def test_a_missing_list_says_where_to_put_it(folder):
    (folder / "test_list.txt").unlink()
    fails(lambda: read_vatex(folder, "test"), "missing", folder / "test_list.txt", "videos/<videoID>.mp4")


def test_videos_that_are_all_absent_are_an_error(folder):
    for path in (folder / "videos").iterdir():
        path.unlink()
    fails(lambda: read_vatex(folder, "train"), "not one of 2 videos", "videos/<videoID>.mp4")


def test_an_unknown_split(tmp_path):
    fails(lambda: read_vatex(tmp_path, "tests"), "Did you mean 'test'", kind=UnknownNameError)


def test_the_published_sizes(tmp_path):
    names = [str(number) for number in range(3_000)]
    write(
        tmp_path,
        {
            "vatex_validation_v1.0.json": rows(names, chinese=1),
            "test_list.txt": lines(names[1::2]),
            "videos/1.mp4": b"",
        },
    )
    corpus = read_vatex(tmp_path, "test")
    assert len(corpus.items) + len(corpus.missing) == VATEX_SPLITS["test"]


def test_the_public_test_set_is_english(folder, monkeypatch):
    monkeypatch.setitem(SMALL, "public-test", 2)
    english = [{"videoID": name, "enCap": [f"en {n}" for n in range(10)]} for name in "ax"]
    write(folder, {"vatex_public_test_english_v1.1.json": english})
    corpus = read_vatex(folder, "public-test")
    assert [(item.id, list(item.captions)) for item in corpus.items] == [("a", ["en"])]
    assert [gone.id for gone in corpus.missing] == ["x"]
    assert VATEX_SPLITS["public-test"] == 6_000
    assert [record.split for record in vatex_records(folder)] == ["train"] * 2 + ["dev"] * 2 + ["test"] * 2
