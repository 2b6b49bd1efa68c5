"""Text comes in clean, and languages are named and guessed."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyreel.errors import QueryError
from polyreel.languages import (
    MAX_QUERY_CHARS,
    STUDY_LANGUAGES,
    UNKNOWN,
    Detection,
    clean,
    detect,
    normalise,
    parse_tag,
)

SENTENCES = {
    "en": "a dog is running along the beach",
    "de": "ein Hund läuft am Strand entlang",
    "fr": "un chien court sur la plage",
    "cs": "pes běží po pláži a štěká na racky",
    "zh": "一只狗在海滩上奔跑",
    "ru": "собака бежит по пляжу",
    "vi": "một con chó chạy trên bãi biển",
    "sw": "mbwa anakimbia kando ya bahari",
    "es": "un perro corre por la playa",
}


@given(st.text())
def test_clean_text_stays_as_it_is(text):
    assert clean(clean(text)) == clean(text)


@given(st.text())
def test_clean_text_is_composed_trimmed_and_without_controls(text):
    cleaned = clean(text)
    assert unicodedata.is_normalized("NFC", cleaned)
    assert cleaned == cleaned.strip()
    assert "  " not in cleaned
    assert not any(unicodedata.category(character) in {"Cc", "Cs", "Co", "Zl", "Zp"} for character in cleaned)
    cleaned.encode()


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("  a\tdog\r\n runs\u3000far ", "a dog runs far"),
        ("Tre\u0302n ba\u0303i", "Trên bãi"),
        ("nul\x00 bell\x07 surrogate\ud800 private\ue000", "nul bell surrogate private"),
        ("👨‍👩‍👧 ok", "👨‍👩‍👧 ok"),
        ("ＷＩＤＥ", "ＷＩＤＥ"),
    ],
)
def test_white_space_and_controls_become_one_space_and_the_rest_stays(raw, cleaned):
    assert clean(raw) == cleaned


@pytest.mark.parametrize("query", ["", "   ", "\n\t", "\x00", "\u3000", "\ud800"])
def test_an_empty_query_is_refused(query):
    with pytest.raises(QueryError, match="the query is empty"):
        normalise(query)


def test_a_query_may_be_as_long_as_the_limit_and_no_longer():
    assert normalise(" " + "狗" * MAX_QUERY_CHARS) == "狗" * MAX_QUERY_CHARS
    with pytest.raises(QueryError, match=r"too long.*1,001 characters, at most 1,000"):
        normalise("x" * (MAX_QUERY_CHARS + 1))


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("eng", "en"),
        ("ger", "de"),
        ("deu", "de"),
        ("Swahili", "sw"),
        ("pt-br", "pt-BR"),
        ("zh_Hans", "zh-Hans"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        (" fr ", "fr"),
        ("", None),
        ("xx", None),
        ("forced", None),
        ("1", None),
        ("-", None),
    ],
)
def test_language_names_become_tags(name, tag):
    assert parse_tag(name) == tag


@given(st.text(max_size=20))
def test_a_tag_that_was_parsed_parses_to_itself(name):
    if (tag := parse_tag(name)) is not None:
        assert parse_tag(tag) == tag


@pytest.mark.parametrize("language", STUDY_LANGUAGES)
def test_the_study_languages_are_told_apart(language):
    found = detect(SENTENCES[language])
    assert found.language == language
    assert found.confidence > 0.5


def test_other_languages_are_still_found():
    assert detect("il cane corre sulla spiaggia e abbaia ai gabbiani").language == "it"
    assert detect("pies biegnie wzdłuż plaży i szczeka na mewy").language == "pl"


@pytest.mark.parametrize("text", ["", "  ", "12345", "!?", "😀", "3.14 %"])
def test_what_has_no_letter_has_no_language(text):
    assert detect(text) == Detection(UNKNOWN, 0.0)


@given(st.text(max_size=30))
def test_any_text_gets_a_language_and_a_probability(text):
    found = detect(text)
    assert found.language
    assert 0.0 <= found.confidence <= 1.0 + 1e-9
