"""Words of a query in English, put before it, for languages of which a text encoder knows few words.

multilingual-e5-small read little Swahili: it takes sentences by the few words that it knows. What a small
table of common words has of a query, in its order, is put before it, so that one pass of the encoder reads
both. Queries alone are changed, never what is indexed. A long query, whose words tell each other's senses and
which each word makes dearer, has the likeliest sense of each. What it is worth, and for which languages, is
in docs/training.md. A table lies in a bundle as ``text.glosses.json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from polyreel.errors import BundleError
from polyreel.files import read_regular

__all__ = ["GLOSSES_FILE", "GlossTable", "glossed", "read_glosses", "write_glosses"]

GlossTable = Mapping[str, Mapping[str, str]]
"""BCP-47 tag -> word or expression in lower case -> English: its senses, the likeliest first, "show/point".

The stem of a Swahili verb has a hyphen before it. A star stands for the end of a word: of nothing, or of as
many letters as cases and persons take.
"""

GLOSSES_FILE = "text.glosses.json"

_SENSE_MARK = "/"
_LONG_QUERY = 6
_LONGEST = 4
_LONGEST_END, _LEAST_BEFORE_END = 5, 2
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")

# Swahili: a verb is subject, tense, relative, object, stem, extension, so that anayekimbia holds -kimbia.
_SUBJECTS = ("ni", "u", "a", "tu", "m", "wa", "i", "ki", "vi", "li", "ya", "zi", "ku", "pa", "mu")
_TENSES = ("na", "li", "ta", "me", "ki", "ka", "nge", "ja")
_RELATIVES = ("", "ye", "o", "yo", "cho", "vyo", "lo", "zo", "po")
_OBJECTS = frozenset(("ku", "m", "mw", "wa", "i", "ki", "vi", "li", "ya", "zi", "ji", "u", "mu"))
_INFINITIVES = ("ku", "kw", "hu")
_BEFORE_STEM = frozenset(
    (*_INFINITIVES, *(who + when + which for who in _SUBJECTS for when in _TENSES for which in _RELATIVES))
)
_EXTENSIONS = ("liwa", "lewa", "isha", "esha", "iana", "ana", "iwa", "ewa", "lia", "lea", "ia", "ea", "wa")
_LEAST_STEM, _LEAST_AFTER_OBJECT = 2, 3
# Plurals and singulars of the classes of nouns, and the place where something is.
_CLASSES = (("mi", "m"), ("vi", "ki"), ("wa", "m"), ("vy", "ch"), ("ma", ""), ("wa", "mw"), ("mi", "mw"))
_LOCATIVE = "ni"
_LEAST_NOUN = 5


def read_glosses(path: Path) -> GlossTable:
    """The table of a bundle.

    Raises:
        BundleError: the file is missing or is no such table.
    """
    try:
        found = json.loads(read_regular(path)).items()
        table = {str(tag): {str(word): str(gloss) for word, gloss in words.items()} for tag, words in found}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise BundleError("the bundle's glosses cannot be read", item=path, value=str(error)) from error
    return MappingProxyType(table)


def write_glosses(path: Path, table: GlossTable) -> None:
    """Write a table as ``read_glosses`` reads it."""
    kept = {tag: dict(words) for tag, words in table.items()}
    path.write_text(json.dumps(kept, ensure_ascii=False, indent=0, sort_keys=True), encoding="utf-8")


def glossed(text: str, language: str, table: GlossTable) -> str:
    """A query with what the table has of it in English before it; without any, as it is.

    Args:
        text: as ``languages.clean`` leaves it.
        language: BCP-47 tag that it is in; those of regions count as their language.
        table: of a bundle.
    """
    tag = language.partition("-")[0]
    words = table.get(tag)
    if not words:
        return text
    typed = _WORD.findall(text.lower().replace("’", "'"))
    forms = _swahili_forms if tag == "sw" else _forms
    told = (gloss.split(_SENSE_MARK) for gloss in _found(typed, words, forms))
    senses = 1 if len(typed) > _LONG_QUERY else None
    # A word that two expressions bring, or that was typed in English already, is said once.
    known = dict.fromkeys(word for found in told for sense in found[:senses] for word in sense.split())
    return " ".join([*(word for word in known if word not in typed), text])


def _found(
    typed: list[str], words: Mapping[str, str], forms_of: Callable[[str], Iterator[str]]
) -> Iterator[str]:
    """Glosses of the longest expressions, from the first word to the last."""
    place = 0
    while place < len(typed):
        forms = list(forms_of(typed[place]))
        for length in range(min(_LONGEST, len(typed) - place), 0, -1):
            rest = typed[place + 1 : place + length]
            gloss = next((words[head] for form in forms if (head := " ".join([form, *rest])) in words), None)
            if gloss is not None:
                yield gloss
                break
        place += length


def _forms(word: str) -> Iterator[str]:
    """The word itself, then its starts, the longest first."""
    yield word
    least = max(_LEAST_BEFORE_END, len(word) - _LONGEST_END)
    yield from (f"{word[:length]}*" for length in range(len(word), least - 1, -1))


def _swahili_forms(word: str) -> Iterator[str]:
    """What a word may stand under in the table, the likeliest first: as a noun, then as a verb."""
    yield word
    if len(word) >= _LEAST_NOUN:
        yield from (one + word[len(many) :] for many, one in _CLASSES if word.startswith(many))
        if word.endswith(_LOCATIVE):
            yield word.removesuffix(_LOCATIVE)
    stems = _without(word, _BEFORE_STEM, _LEAST_STEM)
    if len(word) > _LEAST_STEM:  # "la" alone is "of", not "-la", to eat
        stems.insert(0, word)
    stems += [shorter for stem in stems for shorter in _without(stem, _OBJECTS, _LEAST_AFTER_OBJECT)]
    yield from (f"-{stem}" for stem in stems)
    for stem in stems:
        for end in _EXTENSIONS:
            if stem.endswith(end) and len(stem) - len(end) >= _LEAST_STEM:
                yield f"-{stem.removesuffix(end)}a"


def _without(word: str, starts: Container[str], least: int) -> list[str]:
    """The word without each start that it has, if so many letters are left; the shortest start first."""
    return [word[cut:] for cut in range(1, len(word) - least + 1) if word[:cut] in starts]
