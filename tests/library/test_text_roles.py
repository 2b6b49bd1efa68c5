"""Bundles that have to be told a text's language, or whether it asks or is searched: indexed and searched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from films import film, holdings, index_films, open_library, subtitles
from polyreel.encoders.card import CARD_FILE, BundleCard
from polyreel.encoders.runtime import Bundle
from polyreel.encoders.text_roles import encode_lines, encode_queries
from tiny_bundle import write_tiny_bundle

LINES = ("42", "♪ ♪", "OK", "red dog", "dɔg rʌnz", "Собака бежит", "犬")


@pytest.fixture
def told(tmp_path):
    """A bundle with another card for texts."""

    def make(**text: object) -> Bundle:
        folder = write_tiny_bundle(tmp_path / "bundle")
        card = BundleCard.model_validate_json((folder / CARD_FILE).read_bytes())
        changed = card.model_copy(update={"text": card.text.model_copy(update=text)})
        (folder / CARD_FILE).write_text(changed.model_dump_json())
        return Bundle(folder)

    return make


def word(bundle: Bundle, name: str) -> int:
    return bundle.token_rows([name], languages=None)[0][0][1]


@pytest.fixture
def reads_three(told, tiny_bundle) -> Bundle:
    """English is red, German green, Czech blue; what is in none of them is English."""
    words = {"en": "red", "de": "green", "cs": "blue"}
    tokens = {tag: word(tiny_bundle, name) for tag, name in words.items()}
    return told(language_tokens=tokens, default_language="en")


def test_no_line_of_any_language_stops_indexing(reads_three, tmp_path):
    film(tmp_path / "films/a.mp4", "red", "blue")
    lines = [(place / 2, place / 2 + 0.4, text) for place, text in enumerate(LINES)]
    subtitles(tmp_path / "films/a.srt", *lines)
    subtitles(tmp_path / "films/a.yo.srt", *lines)
    report = index_films(tmp_path / "films", tmp_path / "library", reads_three)
    assert not report.failed
    assert report.subtitles == 2 * len(LINES)
    held = holdings(tmp_path / "library")
    assert len(next(iter(held.values())).subtitles) == 2 * len(LINES)
    library = open_library(tmp_path / "library")
    for query, language in (
        ("42", "auto"),
        ("собака", "auto"),
        ("red", "yo"),
        ("chien", "fr"),
        ("red", "und"),
    ):
        assert library.search(query, language=language).hits


def test_the_language_of_a_line_is_what_its_file_says(reads_three, tiny_bundle):
    english, german, czech = tiny_bundle.encode_text(["red dog", "green dog", "blue dog"])
    found = encode_lines(reads_three, ["dog"] * 4, ["en", "de-AT", "cs", "yo"])
    np.testing.assert_allclose(found[:3], [english, german, czech], atol=1e-6)
    np.testing.assert_allclose(encode_queries(reads_three, ["dog"], ["cs"]), [czech], atol=1e-6)


def test_lines_have_a_prefix_of_their_own(told, tiny_bundle):
    bundle = told(prefix="white ", document_prefix="black ")
    asked, searched = tiny_bundle.encode_text(["white dog", "black dog"])
    np.testing.assert_allclose(encode_queries(bundle, ["dog"], [None]), [asked], atol=1e-6)
    np.testing.assert_allclose(encode_lines(bundle, ["dog"], ["en"]), [searched], atol=1e-6)


def test_what_is_indexed_has_the_prefix_of_lines(told, tmp_path):
    bundle = told(document_prefix="blue ")
    film(Path(tmp_path / "films/a.mp4"), "white")
    subtitles(tmp_path / "films/a.en.srt", (0.0, 1.0, "dog"))
    index_films(tmp_path / "films", tmp_path / "library", bundle)
    (row,) = open_library(tmp_path / "library").snapshot.index.subtitle_vectors
    np.testing.assert_allclose(row, bundle.encode_text(["blue dog"])[0], atol=1e-3)
