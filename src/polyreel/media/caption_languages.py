"""In which languages the lines of a track are whose name tells none: they may change, or be side by side."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from polyreel.languages import UNKNOWN, detect

__all__ = ["detect_lines"]

# So many characters that follow one another tell their language (benchmarks/caption_languages.py).
_STRETCH_CHARS = 150
_TRACK_CHARS = 2_000
# Letters that are written together in one language.
_TOGETHER = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "KATAKANA-HIRAGANA": "CJK"}


def detect_lines(texts: Sequence[str]) -> list[str]:
    """BCP-47 tag of each line, "und" for all where nothing tells.

    Lines of each script by themselves are taken in stretches, of which each has the language that is detected
    in it. A shorter rest belongs to the stretch before.

    Args:
        texts: lines of a track, in the order of their times.
    """
    of_track = detect(" ".join(texts)[:_TRACK_CHARS]).language
    found = [of_track] * len(texts)
    by_script: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        if script := _script(text):
            by_script.setdefault(script, []).append(place)
    for places in by_script.values():
        for stretch in _stretches(places, texts):
            language = detect(" ".join(texts[place] for place in stretch)).language
            for place in stretch:
                found[place] = of_track if language == UNKNOWN else language
    return found


def _script(text: str) -> str:
    """The script of most letters; empty if there is no letter."""
    if text.isascii():
        return "LATIN" if any(character.isalpha() for character in text) else ""
    names = (unicodedata.name(character, "").partition(" ")[0] for character in text if character.isalpha())
    counts = Counter(_TOGETHER.get(name, name) for name in names)
    return counts.most_common(1)[0][0] if counts else ""


def _stretches(places: Iterable[int], texts: Sequence[str]) -> Iterator[list[int]]:
    whole: list[int] = []
    stretch: list[int] = []
    length = 0
    for place in places:
        stretch.append(place)
        length += len(texts[place])
        if length < _STRETCH_CHARS:
            continue
        if whole:
            yield whole
        whole, stretch, length = stretch, [], 0
    if whole or stretch:
        yield whole + stretch
