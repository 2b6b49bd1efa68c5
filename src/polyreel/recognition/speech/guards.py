"""What a speech model says although nobody said it: loops, credits of subtitles, words for noise."""

from __future__ import annotations

import re
from collections.abc import Sequence

from polyreel.languages import words as words_of
from polyreel.recognition.speech.cutting import SpokenWord

__all__ = ["is_credit", "is_farewell", "is_unlikely", "without_loop"]

# Thresholds of the Whisper paper (Radford et al. 2022, 4.5); its authors decode again below the first.
_LEAST_LOG_PROBABILITY = -1.0
_SILENT = 0.6
# Below it the model holds all other languages together for more likely.
_SURE_LANGUAGE = 0.5
# Of more speech than this it is unsure only between languages that are alike, such as Catalan and Spanish.
_LITTLE_S = 10.0
# Of speech; auctioneers reach 8 words a second.
_MOST_CHARS_A_SECOND = 45.0
# So many words at most that come this often, one time after another, and fill this many, are a loop.
_LOOP_WORDS, _LOOP_TIMES, _LOOP_LEAST_WORDS = 12, 4, 10

# What the subtitles that Whisper learnt from end with, in the nine languages: who made them, which nobody
# says. Matched anywhere in a line, letters folded.
_CREDITS = re.compile(
    r"amara\.org|opensubtitles|subtitles? (?:by|made by)\b|transcri(?:bed|ption) by\b|captions? by\b"
    r"|untertitel(?:ung)?(?: der| im auftrag| von| des| aufgrund|:)|copyright (?:wdr|zdf|swr|ndr)"
    r"|(?:zdf|swr|wdr|ndr) 20\d\d"
    r"|sous-titr(?:es|age|ages)?(?: r[ée]alis[ée]s?| par| fait| de la soci[ée]t[ée]|:)|radio-canada"
    r"|titulky (?:vytvo[řr]il|p[řr]elo[žz]il|:)|johnyx|www\.hradeckesluzby"
    r"|字幕(?:由|志愿者|製作|制作|by|：|:)|请不吝点赞|明镜与点点|中文字幕|優優獨播"
    r"|субтитры (?:сделал|создавал|подготов|делал|и редактор)|редактор субтитров|корректор а\.|dimatorzok"
    r"|subtitle bởi|phụ đề (?:được|bởi)|ghiền mì gõ"
    r"|subt[íi]tulos (?:realizados|por|en español de)|manukuu (?:na|yametengenezwa)"
)
# What is said at an end, and by Whisper of noise: only alone in its window is it doubtful.
_FAREWELLS = frozenset(
    [
        *("you", "thank you", "thank you very much", "thanks for watching", "thank you for watching"),
        *("thank you so much for watching", "bye", "bye bye", "please subscribe", "see you next time"),
        *("vielen dank", "vielen dank fürs zuschauen", "danke fürs zuschauen", "bis zum nächsten mal"),
        *("merci", "merci d avoir regardé cette vidéo", "merci d'avoir regardé cette vidéo", "abonnez vous"),
        *("děkuji", "děkuji za pozornost", "děkuju za sledování", "děkujeme za sledování"),
        *("谢谢", "谢谢大家", "谢谢观看", "謝謝", "謝謝大家", "謝謝觀看"),
        *("спасибо", "спасибо за просмотр", "продолжение следует", "до свидания", "подписывайтесь на канал"),
        *("cảm ơn", "cảm ơn các bạn đã theo dõi", "cảm ơn các bạn", "hãy subscribe cho kênh"),
        *("asante", "asante sana", "asante kwa kutazama"),
        *("gracias", "gracias por ver el video", "gracias por ver", "muchas gracias", "suscríbete al canal"),
        *("hãy subscribe cho kênh ghiền mì gõ để không bỏ lỡ những video hấp dẫn",),
    ]
)


def is_unlikely(
    text: str, *, log_probability: float, silence: float, language: float, seconds: float
) -> bool:
    """Whether what the model made of a window is nothing that was said there.

    Where two signs agree, each may be weaker: in music the words are doubtful, and so is the language that
    they should be in; of what people say seldom both.

    Args:
        text: all of it.
        log_probability: mean over its tokens.
        silence: the model's probability that nobody speaks.
        language: the model's probability, from this window alone, of the language that the text is in; 1 for
            one that somebody has named.
        seconds: of speech in the window.
    """
    is_doubtful = silence > _SILENT or (language < _SURE_LANGUAGE and seconds < _LITTLE_S)
    return (
        log_probability < _LEAST_LOG_PROBABILITY
        or (is_doubtful and log_probability < _LEAST_LOG_PROBABILITY / 2)
        or len(text) > _MOST_CHARS_A_SECOND * seconds
    )


def is_credit(line: str) -> bool:
    """Whether a line says who made the subtitles."""
    return _CREDITS.search(line.casefold()) is not None


def is_farewell(text: str, language: str) -> bool:
    """Whether all of a window is one of the phrases that stand for silence, once or several times.

    Args:
        text: what the model made of the window.
        language: BCP-47 tag.
    """
    sentences = [part for part in re.split(r"[.!?。！？…]+", text) if part.strip()]
    return all(_folded(part, language) in _FAREWELLS for part in sentences)


def _folded(text: str, language: str) -> str:
    spoken = [word.text.casefold() for word in words_of(text, language)]
    return ("" if language.partition("-")[0] == "zh" else " ").join(spoken)


def without_loop(words: Sequence[SpokenWord]) -> list[SpokenWord]:
    """The words up to where the same few begin to come again and again, of which one is kept.

    How well a text can be packed, by which Whisper's authors know loops, is no sign of one where many
    utterances share a window: recorded announcements that begin alike would be dropped.
    """
    said = [word.text.strip().casefold() for word in words]
    for start in range(len(said)):
        for length in range(1, _LOOP_WORDS + 1):
            times = max(_LOOP_TIMES, -(-_LOOP_LEAST_WORDS // length))
            unit = said[start : start + length]
            if unit * times == said[start : start + length * times]:
                return list(words[: start + length])
    return list(words)
