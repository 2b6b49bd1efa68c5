"""Text as people type it who have no keyboard for its script: собака -> sobaka, běží -> bezi, 狗 -> gou."""

from __future__ import annotations

import functools
import unicodedata

__all__ = ["romanise"]

# Only Germans have a way to write the letters they lack; elsewhere the marks are left out.
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
# Signs of hardness and softness, which are not typed though a transliteration keeps them.
_UNTYPED = str.maketrans("", "", "ъьЪЬ")


@functools.lru_cache(maxsize=200_000)
def romanise(text: str, language: str) -> str:
    """``text`` in plain Latin letters, by sound; punctuation becomes ASCII too.

    Chinese becomes pinyin without tones, the syllables of one run together. The reading of a character does
    not depend on its neighbours.
    """
    from anyascii import anyascii

    base = language.partition("-")[0]
    plain = unicodedata.normalize("NFC", text).translate(_UNTYPED)
    if base == "de":
        plain = plain.translate(_GERMAN)
    latin = anyascii(plain)
    # Every Chinese syllable comes with a capital, which nobody types.
    return latin.lower() if base in {"yue", "zh"} else latin
