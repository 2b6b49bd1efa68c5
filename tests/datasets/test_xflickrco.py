import json

import pytest
from written import fails, write, zip_of

from polyreel.datasets.readers.xflickrco import XFLICKRCO_PHOTOS, xflickrco_records
from polyreel.datasets.records import Frames
from polyreel.problems import Missing


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """The published number of photos takes seconds to write; one test does."""
    monkeypatch.setattr("polyreel.datasets.readers.xflickrco.XFLICKRCO_PHOTOS", 2)


def jsonl(*rows: tuple[object, str, str]) -> str:
    return "".join(
        json.dumps({"sentences": [text], "id": id_, "img_path": path}, ensure_ascii=False) + "\n"
        for id_, path, text in rows
    )


FLICKR, COCO = ("1007129816", "1007129816.jpg"), (345136, "COCO_val2014_000000345136.jpg")
GERMAN = jsonl((*FLICKR, "Ein Mann"), (*COCO, "Ein Baby"))
INDONESIAN = jsonl((*COCO, "Seorang bayi"), (*FLICKR, "Seorang pria"))


def test_photos_of_both_sources_with_every_language(tmp_path):
    write(
        tmp_path,
        {
            "annotations/de/test.jsonl": GERMAN,
            "annotations/id/test.jsonl": INDONESIAN,
            "annotations/de/train_5.jsonl": "not read",
            "annotations_machine-translate/de/test_gmt.jsonl": "not read",
        },
    )
    zip_of(tmp_path / "images.zip", ["coco/COCO_val2014_000000345136.jpg", "../../1007129816.png"])
    records = list(xflickrco_records(tmp_path))
    assert [r.clip.clip_id for r in records] == [
        "1007129816@0000000000",
        "COCO_val2014_000000345136@0000000000",
    ]
    assert {c.language: c.text for c in records[1].captions} == {"de": "Ein Baby", "id": "Seorang bayi"}
    assert records[0].media is None, "a name in a zip is looked up and leads nowhere"
    assert records[1].media == Frames(tmp_path, ("images.zip!coco/COCO_val2014_000000345136.jpg",))
    assert {(r.split, c.sample_creation) for r in records for c in r.captions} == {("test", "created")}
    assert not any(isinstance(record, Missing) for record in records)


@pytest.mark.parametrize(
    ("german", "said"),
    [
        (jsonl((*FLICKR, "Ein Mann")), ["photos in de", "1, not 2", "annotations/de/test.jsonl"]),
        (jsonl((*FLICKR, "a"), (*FLICKR, "b")), ["more than once", "line 2", "1007129816.jpg"]),
        ('{"sentences": ["a"], "id": 1}\n', ["not as it should be", "line 1", "img_path"]),
        ('{"id": 1, "id": 2}\n', ["a key occurs twice", "line 1", "(id)"]),
        ("{\n", ["no JSON", "line 1"]),
    ],
)
def test_annotations_that_are_not_as_they_should_be(tmp_path, german, said):
    write(tmp_path, {"annotations/de/test.jsonl": german})
    fails(lambda: list(xflickrco_records(tmp_path)), *said)


def test_folders_that_are_not_as_they_should_be(tmp_path):
    fails(lambda: list(xflickrco_records(tmp_path)), "no annotations", "annotations/<language>/test.jsonl")
    write(tmp_path, {"annotations/klingon/test.jsonl": GERMAN})
    fails(lambda: list(xflickrco_records(tmp_path)), "no language", "klingon")


def test_the_published_number_of_photos(tmp_path, monkeypatch):
    monkeypatch.undo()
    photos = jsonl(*[(number, f"{number}.jpg", f"Bild {number}") for number in range(XFLICKRCO_PHOTOS)])
    write(tmp_path, {"annotations/de/test.jsonl.gz": photos})
    assert len(list(xflickrco_records(tmp_path))) == 2_000
