"""Names and keywords of CLDR, as text."""

from __future__ import annotations

import pytest
from written import NFC, NFD, fails, write

from polyreel.datasets.readers.cldr import cldr_records, concept_of, emoji_text
from polyreel.languages import STUDY_LANGUAGES
from polyreel.problems import Missing


@pytest.fixture
def folder(tmp_path):
    for tag in STUDY_LANGUAGES:
        names = {
            "🐎": {"tts": [f"horse {tag}"], "default": ["animal", f"horse {tag}"]},
            "❤\ufe0f": {"tts": [NFD]},
            "🦄": {"default": ["fabulous"]},
        }
        if tag == "sw":
            del names["🐎"]
        derived = {"👋🏽": {"tts": ["waving hand: medium"]}, "👩‍🚀": {"tts": ["woman astronaut"]}}
        write(
            tmp_path,
            {
                f"cldr-annotations-full/annotations/{tag}/annotations.json": {
                    "annotations": {"annotations": names}
                },
                f"cldr-annotations-derived-full/annotationsDerived/{tag}/annotations.json": {
                    "annotationsDerived": {"annotations": derived}
                },
            },
        )
    return tmp_path


def test_an_emoji_is_two_clips_of_one_concept_in_every_language_that_has_it(folder):
    found = list(cldr_records(folder))
    assert [gone for gone in found if isinstance(gone, Missing)] == [Missing("1f984", "no English name")]
    records = {record.clip.video: record for record in found if not isinstance(record, Missing)}
    assert list(records) == ["1f40e", "1f40e/keywords", "2764", "1f469-200d-1f680"]
    names = {caption.language: caption.text for caption in records["1f40e"].captions}
    assert names == {tag: f"horse {tag}" for tag in STUDY_LANGUAGES if tag != "sw"}
    assert records["1f40e/keywords"].captions[0].text == "animal, horse en"
    assert records["1f40e"].concept == records["1f40e/keywords"].concept == "horse en"
    assert {caption.text for caption in records["2764"].captions} == {NFC}
    assert all(record.media is None for record in records.values())


@pytest.mark.parametrize(
    ("name", "concept"),
    [
        ("woman running: facing right", "running"),
        ("men with bunny ears", "people with bunny ears"),
        ("person", "person"),
        ("man", "man"),
        ("man’s shoe", "man’s shoe"),
        ("mango", "mango"),
    ],
)
def test_who_does_it_makes_no_other_concept(name, concept):
    assert concept_of(name) == concept


@pytest.mark.parametrize(
    ("code", "text"), [("2764-FE0F", "❤"), ("1f469-200d-1f680", "👩‍🚀"), ("ffffffff", "")]
)
def test_codes_become_characters(code, text):
    assert emoji_text(code) == text


def test_a_language_that_is_not_there_is_asked_for(folder):
    path = folder / "cldr-annotations-full/annotations/cs/annotations.json"
    path.unlink()
    fails(lambda: list(cldr_records(folder)), "missing", path, "data fetch cldr")
