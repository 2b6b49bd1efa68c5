"""Multi30K: aligned files, and photos that must be brought along."""

from __future__ import annotations

import pytest
from written import NFC, NFD, fails, lines, write, zip_of

from polyreel.datasets.readers import multi30k
from polyreel.datasets.readers.multi30k import MULTI30K_LAYOUT, MULTI30K_SPLITS, multi30k_records
from polyreel.errors import UnknownNameError
from polyreel.evaluation.items import evaluation_set

SMALL = {"val": 3, "test_2017_mscoco": 2}


def read_multi30k(folder, split):
    records = multi30k_records(folder, {"some": split})
    return evaluation_set(records, split, kind="picture", remedy=MULTI30K_LAYOUT)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(multi30k, "MULTI30K_SPLITS", SMALL)
    texts = {f"val.{tag}.gz": lines(f"{tag} {row}" for row in range(3)) for tag in ("en", "de", "fr", "cs")}
    return write(
        tmp_path, {**texts, "val.txt": "1.jpg\n2.jpg\n3.jpg", "images/1.jpg": b"", "images/3.jpg": b""}
    )


def test_a_photo_has_the_captions_of_its_row(folder):
    corpus = read_multi30k(folder, "val")
    assert [(item.id, item.captions) for item in corpus.items] == [
        ("1.jpg", {tag: (f"{tag} 0",) for tag in ("en", "de", "fr", "cs")}),
        ("3.jpg", {tag: (f"{tag} 2",) for tag in ("en", "de", "fr", "cs")}),
    ]
    assert [(gone.id, gone.reason) for gone in corpus.missing] == [("2.jpg", "no picture")]


def test_the_layout_of_the_repository(folder):
    for place, names in {"raw": "val.*.gz", "image_splits": "val.txt"}.items():
        (folder / place).mkdir()
        for path in folder.glob(names):
            path.rename(folder / place / path.name)
    corpus = read_multi30k(folder, "val")
    assert [item.id for item in corpus.items] == ["1.jpg", "3.jpg"]
    assert {record.split for record in multi30k_records(folder)} == {"dev"}


def test_the_tests_of_2017_have_no_czech_and_coco_numbers_its_captions(folder):
    write(
        folder,
        {
            **{f"test_2017_mscoco.{tag}": f"{NFD}\nzwei" for tag in ("en", "de", "fr")},
            "test_2017_mscoco.txt": "COCO_1.jpg#12\nCOCO_2.jpg#13\n",
        },
    )
    zip_of(folder / "images.zip", ["val2014/COCO_1.jpg", "train2014/COCO_2.jpg"])
    corpus = read_multi30k(folder, "test_2017_mscoco")
    assert [item.id for item in corpus.items] == ["COCO_1.jpg#12", "COCO_2.jpg#13"]
    assert corpus.items[0].captions == dict.fromkeys(("en", "de", "fr"), (NFC,))
    assert corpus.items[0].media.references == ("images.zip!val2014/COCO_1.jpg",)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("val.de.gz", "eins\nzwei\n", ["differ in length", "val.de.gz 2"]),
        ("val.txt", "1.jpg\n1.jpg\n3.jpg\n", ["more than once", "1.jpg"]),
        ("val.fr", b"\xff\n", ["cannot be read", "val.fr"]),
    ],
)
def test_what_is_not_as_it_should_be_is_named(folder, name, content, said):
    write(folder, {name: content})
    fails(lambda: read_multi30k(folder, "val"), *said)


def test_a_split_of_another_size_is_an_error(folder, monkeypatch):
    monkeypatch.setitem(SMALL, "val", 1_014)
    fails(lambda: read_multi30k(folder, "val"), "photos in val", "3, not 1,014")


def test_a_missing_language_is_named(folder):
    (folder / "val.cs.gz").unlink()
    fails(lambda: read_multi30k(folder, "val"), "missing", folder / "val.cs", "<split>.<language>.gz")


def test_an_unknown_split(tmp_path):
    fails(lambda: read_multi30k(tmp_path, "test_2016"), "test_2016_flickr", kind=UnknownNameError)


@pytest.mark.parametrize("split", ["test_2016_flickr", "val", "train"])
def test_the_real_texts(shared_data, tmp_path, split):
    fails(lambda: read_multi30k(shared_data / "multi30k", split), "not one of", "Flickr30k", "images.zip")
    for path in (shared_data / "multi30k").iterdir():
        (tmp_path / path.name).symlink_to(path)
    photos = (tmp_path / f"{split}.txt").read_text().splitlines()
    zip_of(tmp_path / "images.zip", photos[:1_014])
    corpus = read_multi30k(tmp_path, split)
    assert len(corpus.items) + len(corpus.missing) == MULTI30K_SPLITS[split]
    assert all(set(item.captions) == {"en", "de", "fr", "cs"} for item in corpus.items)
