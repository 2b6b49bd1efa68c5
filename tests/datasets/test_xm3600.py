"""Crossmodal-3600: a line a photo, many languages, several captions each."""

from __future__ import annotations

import json

import pytest
from written import NFC, NFD, fails, lines, write, zip_of

from polyreel.datasets.readers.xm3600 import XM3600_LAYOUT, xm3600_records
from polyreel.evaluation.items import evaluation_set

KEYS = [f"{number:016x}" for number in range(3_600)]


def line(key: str) -> dict[str, object]:
    said = {
        tag: {"caption": [f"{tag} {key}", "2"], "caption/tokenized": ["x"]} for tag in ("en", "sw", "quz")
    }
    return {"image/key": key, "image/locale": "en", **said, "vi": {"caption": [NFD]}}


def read_xm3600(folder):
    return evaluation_set(xm3600_records(folder), "xm3600", kind="picture", remedy=XM3600_LAYOUT)


@pytest.fixture
def captions(tmp_path):
    return [line(key) for key in KEYS]


def read(folder, captions):
    return read_xm3600(write(folder, {"captions.jsonl": lines(map(json.dumps, captions))}))


def test_every_language_of_the_file_is_read(tmp_path, captions):
    zip_of(tmp_path / "images.zip", [f"{KEYS[0]}.jpg", f"{KEYS[7]}.jpg"])
    corpus = read(tmp_path, captions)
    assert [item.id for item in corpus.items] == [KEYS[0], KEYS[7]]
    assert corpus.items[1].captions == {
        **{tag: (f"{tag} {KEYS[7]}", "2") for tag in ("en", "sw", "quz")},
        "vi": (NFC,),
    }
    assert corpus.items[0].media.references == (f"images.zip!{KEYS[0]}.jpg",)
    assert len(corpus.missing) == 3_598


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image/key": None}, ["no image/key", "line 3"]),
        ({"sw": {"captions": ["x"]}}, ["without a list of captions", "line 3"]),
        ({"sw": {"caption": "x"}}, ["without a list of captions", "line 3"]),
        ({"sw": "x"}, ["without a list of captions", "line 3", KEYS[2]]),
        ({"image/key": KEYS[0]}, ["more than once", KEYS[0]]),
    ],
)
def test_what_is_not_as_it_should_be_is_named(tmp_path, captions, change, said):
    write(tmp_path, {f"images/{KEYS[0]}.jpg": b""})
    captions[2] |= change
    fails(lambda: read(tmp_path, captions), *said)


def test_another_number_of_photos_is_an_error(tmp_path, captions):
    fails(lambda: read(tmp_path, captions[1:]), "3,599, not 3,600", "captions.jsonl")


def test_photos_that_are_not_there_are_asked_for(tmp_path, captions):
    fails(lambda: read(tmp_path, captions), "not one of 3,600 pictures", "images/<key>.jpg")
    fails(lambda: read_xm3600(tmp_path / "no"), "no such folder")


def test_a_key_that_leads_out_is_a_missing_picture(tmp_path, captions):
    write(tmp_path, {f"images/{KEYS[1]}.jpg": b"", "secret.jpg": b""})
    captions[0]["image/key"] = "../secret"
    assert read(tmp_path, captions).missing[0].id == "../secret"


def test_a_line_that_is_no_json_is_named(tmp_path):
    write(tmp_path, {"captions.jsonl": "{}\n{"})
    fails(lambda: read_xm3600(tmp_path), "captions.jsonl, line 2")
