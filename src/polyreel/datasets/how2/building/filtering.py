"""Drop lines that say nothing about a video: boiler-plate, and lines that are not in the track's language."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable
from importlib.resources import files

from polyreel.datasets.how2.tracks import Track
from polyreel.languages import UNKNOWN, detect

__all__ = ["boilerplate_reason", "filtered", "is_other_language"]

_EVERY_LANGUAGE = "*"
_LEAST_SHARE = 0.5
_MOST_CHARS = 160
# Letters from which a guess counts, and how sure it must be. On one to twenty words out of 2,250 NTREX
# sentences in nine languages these rules took no line for another language's; from 20 letters 0.9 was
# enough, below 10 letters every second guess was wrong.
_CERTAINTY = ((20, 0.9), (10, 0.999))
# Letters that only this one of the nine has. Three of them settle it, and cost a hundredth of a guess.
_OWN_LETTERS = {
    "cs": re.compile("[ěřůčšžďťň]", re.IGNORECASE),
    "ru": re.compile("[а-яё]", re.IGNORECASE),
    "vi": re.compile("[ăđơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]", re.IGNORECASE),
    "zh": re.compile("[\u4e00-\u9fff]"),
}
_ENOUGH_OWN_LETTERS = 3
_JUDGED_CHARS = 200
# Not told apart with certainty, or not worth a loss: the identifier's neighbours of each language.
_NEIGHBOURS = {
    "cs": {"sk"},
    "de": {"lb", "nds", "gsw"},
    "en": {"sco", "pcm"},
    "es": {"gl", "ca", "ast", "pt", "an"},
    "fr": {"oc", "wa"},
    "ru": {"be", "bg", "uk", "mk", "sr"},
    "sw": {"rw", "rn", "swc"},
    "zh": {"ja", "yue", "wuu"},
}


def filtered(track: Track, language: str) -> tuple[Track, Counter[str]]:
    """The track without such lines, and reason -> how many were dropped."""
    reasons = [
        boilerplate_reason(text, language)
        or ("is in another language" if is_other_language(text, language) else None)
        for text in track.texts
    ]
    dropped = Counter(reason for reason in reasons if reason)
    return (track.keep(reason is None for reason in reasons) if dropped else track), dropped


def boilerplate_reason(text: str, language: str) -> str | None:
    """Why ``text`` is boiler-plate, None if it is not.

    The patterns are the rows of ``assets/boilerplate.tsv``. One must make up half of the line, so that a
    sentence which only mentions a subscription stays.
    """
    if len(text) > _MOST_CHARS:
        return None
    lowered = text.lower()
    return next(
        (
            reason
            for pattern, reason in _patterns(language.split("-")[0])
            if _covers(pattern.finditer(lowered), lowered)
        ),
        None,
    )


def _covers(found: Iterable[re.Match[str]], text: str) -> bool:
    covered = sum(match.end() - match.start() for match in found)
    return covered > 0 and covered >= _LEAST_SHARE * len(text)


@functools.cache
def _patterns(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    table = (files("polyreel.datasets.how2") / "boilerplate.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in table.splitlines() if line and not line.startswith("#")]
    return tuple(
        (re.compile(pattern), reason) for tag, reason, pattern in rows if tag in (language, _EVERY_LANGUAGE)
    )


def is_other_language(text: str, language: str) -> bool:
    """Whether ``text`` is in another language than ``language`` beyond reasonable doubt.

    A short line is kept: names, numbers and "OK" are in no language.
    """
    base = language.split("-")[0]
    if base in _OWN_LETTERS and len(_OWN_LETTERS[base].findall(text)) >= _ENOUGH_OWN_LETTERS:
        return False
    text = text[:_JUDGED_CHARS]
    letters = sum(character.isalpha() for character in text)
    needed = next((certainty for least, certainty in _CERTAINTY if letters >= least), None)
    if needed is None:
        return False
    found = detect(text)
    if found.language in {base, UNKNOWN} or found.language in _NEIGHBOURS.get(base, ()):
        return False
    return found.confidence >= needed
