"""Languages and the one way in for text: normalise, then detect, then take apart into words.

Tags are BCP-47 ("en", "zh", "pt-BR"); "und" stands for an unknown language. Scripts are named by their
ISO 15924 codes ("Latn", "Cyrl").
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from polyreel.errors import QueryError

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier
    from regex import Pattern

__all__ = [
    "MAX_QUERY_CHARS",
    "STUDY_LANGUAGES",
    "UNKNOWN",
    "Detection",
    "Parts",
    "Word",
    "clean",
    "detect",
    "in_study_order",
    "is_spaced",
    "narrow",
    "normalise",
    "parse_tag",
    "parts_in",
    "script",
    "script_share",
    "split_words",
    "words",
]

STUDY_LANGUAGES = ("en", "de", "fr", "cs", "zh", "ru", "vi", "sw", "es")
UNKNOWN = "und"
MAX_QUERY_CHARS = 1_000

# A short query carries little evidence, so the nine study languages start ahead of the identifier's
# other hundred. Factor 10 keeps three-word snippets of NTREX at 92-100% right in each of the nine;
# without it Spanish falls to 65%. A clear Italian or Polish sentence still wins.
_STUDY_PRIOR = 10.0
# Where even the best posterior is below this, letters tell more.
_NO_EVIDENCE = 0.1
# The identifier's own label for text that is in no language, and dialects that share a study language.
_ALIASES = {"zxx": UNKNOWN, "yue": "zh", "wuu": "zh", "tl": "fil"}

# English names that files carry in place of tags, and members that stand for their whole language.
_NAMES = {
    **{"arabic": "ar", "bengali": "bn", "chinese": "zh", "czech": "cs", "danish": "da", "dutch": "nl"},
    **{"english": "en", "finnish": "fi", "french": "fr", "german": "de", "greek": "el", "hebrew": "he"},
    **{"hindi": "hi", "hungarian": "hu", "indonesian": "id", "italian": "it", "japanese": "ja"},
    **{"korean": "ko", "norwegian": "no", "persian": "fa", "polish": "pl", "portuguese": "pt"},
    **{"romanian": "ro", "russian": "ru", "spanish": "es", "swahili": "sw", "swedish": "sv", "tamil": "ta"},
    **{"thai": "th", "turkish": "tr", "ukrainian": "uk", "urdu": "ur", "vietnamese": "vi", "yoruba": "yo"},
    **{"arb": "ar", "cmn": "zh", "pes": "fa", "swh": "sw", "tgl": "fil"},
    **{"zsm": "ms"},
}
# Languages without a two-letter tag that captions are written in or that the identifier knows.
_THREE_LETTERS = {
    *("ary", "arz", "ast", "bcl", "ceb", "ckb", "crh", "fil", "fuv", "gcf", "gcr", "gom", "grc", "gsw"),
    *("gug", "guw", "haw", "hbo", "hmn", "kab", "lij", "ltg", "mai", "nds", "nso", "pcm", "quz", "scn"),
    *("uzs", "vec", "wuu", "yue"),
}
# ISO 639-2 codes that are words first: "film.run.srt" is not in Rundi. The two-letter tags remain.
_WORDS_FIRST = {"bis", "cos", "div", "hat", "her", "kin", "lug", "que", "run", "sag", "sun", "ton", "vol"}

# Written without a space between words.
_UNSPACED = {"bo", "ja", "km", "lo", "my", "th", "wuu", "yue", "zh"}
_CHINESE = {"wuu", "yue", "zh"}
# Scripts as ISO 15924 knows them that Unicode takes apart or does not tell apart.
_UNICODE_SCRIPTS = {
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Jpan": ("Hani", "Hira", "Kana"),
    "Kore": ("Hang", "Hani"),
}

# Zero-width spaces, soft hyphens, marks of direction. The joiners stay: emoji and Persian need them.
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]"
)
# Controls, lone surrogates, private use.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd]")
_NARROW = {0xFF00 + c: 0x20 + c for c in [*range(0x10, 0x1A), *range(0x21, 0x3B), *range(0x41, 0x5B)]}
# Letters and digits, with marks on them (0, 1); an apostrophe before a letter (2) belongs to a word, and so
# does a point or comma between digits.
_WORD = r"([{0}][{0}{1}]*(?:(?:['’](?=[{2}])|(?<=[0-9])[.,](?=[0-9]))[{0}{1}]+)*)"
_ASCII_WORDS = re.compile(_WORD.format("0-9A-Za-z", "", "A-Za-z"))


class Word(NamedTuple):
    """A word and where it stands: ``text == whole[start:end]``."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Detection:
    """A guess at the language of a text.

    Attributes:
        language: BCP-47 tag, "und" if there is nothing to judge by.
        confidence: posterior probability of that language, 0 to 1.
    """

    language: str
    confidence: float


def clean(text: str) -> str:
    """Drop invisible characters, compose to NFC, make controls and white space single spaces, and trim."""
    composed = unicodedata.normalize("NFC", _INVISIBLE.sub("", text))
    return " ".join(_CONTROLS.sub(" ", composed).split())


def narrow(text: str) -> str:
    """Full-width letters and digits as ordinary ones: ``ＮＢＡ`` becomes ``NBA``.

    Only those. NFKC would also rewrite what tells texts apart or belongs to them: ``x²`` to ``x2``, ``①`` to
    ``1``, ``½`` to three characters, and Chinese punctuation to ASCII.
    """
    return text.translate(_NARROW)


def normalise(query: str) -> str:
    """The query as every encoder gets it.

    Raises:
        QueryError: nothing is left after cleaning, or no letter, digit or pictograph, or more than
            ``MAX_QUERY_CHARS`` characters are.
    """
    text = narrow(clean(query))
    if not text:
        raise QueryError("the query is empty", value=repr(query[:20]), remedy="Type what the video shows")
    if not _holds_word(text):
        # An encoder has a vector for it all the same, which would be near to something.
        raise QueryError("the query holds no word", value=repr(text[:20]), remedy="Type what the video shows")
    if len(text) > MAX_QUERY_CHARS:
        raise QueryError(
            "the query is too long",
            item=f"{text[:30]}…",
            value=f"{len(text):,} characters, at most {MAX_QUERY_CHARS:,}",
            remedy="Describe one moment in a sentence or two",
        )
    return text


def _holds_word(text: str) -> bool:
    """Whether there is a letter or a digit of any script, or a pictograph such as an emoji."""
    return any(map(str.isalnum, text)) or _pictographs().search(text) is not None


@functools.cache
def _pictographs() -> Pattern[str]:
    # Imported late: nearly every query has letters. It also knows emoji that are newer than Python.
    import regex

    return regex.compile(r"[\p{So}[\p{Emoji}--[#*]]]", regex.VERSION1)


@functools.lru_cache(maxsize=1_000)
def parse_tag(name: str) -> str | None:
    """The BCP-47 tag that ``name`` stands for, or None if it is no language name.

    Understands tags of every language with a two-letter code and of some others ("pt-BR", "zh_Hans", "yue"),
    ISO 639-2 codes ("ger") and common English names ("swahili"). A subtag that is no script or region is left
    out: "en-forced" is "en". Words that only a catalogue of 7,000 languages would know are None: "part".
    """
    head, *rest = name.strip().replace("_", "-").split("-")
    tag = _primary(head.lower())
    if tag is None or not rest:
        return tag
    from langcodes import tag_is_valid

    for part in rest:
        if not part.isascii() or not (len(part) in {2, 4} or (len(part) == 3 and part.isdigit())):
            continue
        longer = f"{tag}-{part.upper() if len(part) == 2 else part.title()}"
        if tag_is_valid(longer):
            tag = longer
    return tag


def _primary(code: str) -> str | None:
    if code in STUDY_LANGUAGES:
        return code
    if code in _NAMES or code in _THREE_LETTERS:
        return _NAMES.get(code, code)
    if not (code.isascii() and code.isalpha() and 2 <= len(code) <= 3) or code in _WORDS_FIRST:
        return None
    from langcodes import standardize_tag, tag_is_valid

    if not tag_is_valid(code):
        return None
    tag = standardize_tag(code)
    # Of the 7,000 three-letter codes nearly all are words, names or release marks when a file carries them.
    return tag if len(code) == 2 or len(tag) == 2 else None


def in_study_order(tags: Iterable[str]) -> list[str]:
    """The nine study languages first, in their fixed order, then the others by tag."""
    given = set(tags)
    known = [tag for tag in STUDY_LANGUAGES if tag in given]
    return known + sorted(given.difference(known))


def detect(text: str) -> Detection:
    """Guess the language of ``text``, which may be as short as a word.

    Text without a letter (digits, emoji) is "und" with confidence 0; so is any text where the identifier
    cannot be loaded.
    """
    cleaned = clean(text)
    if not any(c.isalpha() for c in cleaned):
        return Detection(UNKNOWN, 0.0)
    try:
        ranked = _identifier().rank(cleaned)
    except OSError:  # its model is unpacked into the temporary folder, which may be full
        return Detection(UNKNOWN, 0.0)
    weighted = {
        label: float(probability) * (_STUDY_PRIOR if label in STUDY_LANGUAGES else 1.0)
        for label, probability in ranked
    }
    if max(weighted.values()) < _NO_EVIDENCE * sum(weighted.values()):
        # Of one Chinese character the identifier knows nothing: all languages are equal to it.
        fitting = {tag: weight for tag, weight in weighted.items() if script_share(cleaned, tag) > 0.5}
        weighted = fitting or weighted
    best = max(weighted, key=weighted.__getitem__)
    return Detection(_ALIASES.get(best, best), weighted[best] / sum(weighted.values()))


@functools.cache
def _identifier() -> LanguageIdentifier:
    # Imported late: its model takes half a second to unpack, which "polyreel --help" must not pay.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@functools.cache
def script(language: str) -> str:
    """Four-letter code of the script that a language is usually written in: "Cyrl" for "ru".

    The tag's own script comes first ("sr-Latn"). What nobody knows is taken to be Latin.
    """
    from langcodes import Language
    from langcodes.tag_parser import LanguageTagError

    try:
        return Language.get(language).maximize().script or "Latn"
    except LanguageTagError:
        return "Latn"


def script_share(text: str, language: str) -> float:
    """Share of the letters of ``text`` that are in the script of ``language``, 0 to 1.

    1 if there is no letter, since nothing then speaks against it.
    """
    letters, own = _letters_of(language)
    count = len(letters.findall(text))
    return len(own.findall(text)) / count if count else 1.0


@functools.cache
def _letters_of(language: str) -> tuple[Pattern[str], Pattern[str]]:
    """Any letter with a script of its own, and a letter in the scripts of ``language``."""
    import regex

    letters = regex.compile(r"[\p{L}--\p{Script=Common}]", regex.V1)
    code = script(language)
    own = "".join(rf"\p{{Script={part}}}" for part in _UNICODE_SCRIPTS.get(code, (code,)))
    try:
        return letters, regex.compile(rf"[\p{{L}}&&[{own}]]", regex.V1)
    except (
        regex.error
    ):  # a variant that Unicode has no name for, such as "Latf": there is nothing to judge by
        return letters, letters


def is_spaced(language: str) -> bool:
    """Whether the language writes spaces between words; Chinese, Japanese, Thai and some others do not."""
    return language.partition("-")[0] not in _UNSPACED


def words(text: str, language: str) -> list[Word]:
    """The words of ``text`` with their places; punctuation and symbols are none.

    An apostrophe within a word belongs to it ("don't"), a hyphen does not. Chinese is cut into words by a
    dictionary. In the other languages that write no spaces a "word" is a run of letters.
    """
    pieces = split_words(text, language)
    ends = itertools.accumulate(map(len, pieces))
    placed = zip(pieces, ends, strict=True)
    return [Word(piece, end - len(piece), end) for piece, end in itertools.islice(placed, 1, None, 2)]


Parts = tuple[tuple[str, str], ...]
"""A text in several languages: tags and stretches in order, which joined are the text. Words are whole."""


def parts_in(texts: Iterable[str], language: str) -> tuple[Parts, ...]:
    """Of each of ``texts``, all of which are in one language, the one part that it has."""
    return tuple(((language, text),) for text in texts)


def split_words(text: str, language: str) -> list[str]:
    """``text`` taken apart: words at odd places, what lies between at even ones; joined they give it back."""
    # Two patterns that agree on ASCII; the first is faster.
    pieces: list[str] = (_ASCII_WORDS if text.isascii() else _any_words()).split(text)
    if language.partition("-")[0] not in _CHINESE or text.isascii():
        return pieces
    from rjieba import cut

    apart = pieces[:1]
    for word, between in zip(pieces[1::2], pieces[2::2], strict=True):
        for part in [word] if word.isascii() else cut(word):
            apart += [part, ""]
        apart[-1] = between
    return apart


@functools.cache
def _any_words() -> Pattern[str]:
    import regex

    return regex.compile(_WORD.format(r"\p{L}\p{N}", r"\p{M}", r"\p{L}"))
