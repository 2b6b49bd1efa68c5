"""XTD10: line by line, "jp", and a last line without its end."""

from __future__ import annotations

import pytest
from written import NFC, NFD, fails, lines, write

from polyreel.datasets.readers.xtd10 import XTD10_LAYOUT, xtd10_records
from polyreel.datasets.registry import find_dataset
from polyreel.evaluation.items import evaluation_set

TAGS = ("en", "de", "fr", "zh", "ru", "es", "it", "jp")
PHOTOS = [f"COCO_train2014_{number:012}.jpg" for number in range(1_000)]


def read_xtd10(folder):
    return evaluation_set(xtd10_records(folder), "xtd10", kind="picture", remedy=XTD10_LAYOUT)


@pytest.fixture
def folder(tmp_path):
    texts = {f"test_1kcaptions_{tag}.txt": lines(f"{tag} {row}" for row in range(1_000)) for tag in TAGS}
    write(tmp_path, {**texts, "test_image_names.txt": lines(PHOTOS)})
    return write(tmp_path, {f"images/train2014/{name}": b"" for name in (PHOTOS[0], PHOTOS[-1])})


def test_rows_stay_aligned_and_tags_are_put_right(folder):
    spanish = folder / "test_1kcaptions_es.txt"
    spanish.write_text(spanish.read_text().removesuffix("\n").replace("es 0", NFD), encoding="utf-8")
    corpus = read_xtd10(folder)
    first, last = corpus.items
    assert first.captions["es"] == (NFC,)
    assert last.captions == {tag.replace("jp", "ja"): (f"{tag} 999",) for tag in TAGS}
    assert (first.id, len(corpus.missing)) == (PHOTOS[0], 998)


def test_the_layout_of_the_repository(folder):
    places = (
        dict.fromkeys(("es", "zh", "ru", "it"), "XTD10")
        | {"jp": "STAIR"}
        | dict.fromkeys(("de", "en", "fr"), "MIC")
    )
    for tag, place in places.items():
        (folder / place).mkdir(exist_ok=True)
        (folder / f"test_1kcaptions_{tag}.txt").rename(folder / place / f"test_1kcaptions_{tag}.txt")
    (folder / "test_image_names.txt").rename(folder / "XTD10" / "test_image_names.txt")
    assert len(read_xtd10(folder).items) == 2
    write(folder, {"test_1kcaptions_ja.txt": "x"})
    fails(lambda: read_xtd10(folder), "two files of one language", "STAIR")


def test_languages_of_the_study_must_be_there(folder):
    for tag in ("ru", "de", "it"):
        (folder / f"test_1kcaptions_{tag}.txt").unlink()
    fails(
        lambda: read_xtd10(folder),
        "test_1kcaptions_de.txt, test_1kcaptions_ru.txt",
        "COCO train2014 and val2014",
    )


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("test_1kcaptions_zh.txt", lines(["x"] * 999), ["differ in length", "test_1kcaptions_zh.txt 999"]),
        ("test_image_names.txt", lines([PHOTOS[0], *PHOTOS[:-1]]), ["more than once", PHOTOS[0]]),
    ],
)
def test_what_is_not_as_it_should_be_is_named(folder, name, content, said):
    write(folder, {name: content})
    fails(lambda: read_xtd10(folder), *said)


def test_another_number_of_rows_is_an_error(tmp_path):
    texts = {f"test_1kcaptions_{tag}.txt": "x" for tag in TAGS}
    write(tmp_path, {**texts, "test_image_names.txt": "a.jpg"})
    fails(lambda: read_xtd10(tmp_path), "1, not 1,000")


def test_a_name_that_leads_out_is_a_missing_picture(folder):
    write(folder, {"secret.jpg": b"", "test_image_names.txt": lines(["../secret.jpg", *PHOTOS[1:]])})
    corpus = read_xtd10(folder)
    assert [item.id for item in corpus.items] == [PHOTOS[-1]]
    assert corpus.missing[0].id == "../secret.jpg"


def test_no_photos_and_no_folder(folder):
    for path in (folder / "images" / "train2014").iterdir():
        path.unlink()
    fails(lambda: read_xtd10(folder), "not one of 1,000 pictures", "images.zip")
    fails(lambda: read_xtd10(folder / "no"), "no such folder")


def test_what_is_wrong_with_it_is_said():
    faults = " ".join(find_dataset("xtd10").known_faults)
    assert "seven queries" in faults
    assert "val2014" in faults
