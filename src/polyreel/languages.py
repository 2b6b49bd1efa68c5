"""Languages and the one way in for text: normalise, then detect.

Tags are BCP-47 ("en", "zh", "pt-BR"); "und" stands for an unknown language.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polyreel.errors import QueryError

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

__all__ = [
    "MAX_QUERY_CHARS",
    "STUDY_LANGUAGES",
    "UNKNOWN",
    "Detection",
    "clean",
    "detect",
    "in_study_order",
    "normalise",
    "parse_tag",
]

STUDY_LANGUAGES = ("en", "de", "fr", "cs", "zh", "ru", "vi", "sw", "es")
UNKNOWN = "und"
MAX_QUERY_CHARS = 1_000

# A short query carries little evidence, so the nine study languages start ahead of the identifier's
# other hundred. Factor 10 keeps three-word snippets of NTREX at 92-100% right in each of the nine;
# without it Spanish falls to 65%. A clear Italian or Polish sentence still wins.
_STUDY_PRIOR = 10.0
# The identifier's own label for text that is in no language, and dialects that share a study language.
_ALIASES = {"zxx": UNKNOWN, "yue": "zh", "wuu": "zh"}

# Names that subtitle files carry in place of BCP-47 tags: ISO 639-2 codes (bibliographic and
# terminological) and English names.
_TAG_NAMES = {
    **{"eng": "en", "deu": "de", "ger": "de", "fra": "fr", "fre": "fr", "ces": "cs", "cze": "cs"},
    **{"zho": "zh", "chi": "zh", "rus": "ru", "vie": "vi", "swa": "sw", "spa": "es", "ita": "it"},
    **{"por": "pt", "pol": "pl", "nld": "nl", "dut": "nl", "jpn": "ja", "kor": "ko", "ara": "ar"},
    **{"tur": "tr", "hin": "hi", "ukr": "uk", "ell": "el", "gre": "el", "heb": "he", "tha": "th"},
    **{"swe": "sv", "dan": "da", "nor": "no", "fin": "fi", "hun": "hu", "ron": "ro", "rum": "ro"},
    **{"english": "en", "german": "de", "french": "fr", "czech": "cs", "chinese": "zh"},
    **{"russian": "ru", "vietnamese": "vi", "swahili": "sw", "spanish": "es", "italian": "it"},
}
_OTHER_TWO_LETTER = {"bg", "et", "fa", "hr", "id", "ms", "sk", "sl", "sr", "ur"}
_KNOWN_TWO_LETTER = frozenset(_TAG_NAMES.values()) | _OTHER_TWO_LETTER


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
    """Compose to NFC, replace control characters and runs of white space by one space, and trim."""
    composed = unicodedata.normalize("NFC", text)
    spaced = "".join(" " if unicodedata.category(c) in {"Cc", "Cs", "Co"} else c for c in composed)
    return " ".join(spaced.split())


def normalise(query: str) -> str:
    """The query as every encoder gets it.

    Raises:
        QueryError: nothing is left after cleaning, or more than ``MAX_QUERY_CHARS`` characters are.
    """
    text = clean(query)
    if not text:
        raise QueryError("the query is empty", value=repr(query[:20]), remedy="Type what the video shows")
    if len(text) > MAX_QUERY_CHARS:
        raise QueryError(
            "the query is too long",
            item=f"{text[:30]}…",
            value=f"{len(text):,} characters, at most {MAX_QUERY_CHARS:,}",
            remedy="Describe one moment in a sentence or two",
        )
    return text


def parse_tag(name: str) -> str | None:
    """The BCP-47 tag that ``name`` stands for, or None if it is no language name.

    Understands tags ("pt-BR", "zh_Hans"), ISO 639-2 codes ("ger") and English names ("swahili").
    """
    head, *rest = name.strip().replace("_", "-").split("-")
    base = _TAG_NAMES.get(head.lower(), head.lower())
    if base not in _KNOWN_TWO_LETTER:
        return None
    subtags = [part.upper() if len(part) == 2 else part.title() for part in rest if 2 <= len(part) <= 4]
    return "-".join([base, *subtags])


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
    best = max(weighted, key=weighted.__getitem__)
    return Detection(_ALIASES.get(best, best), weighted[best] / sum(weighted.values()))


@functools.cache
def _identifier() -> LanguageIdentifier:
    # Imported late: its model takes half a second to unpack, which "polyreel --help" must not pay.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
