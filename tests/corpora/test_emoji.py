"""Emoji: names in nine languages, concepts, and the real packages."""

from __future__ import annotations

from collections import Counter

import pytest
from written import NFC, NFD, fails, write

from polyreel.corpora.emoji import EMOJI_VENDORS, fetch_emoji, read_emoji
from polyreel.errors import FetchError, UnknownNameError
from polyreel.languages import STUDY_LANGUAGES

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
    listed = [{"unified": code, "image": f"{code.lower()}.png", "short_name": "x"} for code in EMOJI]
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
        (
            "emoji-datasource-google/emoji.json",
            [{"unified": "XYZ", "image": "a"}],
            ["emoji.json", "0.unified"],
        ),
        ("emoji-datasource-google/emoji.json", [{"unified": "1F40E"}], ["emoji.json", "0.image"]),
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


def test_a_name_that_leads_out_is_a_missing_picture(folder):
    write(folder, {"secret.png": b""})
    listed = [
        {"unified": "1F40E", "image": "../../../../secret.png"},
        {"unified": "1F468", "image": "1f468.png"},
    ]
    write(folder, {"emoji-datasource-google/emoji.json": listed})
    corpus = read_emoji(folder)
    assert ([gone.id for gone in corpus.missing], [item.id for item in corpus.items]) == (
        ["1f40e"],
        ["1f468"],
    )


def test_packages_that_are_not_there_are_asked_for(folder):
    fails(lambda: read_emoji(folder, "twitter"), "no such folder", "emoji-datasource-twitter", "fetch_emoji")
    fails(lambda: fetch_emoji(folder, "gogle"), "Did you mean 'google'", kind=UnknownNameError)


@pytest.mark.slow
@pytest.mark.parametrize("vendor", EMOJI_VENDORS)
def test_the_real_packages(tmp_path, vendor):
    try:
        folder = fetch_emoji(tmp_path, vendor)
    except FetchError as error:
        pytest.skip(f"the packages cannot be fetched: {error}")
    assert fetch_emoji(tmp_path, vendor) == folder
    corpus = read_emoji(folder, vendor)
    assert (len(corpus.items), corpus.missing) == (1_911, ())
    counts = Counter(tag for item in corpus.items for tag in item.captions)
    assert counts == dict.fromkeys(STUDY_LANGUAGES, 1_911)
    assert sum(bool(item.also_relevant) for item in corpus.items) == 281
