"""Text comes in clean, and languages are named and guessed."""

from __future__ import annotations

import subprocess
import sys
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
    is_spaced,
    narrow,
    normalise,
    parse_tag,
    script,
    script_share,
    split_words,
    words,
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
        ("so\u00adft zero\u200bwidth \ufeffmark \u202ertl\u202c", "soft zerowidth mark rtl"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("e\u200b\u0301", "é"),
    ],
)
def test_white_space_and_controls_become_one_space_and_the_rest_stays(raw, cleaned):
    assert clean(raw) == cleaned


@given(st.text())
def test_narrow_text_has_no_wide_letters_or_digits_and_keeps_all_else(text):
    narrowed = narrow(text)
    assert len(narrowed) == len(text)
    for before, after in zip(text, narrowed, strict=True):
        wide = "\uff01" <= before <= "\uff5e" and unicodedata.category(before)[0] in "LN"
        assert after == (unicodedata.normalize("NFKC", before) if wide else before)


def test_narrow_is_not_nfkc():
    assert narrow("ＮＢＡ２０２４ x² ① ½ ﬁ ，：！") == "NBA2024 x² ① ½ ﬁ ，：！"
    assert normalise("ＮＢＡ 比赛") == "NBA 比赛"


@pytest.mark.parametrize("query", ["", "   ", "\n\t", "\x00", "\u3000", "\ud800", "\u200b\ufeff"])
def test_an_empty_query_is_refused(query):
    with pytest.raises(QueryError, match="the query is empty"):
        normalise(query)


@pytest.mark.parametrize("query", ["...", '""', "- +", "#*", "«…»", "\u0301"])
def test_a_query_that_holds_no_word_is_refused(query):
    with pytest.raises(QueryError, match="the query holds no word"):
        normalise(query)


@pytest.mark.parametrize("query", ["7", "#1", "狗", "กา", "½", "🐕", "♥", "‼️", "\U0001fae9", "🇰🇪", "(x)"])
def test_one_letter_digit_or_pictograph_is_a_query(query):
    assert normalise(query) == query


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
        ("bn", "bn"),
        ("ta", "ta"),
        ("yo", "yo"),
        ("tam", "ta"),
        ("ind", "id"),
        ("swh", "sw"),
        ("cmn-Hans", "zh-Hans"),
        ("iw", "he"),
        ("yue", "yue"),
        ("tgl", "fil"),
        ("tl", "fil"),
        ("uk", "uk"),
        ("zh-TW", "zh-TW"),
        ("en-forced", "en"),
        ("en-sdh", "en"),
        ("en-hi", "en"),
        ("tamil", "ta"),
        ("", None),
        *((word, None) for word in ("part", "cd1", "sdh", "cc", "run", "sun", "her", "new", "the", "ext")),
        *((word, None) for word in ("rip", "hd", "dvd", "web", "final", "und", "mul", "zxx", "ñn", "１２")),
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


@pytest.mark.parametrize(
    ("text", "language"),
    [("狗", "zh"), ("马", "zh"), ("山", "zh"), ("犬", "zh"), ("いぬ", "ja"), ("개", "ko")],
)
def test_one_character_of_a_script_is_in_a_language_of_that_script(text, language):
    assert detect(text).language == language


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


@pytest.mark.parametrize("text", [*SENTENCES.values(), "il cane corre", "собака", "新しい犬", "கடற்கரையில் நாய்"])
def test_a_detected_language_is_a_tag(text):
    assert parse_tag(detect(text).language) == detect(text).language


# Scripts


@pytest.mark.parametrize(
    ("language", "code"),
    [
        *(("en", "Latn"), ("ru", "Cyrl"), ("zh", "Hans"), ("zh-TW", "Hant"), ("ja", "Jpan"), ("vi", "Latn")),
        *(("ta", "Taml"), ("yo", "Latn"), ("hi", "Deva"), ("sr-Latn", "Latn"), ("not a tag", "Latn")),
    ],
)
def test_the_script_of_a_language(language, code):
    assert script(language) == code


@pytest.mark.parametrize(
    ("text", "language", "share"),
    [
        ("собака", "ru", 1.0),
        ("sobaka", "ru", 0.0),
        ("婦女", "vi", 0.0),
        ("phụ nữ", "vi", 1.0),
        ("新しい犬", "ja", 1.0),
        ("T恤", "zh", 0.5),
        ("123 !", "ru", 1.0),
        ("собака", "de-Latf", 1.0),
        ("", "de", 1.0),
    ],
)
def test_share_of_letters_in_the_script(text, language, share):
    assert script_share(text, language) == share


@pytest.mark.parametrize("language", STUDY_LANGUAGES)
def test_the_sentences_are_in_their_scripts(language):
    assert script_share(SENTENCES[language], language) == 1.0


@given(st.text(), st.sampled_from([*STUDY_LANGUAGES, "ja", "ar", "xx"]))
def test_a_share_is_a_share(text, language):
    assert 0.0 <= script_share(text, language) <= 1.0


# Words


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Don't stop, it’s 3.14 km!", "en", ["Don't", "stop", "it’s", "3.14", "km"]),
        ("a t-shirt -- the dogs' 'toy'", "en", ["a", "t", "shirt", "the", "dogs", "toy"]),
        ("one.two 1,000,000 snake_case", "en", ["one", "two", "1,000,000", "snake", "case"]),
        ("pes běží", "cs", ["pes", "běží"]),
        ("Tre\u0302n bãi", "vi", ["Tre\u0302n", "bãi"]),
        ("नमस्ते दुनिया", "hi", ["नमस्ते", "दुनिया"]),
        ("собака бежит", "ru", ["собака", "бежит"]),
        ("一个男人在跑步。", "zh", ["一个", "男人", "在", "跑步"]),
        ("他在看NBA比赛，don't", "zh", ["他", "在", "看", "NBA", "比赛", "don't"]),
        ("", "en", []),
        ("😀 ❤\ufe0f !?", "en", []),
    ],
)
def test_words(text, language, expected):
    assert [word.text for word in words(text, language)] == expected


@given(st.text(), st.sampled_from([*STUDY_LANGUAGES, "ja", "hi"]))
def test_words_are_where_they_say_and_pieces_give_the_text(text, language):
    found = words(text, language)
    assert all(text[word.start : word.end] == word.text for word in found)
    assert not any(character.isspace() for word in found for character in word.text)
    pieces = split_words(text, language)
    assert "".join(pieces) == text
    assert pieces[1::2] == [word.text for word in found]


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_the_pattern_for_ascii_agrees_with_the_general_one(text):
    assert [*split_words(f"{text} ", "en"), "é", ""] == split_words(f"{text} é", "en")


def test_which_languages_write_spaces():
    assert is_spaced("de")
    assert is_spaced("ko")
    assert not is_spaced("zh-Hans")
    assert not is_spaced("th")


def test_what_knows_languages_is_loaded_when_it_is_needed():
    late = {"langcodes", "py3langid", "regex", "rjieba"}
    code = f"""
import sys
from polyreel.languages import clean, parse_tag, words
parse_tag("de"), clean("a"), words("a dog", "en")
print({late!r} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
