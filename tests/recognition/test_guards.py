"""What nobody said is not kept, and what was said is."""

from __future__ import annotations

import pytest

from polyreel.recognition.speech.cutting import SpokenWord
from polyreel.recognition.speech.guards import is_credit, is_farewell, is_unlikely, without_loop


@pytest.mark.parametrize(
    "line",
    [
        "Subtitles by the Amara.org community",
        "Untertitel der Amara.org-Community",
        "Untertitelung im Auftrag des ZDF für funk, 2017",
        "Sous-titres réalisés par la communauté d'Amara.org",
        "Titulky vytvořil JohnyX.",
        "字幕由 Amara.org 社区提供",
        "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
        "Субтитры сделал DimaTorzok",
        "Hãy subscribe cho kênh Ghiền Mì Gõ Để không bỏ lỡ những video hấp dẫn",
        "Subtítulos realizados por la comunidad de Amara.org",
    ],
)
def test_credits_of_subtitles_are_known(line):
    assert is_credit(line)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Thank you.", "en"),
        (" Thanks for watching!", "en"),
        ("Vielen Dank.", "de"),
        ("Merci d'avoir regardé cette vidéo !", "fr"),
        ("Děkuji za pozornost.", "cs"),
        ("谢谢观看", "zh"),
        ("Продолжение следует...", "ru"),
        ("Cảm ơn các bạn đã theo dõi.", "vi"),
        ("Asante sana.", "sw"),
        ("¡Gracias por ver el video!", "es"),
        ("You. You. You.", "en"),
        ("...", "en"),
    ],
)
def test_phrases_that_stand_for_silence_are_known_in_nine_languages(text, language):
    assert is_farewell(text, language)


def test_what_people_say_is_neither():
    said = (
        "Thank you for the flowers.",
        "The captions are wrong here.",
        "Er spricht mit den Untertiteln im Film.",
        "Спасибо за подарок, он чудесный.",
    )
    for text, language in zip(said, ("en", "en", "de", "ru"), strict=True):
        assert not is_credit(text)
        assert not is_farewell(text, language)


def words(text):
    return [SpokenWord(" " + word, at, at + 1, 0.9, 0) for at, word in enumerate(text.split())]


def kept(text):
    return "".join(word.text for word in without_loop(words(text))).strip()


def test_a_loop_is_cut_behind_its_first_round():
    assert kept("we went home " + "and then " * 30) == "we went home and then"
    assert kept("so " * 40) == "so"


def test_announcements_that_begin_alike_are_no_loop_nor_are_a_few_words_twice():
    text = " ".join(
        f"To {what} the audio volume from other participants." for what in ("cut", "raise", "hear")
    )
    assert kept(text) == text
    assert kept("no no no no I said") == "no no no no I said"


def test_what_the_model_does_not_believe_itself_is_not_kept():
    likely = {"log_probability": -0.2, "silence": 0.1, "language": 0.9, "seconds": 5.0}
    assert not is_unlikely("a sentence of some words", **likely)
    assert is_unlikely("a sentence of some words", **{**likely, "log_probability": -1.2})
    assert is_unlikely("a sentence of some words", **{**likely, "log_probability": -0.6, "silence": 0.9})
    assert is_unlikely("many words " * 30, **{**likely, "seconds": 2.0})


def test_of_music_neither_the_words_nor_their_language_are_believed():
    """As a clip of music came out: "We did it", at -0.73 a token, in English at 0.30."""
    music = {"log_probability": -0.73, "silence": 0.22, "language": 0.3, "seconds": 3.7}
    assert is_unlikely("We did it, did it, did it!", **music)
    # Mumbled in a language that is clear, clearly in one of two that are alike, or at length, it is kept.
    assert not is_unlikely("We did it, did it, did it!", **{**music, "language": 0.9})
    assert not is_unlikely("We did it, did it, did it!", **{**music, "log_probability": -0.3})
    assert not is_unlikely("We did it, did it, did it!", **{**music, "seconds": 27.0})
