"""Names and keywords of emoji and signs, as translators wrote them for Unicode's CLDR.

Layout: ``cldr-annotations-full`` and ``cldr-annotations-derived-full`` side by side (see ``emoji_packages``).
"""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import AliasChoices, BaseModel, Field, TypeAdapter

from polyreel.datasets.readers.emoji_packages import fetch_packages, without_skin_tones
from polyreel.datasets.reading import locate
from polyreel.datasets.records import Stream, created, record_of
from polyreel.datasets.strict_json import parse
from polyreel.languages import STUDY_LANGUAGES
from polyreel.problems import Missing
from polyreel.progress import OnProgress

__all__ = [
    "CLDR_PACKAGES",
    "Annotation",
    "cldr_records",
    "concept_of",
    "emoji_text",
    "fetch_cldr",
    "read_cldr",
]

_LISTS = {"cldr-annotations-full": "annotations", "cldr-annotations-derived-full": "annotationsDerived"}
CLDR_PACKAGES = tuple(_LISTS)
"""The packages that hold the names."""

_REMEDY = "Fetch the packages with 'polyreel data fetch cldr'"
_VARIATION = "\ufe0f"
# "man’s shoe" is about a shoe: a possessive stays.
_GENDER = re.compile(r"\b(?:(?P<one>man|woman)|(?P<many>men|women))\b(?!’)")


class Annotation(BaseModel):
    """What CLDR says of one emoji in one language.

    Attributes:
        tts: its name, as a screen reader says it: one text or none.
        default: its keywords.
    """

    tts: list[str] = []
    default: list[str] = []


class _List(BaseModel):
    annotations: dict[str, Annotation]


class _File(BaseModel):
    content: _List = Field(validation_alias=AliasChoices(*_LISTS.values()))


_FILE = TypeAdapter(_File)


def fetch_cldr(cache_folder: Path, progress: OnProgress | None = None) -> Path:
    """The folder with names and keywords below ``cache_folder``; fetched unless it is there.

    Raises:
        FetchError: a package cannot be had or is another one.
    """
    return fetch_packages(cache_folder, CLDR_PACKAGES, progress=progress)


def read_cldr(folder: Path, tag: str) -> dict[str, Annotation]:
    """Emoji, as ``emoji_text`` has it -> what CLDR says of it in that language.

    Raises:
        DatasetError: a file is missing or not as it should be.
    """
    found: dict[str, Annotation] = {}
    for package, name in _LISTS.items():
        path = locate(folder / package / name / tag, "annotations.json", remedy=_REMEDY)
        entries = parse(path, _FILE).content.annotations
        found |= {text.replace(_VARIATION, ""): entry for text, entry in entries.items()}
    return found


def emoji_text(code: str) -> str:
    """The characters of a code such as "1f3c3-200d-2642-fe0f", without the sign that asks for colour."""
    numbers = [int(number, 16) for number in code.split("-")]
    return "".join(chr(number) for number in numbers if number <= 0x10FFFF).replace(_VARIATION, "")


def concept_of(name: str) -> str:
    """What an emoji of this English name shows, whoever does it: "woman running" -> "running"."""
    neutral = _GENDER.sub(lambda match: "person" if match["one"] else "people", name)
    concept = neutral.removesuffix(": facing right").removeprefix("person ")
    return name if concept == "person" else concept


def cldr_records(folder: Path) -> Stream:
    """Of each emoji or sign its names, and the keywords of each language in a line, as two clips of text.

    Skin tones are left out: their names repeat those of the emoji without.
    """
    said = {tag: read_cldr(folder, tag) for tag in STUDY_LANGUAGES}
    for text, english in said["en"].items():
        code = "-".join(f"{ord(letter):x}" for letter in text)
        if not english.tts:
            yield Missing(code, "no English name")
        elif without_skin_tones(code):
            entries = {tag: entry for tag, known in said.items() if (entry := known.get(text))}
            names = {tag: entry.tts for tag, entry in entries.items()}
            keywords = {tag: [", ".join(entry.default)] for tag, entry in entries.items()}
            concept = concept_of(english.tts[0])
            yield record_of(code, names, created, concept=concept)
            if any(line for (line,) in keywords.values()):
                yield record_of(f"{code}/keywords", keywords, created, concept=concept)
