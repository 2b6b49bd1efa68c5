"""The language of a query, which may be a single word: by its script, by words that are known, by spelling.

Detectors of documents guess at single words: py3langid takes "dog" for Czech. Here a script that one language
is written in decides alone. Among the others, a word counts for the languages that are known to have it, and
parts of up to four letters for those that spell like that. Who asks, and what the library speaks, is the
prior; where all of it leaves two languages alike, the answer is "und".

The table is written by ``scripts/query_languages.py``; ``benchmarks/query_language.py`` measures it.
"""

from __future__ import annotations

import functools
import importlib.resources
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyreel.languages import STUDY_LANGUAGES, UNKNOWN, Detection, clean, narrow, parse_tag

__all__ = ["SPELLINGS", "TABLE_FILE", "detect_query", "known_words", "script_of", "spellings_of"]

TABLE_FILE = "query_languages.npz"
SPELLINGS = 1 << 15
"""Rows of the table of spellings; parts of words share a row if their checksums do."""

# First words of the names of letters in Unicode -> the language, where a script stands for one.
_BY_SCRIPT = {
    **{"ARMENIAN": "hy", "BENGALI": "bn", "ETHIOPIC": "am", "GEORGIAN": "ka", "GREEK": "el"},
    **{
        "GUJARATI": "gu",
        "GURMUKHI": "pa",
        "HANGUL": "ko",
        "HEBREW": "he",
        "HIRAGANA": "ja",
        "KANNADA": "kn",
        "KHMER": "km",
    },
    **{"LAO": "lo", "MALAYALAM": "ml", "MYANMAR": "my", "SINHALA": "si", "TAMIL": "ta", "TELUGU": "te"},
    **{"THAI": "th", "TIBETAN": "bo"},
}
_HAN, _KANA = "CJK", frozenset({"HIRAGANA", "KATAKANA"})
# A character of Chinese says as much as some letters of the brand or name beside it.
_LETTERS_OF_HAN = 4

# Chosen on the part of the words that is for looking at, and on snippets of NTREX (see the benchmark).
_STUDY_PRIOR = 30.0
_FIRST_LIKELY, _ALSO_LIKELY = 10.0, 3.0
_WORD_FLOOR = 0.02
_LEAST_POSTERIOR = 0.4

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_LONGEST_PART = 4


def detect_query(text: str, *, likely: Sequence[str] = ()) -> Detection:
    """Guess the language of a query.

    Args:
        text: as it was typed.
        likely: BCP-47 tags of languages that it may well be in; the first is that of who asks.

    Returns:
        "und" where there is no letter, or where no language is much likelier than the others.
    """
    cleaned = narrow(clean(text))
    script = script_of(cleaned)
    if not script:
        return Detection(UNKNOWN, 0.0)
    expected = _without_regions(likely)
    if script == _HAN:
        return Detection("ja" if expected[:1] == ["ja"] else "zh", 1.0)
    if script in _BY_SCRIPT:
        return Detection(_BY_SCRIPT[script], 1.0)
    posterior = _table().posterior(cleaned, script, expected)
    best = max(posterior, key=posterior.__getitem__, default=UNKNOWN)
    found = posterior.get(best, 0.0)
    return Detection(best, found) if found >= _LEAST_POSTERIOR else Detection(UNKNOWN, found)


def script_of(text: str) -> str:
    """Unicode's word for the script of most letters, such as "LATIN" or "CJK"; empty without a letter."""
    letters = Counter(unicodedata.name(letter, "").partition(" ")[0] for letter in text if letter.isalpha())
    letters.pop("", None)
    kana = sum(letters.pop(name, 0) for name in _KANA)
    if _HAN in letters:
        letters[_HAN] *= _LETTERS_OF_HAN
    if kana:  # Japanese is the only language that has them, with or without Han
        letters["HIRAGANA"] = kana * _LETTERS_OF_HAN + letters.pop(_HAN, 0)
    return max(letters, key=letters.__getitem__, default="")


def known_words(text: str) -> list[str]:
    """The words of ``text`` as the table of words has them: lower case, with apostrophes within."""
    return _WORD.findall(text.lower())


def spellings_of(text: str) -> list[int]:
    """Rows of the table of spellings: the parts of each word, of one to four letters, its ends marked."""
    parts: list[str] = []
    for word in known_words(text):
        marked = f"<{word}>"
        parts += word
        for length in range(2, _LONGEST_PART + 1):
            parts += [marked[start : start + length] for start in range(len(marked) - length + 1)]
    return [zlib.crc32(part.encode()) % SPELLINGS for part in parts]


@dataclass(frozen=True, slots=True)
class _Table:
    """What the languages of the table are known by.

    Attributes:
        languages: (languages,) BCP-47 tags.
        scripts: (languages,) as ``script_of`` names them.
        words: (words,) checksums, ascending.
        known: (words,) bit i says that language i has the word.
        spellings: (SPELLINGS, languages) weights, in units of ``unit``.
        bias: (languages,).
        unit: of ``spellings``.
    """

    languages: NDArray[np.str_]
    scripts: NDArray[np.str_]
    words: NDArray[np.uint32]
    known: NDArray[np.uint64]
    spellings: NDArray[np.int8]
    bias: NDArray[np.float32]
    unit: NDArray[np.float32]

    def posterior(self, text: str, script: str, expected: Sequence[str]) -> dict[str, float]:
        """Probability of each language that is written in a script."""
        written = self.scripts == script
        if not written.any():
            return {}
        scores = self._by_spelling(text) + self._by_words(text) + self._prior(expected)
        scores = np.exp(scores[written] - scores[written].max())
        return dict(zip(self.languages[written].tolist(), (scores / scores.sum()).tolist(), strict=True))

    def _by_spelling(self, text: str) -> NDArray[np.float64]:
        rows = Counter(spellings_of(text))
        if not rows:
            return np.zeros(len(self.languages))
        counts = np.fromiter(rows.values(), np.float64)
        weights = self.spellings[np.fromiter(rows, np.int64)] * float(self.unit)
        return np.asarray(counts @ weights / np.sqrt(counts.sum()) + self.bias, np.float64)

    def _by_words(self, text: str) -> NDArray[np.float64]:
        checksums = np.array([zlib.crc32(word.encode()) for word in known_words(text)], np.uint32)
        rows = np.minimum(np.searchsorted(self.words, checksums), len(self.words) - 1)
        known = self.known[rows[self.words[rows] == checksums]]
        bits = np.arange(len(self.languages), dtype=np.uint64)
        has = (known[:, None] >> bits & np.uint64(1)).astype(np.float64)
        return np.asarray(np.log(has + _WORD_FLOOR).sum(axis=0), np.float64)

    def _prior(self, expected: Sequence[str]) -> NDArray[np.float64]:
        weights = dict.fromkeys(STUDY_LANGUAGES, _STUDY_PRIOR)
        for place, tag in enumerate(expected):
            weights[tag] = weights.get(tag, 1.0) * (_ALSO_LIKELY if place else _FIRST_LIKELY)
        return np.log([weights.get(tag, 1.0) for tag in self.languages.tolist()])


@functools.cache
def _table() -> _Table:
    place = importlib.resources.files("polyreel") / TABLE_FILE
    with place.open("rb") as file, np.load(file, allow_pickle=False) as found:
        arrays: Any = {name: found[name] for name in _Table.__slots__}
    return _Table(**arrays)


def _without_regions(tags: Sequence[str]) -> list[str]:
    found = [tag.partition("-")[0] for given in tags if (tag := parse_tag(given)) is not None]
    return list(dict.fromkeys(found))
