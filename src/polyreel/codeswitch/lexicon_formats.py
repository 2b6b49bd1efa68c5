"""Bilingual word lists as they come, row by row: one reader a format.

A reader goes through a file once. A line that is not as it should be is reported and the rest goes on; a file
that is cut short is an error, since how much a lexicon covers must not be chance.
"""

from __future__ import annotations

import functools
import itertools
import re
import string
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from polyreel.errors import DatasetError, UnknownNameError
from polyreel.problems import Problems
from polyreel.text_lines import SHOWN_CHARS, numbered_lines, opened, report_line

__all__ = ["LEXICON_FORMATS", "Row", "detect_format", "read_rows"]

_MAX_TEXT_BYTES = 1 << 30
_SAMPLE_LINES = 200


class Row(NamedTuple):
    """One translation as a file gives it.

    Attributes:
        line: its line in the file, from 1.
        head: word or expression of the source language.
        translation: of it.
        weight: how much speaks for it within the file: agreeing sources, or its place in an entry.
    """

    line: int
    head: str
    translation: str
    weight: float


def read_rows(path: Path, problems: Problems, *, format: str | None = None) -> Iterator[Row]:  # noqa: A002
    """Rows of a lexicon file.

    Args:
        path: the file, plain or gzip; for dictd the ``.index``, with its ``.dict`` or ``.dict.dz`` beside it.
        problems: told of the lines that are left out.
        format: a name out of ``LEXICON_FORMATS``; by default what the content looks like.

    Raises:
        DatasetError: the file cannot be read, is cut short, or its format cannot be told.
        UnknownNameError: there is no such format.
    """
    name = format or detect_format(path)
    if name not in LEXICON_FORMATS:
        raise UnknownNameError("lexicon format", name, LEXICON_FORMATS)
    return LEXICON_FORMATS[name](path, problems)


def detect_format(path: Path) -> str:
    """Name of the format that the content of ``path`` has.

    Raises:
        DatasetError: the file cannot be read or looks like none of them.
    """
    first = (line for _, line in numbered_lines(path, Problems()) if not line.startswith("#"))
    lines = list(itertools.islice(first, _SAMPLE_LINES))
    if lines and lines[0].lstrip().startswith(("<?xml", "<TEI", "<!DOCTYPE")):
        return "tei"
    looks: dict[str, Callable[[str], object]] = {
        "cedict": _CEDICT.match,
        "dictd": lambda line: _dict_file(path) and _index_entry(line),
        "tsv": lambda line: "\t" in line.strip("\t"),
        "muse": lambda line: len(line.split()) == 2,
    }
    for name, looks_like in looks.items():
        # Bad lines do not hide a format, nor do a few good ones make it.
        if sum(bool(looks_like(line)) for line in lines) > len(lines) / 2:
            return name
    raise DatasetError(
        "this looks like no lexicon",
        item=path,
        value=repr(lines[0][:SHOWN_CHARS]) if lines else "no lines",
        remedy=f"Known formats: {', '.join(LEXICON_FORMATS)}",
    )


def _tsv(path: Path, problems: Problems) -> Iterator[Row]:
    """Head, translation and, if there is a third column, a number that says how much speaks for it."""
    for number, line in numbered_lines(path, problems):
        columns = line.split("\t")
        weight = _weight(columns[2]) if len(columns) > 2 else 1.0
        if len(columns) < 2:
            report_line(problems, "a line has no second column", path, number, line)
        elif weight is None:
            report_line(problems, "the third column is no number above 0", path, number, line)
        else:
            yield Row(number, columns[0], columns[1], weight)


def _weight(text: str) -> float | None:
    try:
        weight = float(text)
    except ValueError:
        return None
    return weight if 0 < weight < float("inf") else None


def _muse(path: Path, problems: Problems) -> Iterator[Row]:
    """Two words a line, a space or a tab between them."""
    for number, line in numbered_lines(path, problems):
        columns = line.split()
        if len(columns) == 2:
            yield Row(number, columns[0], columns[1], 1.0)
        else:
            report_line(problems, "a line has not two words", path, number, line)


_CEDICT = re.compile(r"(?P<traditional>\S+) (?P<simplified>\S+) \[[^\]]*\] /(?P<glosses>.+)/\s*$")
_PARENTHESES = re.compile(r"\s*\([^()]*\)")
# What a gloss begins with that is no translation.
_REMARKS = re.compile(r"(?:CL:|(?:old |erhua )?variant of|see |also |surname |abbr\.|used in |\()")


def _cedict(path: Path, problems: Problems) -> Iterator[Row]:
    """CC-CEDICT, turned round: each English gloss with the simplified word."""
    for number, line in numbered_lines(path, problems):
        if line.startswith("#"):
            continue
        entry = _CEDICT.match(line)
        if entry is None:
            report_line(problems, "a line is no entry of CC-CEDICT", path, number, line)
            continue
        for rank, gloss in enumerate(entry["glosses"].split("/")):
            if not _REMARKS.match(gloss):
                for head in _PARENTHESES.sub("", gloss).split(";"):
                    yield Row(number, head.strip(), entry["simplified"], _rank_weight(rank))


_DIGITS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
_DICTD_DIGITS = {digit: value for value, digit in enumerate(_DIGITS)}
# Pronunciation, grammar, fields and asides of an entry; its lines of notes, examples and references.
_DICTD_ASIDES = re.compile(r"/[^/]*/|<[^>]*>|\[[^\]]*\]|\([^()]*\)|\{[^}]*\}|^\s*\d+\.")
_DICTD_NOTES = re.compile(r'\s*(?:see(?: also)?:|Synonyms?:|Antonyms?:|Notes?:|")')


def _dictd(path: Path, problems: Problems) -> Iterator[Row]:
    """freedict: an index of places within a text, whose entries list the translations after their head."""
    text = _dict_file(path)
    if text is None:
        raise DatasetError(
            "an index without its .dict.dz or .dict", item=path, remedy="Put it beside the index"
        )
    places = []
    for number, line in numbered_lines(path, problems):
        place = _index_entry(line)
        if place is None:
            report_line(problems, "a line has no head with offset and size", path, number, line)
        elif not place[0].startswith(("00database", "00-database")):
            places.append((number, *place))
    with opened(text) as stream:
        data = stream.read(_MAX_TEXT_BYTES)
    for number, head, offset, size in places:
        entry = data[offset : offset + size]
        if len(entry) < size:
            report_line(problems, f"an entry lies beyond the end of {text.name}", path, number, head)
            continue
        for rank, translation in enumerate(_translations(entry.decode("utf-8", "replace"))):
            yield Row(number, head, translation, _rank_weight(rank))


def _index_entry(line: str) -> tuple[str, int, int] | None:
    """Head, offset and size, in bytes."""
    head, *numbers = line.split("\t")
    if len(numbers) != 2 or not all(number and set(number) <= _DICTD_DIGITS.keys() for number in numbers):
        return None
    return head, _dictd_number(numbers[0]), _dictd_number(numbers[1])


def _dictd_number(digits: str) -> int:
    return functools.reduce(lambda value, digit: value * 64 + _DICTD_DIGITS[digit], digits, 0)


def _dict_file(index: Path) -> Path | None:
    beside = (index.with_suffix(suffix) for suffix in (".dict.dz", ".dict"))
    return next((path for path in beside if path.is_file()), None) if index.suffix == ".index" else None


def _translations(entry: str) -> Iterator[str]:
    for line in entry.splitlines()[1:]:
        if not _DICTD_NOTES.match(line):
            for part in re.split("[,;]", _DICTD_ASIDES.sub(" ", line)):
                if translation := " ".join(part.split()):
                    yield translation


def _tei(path: Path, problems: Problems) -> Iterator[Row]:
    """TEI of freedict: ``entry`` with ``orth`` and ``cit``; the line of a row is the number of its entry."""
    number = 0
    with opened(path) as stream:
        try:
            # Entities cannot blow up: expat limits their growth.
            for _, element in ElementTree.iterparse(stream):  # noqa: S314
                if _local_name(element) != "entry":
                    continue
                number += 1
                heads = [part.text or "" for part in element.iter() if _local_name(part) == "orth"]
                if not heads:
                    report_line(problems, "an entry has no head", path, number, "".join(element.itertext()))
                for (rank, translation), head in itertools.product(enumerate(_quotes(element)), heads):
                    yield Row(number, head, translation, _rank_weight(rank))
                element.clear()
        except ElementTree.ParseError as error:
            raise DatasetError("the file is no XML", item=path, value=error) from error


def _quotes(entry: ElementTree.Element) -> Iterator[str]:
    for part in entry.iter():
        if _local_name(part) == "cit" and part.get("type") in {"trans", "translation"}:
            yield from (quote.text or "" for quote in part if _local_name(quote) == "quote")


def _local_name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


LEXICON_FORMATS: dict[str, Callable[[Path, Problems], Iterator[Row]]] = {
    "cedict": _cedict,
    "dictd": _dictd,
    "muse": _muse,
    "tei": _tei,
    "tsv": _tsv,
}
"""Name -> reader. ``tsv`` also reads joins of wordnets: word, translation, number of agreeing synsets."""


def _rank_weight(rank: int) -> float:
    """The first translation of an entry is its main one; of the others none is known to be better."""
    return 1.0 if rank else 2.0
