"""The language of a query: scripts, words, who asks, and "und" where nothing tells."""

from __future__ import annotations

import pytest

from polyreel.languages import STUDY_LANGUAGES, UNKNOWN
from polyreel.query_languages import detect_query

DOGS = {
    **{"en": "dog", "de": "Hund", "fr": "chien", "cs": "kůň", "zh": "狗", "ru": "собака"},
    **{"vi": "chó", "sw": "mbwa", "es": "perro"},
}
SENTENCES = {
    "en": "a woman is cooking with her child",
    "de": "eine Frau kocht mit ihrem Kind",
    "fr": "une femme cuisine avec son enfant",
    "cs": "žena vaří se svým dítětem",
    "zh": "一个女人和孩子一起做饭",
    "ru": "женщина готовит с ребёнком",
    "vi": "một người phụ nữ nấu ăn với con",
    "sw": "mwanamke anapika pamoja na mtoto wake",
    "es": "una mujer cocina con su hijo",
}


@pytest.mark.parametrize("language", STUDY_LANGUAGES)
def test_a_word_and_a_sentence_are_known(language):
    assert detect_query(DOGS[language]).language == language
    assert detect_query(SENTENCES[language]).language == language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("狗", "zh"),
        ("iPhone 手机", "zh"),
        ("犬が走る", "ja"),
        ("カメラ", "ja"),
        ("강아지", "ko"),
        ("σκύλος", "el"),
        ("कुत्ता दौड़ रहा है", "hi"),
        ("собака біжить по пляжу", "uk"),
        ("il cane corre sulla spiaggia", "it"),
        ("ＤＯＧ", "en"),
    ],
)
def test_scripts_and_other_languages(text, language):
    assert detect_query(text).language == language


def test_who_asks_decides_where_words_are_alike():
    assert detect_query("train", likely=["fr"]).language == "fr"
    assert detect_query("train", likely=["en-GB"]).language == "en"
    assert detect_query("猫", likely=["ja_JP"]).language == "ja"
    # A word that is plainly of another language stays so.
    assert detect_query("mbwa", likely=["en"]).language == "sw"
    assert detect_query("狗", likely=["cs", "en"]).language == "zh"


@pytest.mark.parametrize("text", ["42", "!?", "🐶", "taxi", "ⴰⵎⵓⵛ"])
def test_unknown_is_an_answer(text):
    found = detect_query(text)
    assert found.language == UNKNOWN
    assert 0 <= found.confidence < 0.4


def test_nonsense_among_the_likely_is_passed_over():
    assert detect_query("dog", likely=["", "*", "no such", "x" * 300]).language == "en"
