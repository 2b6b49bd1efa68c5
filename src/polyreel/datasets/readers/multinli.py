"""MultiNLI's training pairs in many languages, translated by machine: text only, for the text-only baselines.

Layout: ``multinli.train.<language>.tsv`` (or ``.tsv.gz``), a file a language, aligned row by row, with the
columns ``premise``, ``hypo``, ``label``. The label reads "contradictory" where XNLI has "contradiction".
Tab-separated without quoting: sentences hold stray quotation marks. The full set has 392,702 pairs.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TextIO

from polyreel.datasets.readers.xnli import LABELS
from polyreel.errors import DatasetError, UnknownNameError
from polyreel.languages import clean, in_study_order, parse_tag
from polyreel.problems import Problems

__all__ = ["MULTINLI_PAIRS", "ParallelNli", "read_multinli"]

MULTINLI_PAIRS = 392_702
"""Training pairs, as published."""

_REMEDY = "Put multinli.train.en.tsv and those of other languages into the folder"
_MAX_LINE_CHARS = 1 << 20
_HEADER = ["premise", "hypo", "label"]
_LABELS = {**{label: label for label in LABELS}, "contradictory": "contradiction"}


@dataclass(frozen=True, slots=True)
class ParallelNli:
    """One pair of sentences in several languages.

    Attributes:
        row: its number in every file, from 0.
        label: one of ``LABELS``.
        premise, hypothesis: BCP-47 tag -> text; a language in which either is empty is absent.
    """

    row: int
    label: str
    premise: Mapping[str, str]
    hypothesis: Mapping[str, str]


def read_multinli(
    folder: Path, problems: Problems, *, languages: Sequence[str] | None = None
) -> Iterator[ParallelNli]:
    """All pairs, streamed, in the files' order.

    Args:
        folder: as described above.
        problems: told of empty sentences, and of another number of pairs than published.
        languages: BCP-47 tags; all that are there if None.

    Raises:
        UnknownNameError: a language is not there.
        DatasetError: a file cannot be read, has another layout or another length than the others, or a label
            differs between them; the message names file and line.
    """
    files = _files(folder, languages)
    with ExitStack() as stack:
        readers = {tag: _rows(path, stack.enter_context(_opened(path))) for tag, path in files.items()}
        count = 0
        for number, rows in enumerate(zip_longest(*readers.values())):
            if None in rows:
                short = next(tag for tag, row in zip(files, rows, strict=True) if row is None)
                raise DatasetError(
                    "aligned files differ in length",
                    item=files[short],
                    value=f"it ends after {number:,} pairs",
                    remedy="Get the files again, unchanged",
                )
            yield _pair(number, dict(zip(files, rows, strict=True)), files, problems)
            count = number + 1
    if count != MULTINLI_PAIRS:
        problems.add(
            "another number of pairs than published", item=folder, value=f"{count:,}, not {MULTINLI_PAIRS:,}"
        )


def _files(folder: Path, languages: Sequence[str] | None) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted([*folder.glob("multinli.train.*.tsv"), *folder.glob("multinli.train.*.tsv.gz")]):
        code = path.name.split(".")[2]
        tag = parse_tag(code)
        if tag is None:
            raise DatasetError("an unknown language code in a file's name", item=path, value=code)
        if tag in found:
            raise DatasetError("two files of one language", item=path, value=found[tag].name)
        found[tag] = path
    if not found:
        raise DatasetError("there is no MultiNLI", item=folder, remedy=_REMEDY)
    for tag in languages or ():
        if tag not in found:
            raise UnknownNameError("language of MultiNLI", tag, found)
    return {tag: found[tag] for tag in in_study_order(languages or found)}


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    # Only line feeds end a row: other characters that Unicode counts as line ends occur in sentences.
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="\n") as file:
            yield file
    except OSError as error:
        raise DatasetError("the file cannot be read", item=path, value=error) from error


def _rows(path: Path, file: TextIO) -> Iterator[list[str]]:
    try:
        for number, line in enumerate(iter(partial(file.readline, _MAX_LINE_CHARS), ""), 1):
            if len(line) == _MAX_LINE_CHARS:
                raise DatasetError(
                    f"a line is longer than {_MAX_LINE_CHARS:,} characters", item=f"{path}, line {number}"
                )
            cells = line.rstrip("\n").removesuffix("\r").split("\t")
            if number == 1:
                if cells != _HEADER:
                    raise DatasetError(
                        "the first line is not premise, hypo, label", item=path, value=line.strip()[:60]
                    )
                continue
            if len(cells) != len(_HEADER):
                raise DatasetError(
                    "a line has not three columns", item=f"{path}, line {number}", value=len(cells)
                )
            if cells[2] not in _LABELS:
                raise DatasetError("an unknown label", item=f"{path}, line {number}", value=cells[2][:40])
            yield cells
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DatasetError("the file cannot be read", item=path, value=error) from error


def _pair(
    number: int, rows: Mapping[str, list[str]], files: Mapping[str, Path], problems: Problems
) -> ParallelNli:
    labels = {tag: _LABELS[row[2]] for tag, row in rows.items()}
    first = next(iter(labels))
    premise, hypothesis = {}, {}
    for tag, row in rows.items():
        where = f"{files[tag]}, line {number + 2}"
        if labels[tag] != labels[first]:
            raise DatasetError(
                "aligned files differ in a label",
                item=where,
                value=f"{labels[tag]}, but {labels[first]} in {files[first].name}",
                remedy="Get the files again, unchanged",
            )
        texts = clean(row[0]), clean(row[1])
        if all(texts):
            premise[tag], hypothesis[tag] = texts
        else:
            problems.add("a sentence is empty: the pair lacks that language", item=where)
    return ParallelNli(number, labels[first], premise, hypothesis)
