"""Emoji: names in nine languages, concepts, and the real packages."""

from __future__ import annotations

from collections import Counter

import pytest
from written import NFC, NFD, fails, write

from polyreel.datasets.readers.emoji import fetch_emoji, vendor_records
from polyreel.errors import FetchError, UnknownNameError
from polyreel.evaluation.items import evaluation_set
from polyreel.languages import STUDY_LANGUAGES
from polyreel.problems import Missing

# Code -> English name, in the order of the list; the runners and their directions are one concept.
EMOJI = {
    "1F40E": "horse",
    "1F3C3-200D-2642-FE0F": "man running",
    "1F3C3-200D-2640-FE0F": "woman running",
    "1F3C3-200D-27A1-FE0F": "person running: facing right",
    "1F468": "man",
    "1F469": "woman",
    "1F9D1": "person",
    "1F45E": "man’s shoe",
    "2764-FE0F": "red heart",
}


def read_emoji(folder, vendor="google"):
    return evaluation_set(vendor_records(folder, vendor), "emoji", kind="picture")


def text_of(code: str) -> str:
    return "".join(chr(int(part, 16)) for part in code.split("-"))


@pytest.fixture
def folder(tmp_path):
    for tag in STUDY_LANGUAGES:
        names = {
            text_of(code).replace("\ufe0f", ""): {"tts": [f"{name} {tag}" if tag != "en" else name]}
            for code, name in EMOJI.items()
        }
        if tag == "vi":
            names[text_of("1F40E")] = {"default": ["x"], "tts": [NFD]}
        if tag == "sw":
            names[text_of("1F40E")] = {"default": ["x"]}
        derived = {key: names.pop(key) for key in list(names) if "\u200d" in key}
        content = {"identity": {"language": tag}, "annotations": names}
        write(
            tmp_path,
            {
                f"cldr-annotations-full/annotations/{tag}/annotations.json": {"annotations": content},
                f"cldr-annotations-derived-full/annotationsDerived/{tag}/annotations.json": {
                    "annotationsDerived": {"annotations": derived}
                },
            },
        )
    package = tmp_path / "emoji-datasource-google"
    listed = [{"unified": code, "short_name": "x"} for code in EMOJI]
    pictures = {f"img/google/64/{code.lower()}.png": b"" for code in EMOJI if code != "2764-FE0F"}
    write(package, {"emoji.json": listed, **pictures, "img/google/64/1f3c3-1f3fb.png": b""})
    return tmp_path


def test_emoji_have_their_names(folder):
    corpus = read_emoji(folder)
    assert [item.id for item in corpus.items] == [code.lower() for code in EMOJI][:-1]
    assert [(gone.id, gone.reason) for gone in corpus.missing] == [("2764-fe0f", "no picture")]
    horse = corpus.items[0].captions
    assert (horse["en"], horse["vi"], "sw" in horse) == (("horse",), (NFC,), False)
    assert set(corpus.items[1].captions) == set(STUDY_LANGUAGES)


def test_who_does_it_makes_no_other_concept(folder):
    relevant = {item.captions["en"][0]: len(item.also_relevant) for item in read_emoji(folder).items}
    running = {"man running": 2, "woman running": 2, "person running: facing right": 2}
    assert relevant == {"horse": 0, **running, "man": 0, "woman": 0, "person": 0, "man’s shoe": 0}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("emoji-datasource-google/emoji.json", [{"unified": "XYZ"}], ["emoji.json", "0.unified"]),
        ("emoji-datasource-google/emoji.json", [{"image": "1f40e.png"}], ["emoji.json", "0.unified"]),
        (
            "cldr-annotations-full/annotations/cs/annotations.json",
            {"annotations": {}},
            ["annotations.json", "annotations"],
        ),
    ],
)
def test_what_is_not_as_it_should_be_is_named(folder, name, content, said):
    write(folder, {name: content})
    fails(lambda: read_emoji(folder), *said)


def test_vendors_draw_the_same_emoji_under_their_own_names(folder):
    drawn = {
        "openmoji/color/svg/1F40E.svg": b"",
        "openmoji/color/svg/1F3C3-200D-2642-FE0F.svg": b"",
        "openmoji/color/svg/E0FF.svg": b"",
        "@lobehub/fluent-emoji-3d/assets/1f3c3-200d-2642.webp": b"",
        "@lobehub/fluent-emoji-3d/assets/1f3f4-e0067_e0062.webp": b"",
    }
    write(folder, drawn)
    openmoji, fluent = read_emoji(folder, "openmoji"), read_emoji(folder, "fluent")
    assert [item.id for item in openmoji.items] == ["1f40e", "1f3c3-200d-2642-fe0f"]
    assert openmoji.items[0].media.references == ("1F40E.svg",)
    assert [item.captions["en"] for item in fluent.items] == [("man running",)]
    assert len(openmoji.items) + len(openmoji.missing) == len(EMOJI)


def test_an_emoji_without_an_english_name_is_left_out(folder):
    path = "cldr-annotations-full/annotations/en/annotations.json"
    write(folder, {path: {"annotations": {"annotations": {"🐎": {"tts": ["horse"]}}}}})
    corpus = read_emoji(folder)
    assert (corpus.items[0].id, corpus.missing[0]) == ("1f40e", Missing("1f468", "no caption"))


def test_packages_that_are_not_there_are_asked_for(folder):
    fails(lambda: read_emoji(folder, "twitter"), "no such folder", "emoji-datasource-twitter", "data fetch")
    fails(lambda: fetch_emoji(folder, vendors=["gogle"]), "Did you mean 'google'", kind=UnknownNameError)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("vendor", "count", "related"),
    [("google", 1_911, 281), ("openmoji", 1_911, 281), ("fluent", 1_852, 260), ("twitter", 1_911, 281)],
)
def test_the_real_packages(tmp_path, vendor, count, related):
    try:
        folder = fetch_emoji(tmp_path, vendors=[vendor])
    except FetchError as error:
        pytest.skip(f"the packages cannot be fetched: {error}")
    assert fetch_emoji(tmp_path, vendors=[vendor]) == folder
    corpus = read_emoji(folder, vendor)
    assert (len(corpus.items), len(corpus.missing)) == (count, 1_911 - count)
    counts = Counter(tag for item in corpus.items for tag in item.captions)
    assert counts == dict.fromkeys(STUDY_LANGUAGES, count)
    assert sum(bool(item.also_relevant) for item in corpus.items) == related
