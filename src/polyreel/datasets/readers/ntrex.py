"""NTREX-128: news in English with translations by people, row by row; bitext without pictures.

Layout: a file for each of the nine languages, a sentence a line, packed or not: ``ntrex.dev.de.txt.gz``, or
as published ``newstest2019-src.eng.txt`` and ``newstest2019-ref.deu.txt``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from polyreel.datasets.reading import parallel_lines
from polyreel.datasets.records import Stream, created_in, record_of
from polyreel.errors import DatasetError
from polyreel.languages import STUDY_LANGUAGES, clean, parse_tag

__all__ = ["NTREX_CREATION", "NTREX_LAYOUT", "ntrex_records", "read_ntrex"]

_NAME = re.compile(r"(?:ntrex|newstest).*\.(?P<tag>[A-Za-z-]+)\.txt(?:\.gz)?")
_WRITTEN = {"zh-CN": "zh"}
NTREX_CREATION = created_in("en", others="human-translated")
NTREX_LAYOUT = (
    "Put a file for each of the nine languages into a folder, such as ntrex.dev.de.txt.gz or "
    "newstest2019-ref.deu.txt"
)


def read_ntrex(folder: Path) -> Mapping[str, tuple[str, ...]]:
    """Language -> sentences in NFC; row n says the same in all nine. Other languages are not read.

    Raises:
        DatasetError: a language is missing or there twice, a file cannot be read, a row is empty, or the
            files differ in length.
    """
    if not folder.is_dir():
        raise DatasetError("there is no such folder", item=folder, remedy=NTREX_LAYOUT)
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        match = _NAME.fullmatch(path.name)
        tag = parse_tag(match["tag"]) if match else None
        tag = _WRITTEN.get(tag or "", tag)
        if tag not in STUDY_LANGUAGES:
            continue
        if tag in files:
            raise DatasetError(
                "two files of one language", item=path, value=files[tag].name, remedy="Keep one of them"
            )
        files[tag] = path
    if absent := [tag for tag in STUDY_LANGUAGES if tag not in files]:
        raise DatasetError("languages are missing", item=folder, value=", ".join(absent), remedy=NTREX_LAYOUT)
    lines = parallel_lines({tag: files[tag] for tag in STUDY_LANGUAGES})
    return {
        tag: tuple(_sentence(text, f"{files[tag]}, line {n}") for n, text in enumerate(rows, 1))
        for tag, rows in lines.items()
    }


def ntrex_records(folder: Path) -> Stream:
    """A clip of text for each row.

    Raises:
        DatasetError: see ``read_ntrex``.
    """
    sentences = read_ntrex(folder)
    for number, row in enumerate(zip(*sentences.values(), strict=True), 1):
        texts = {tag: [text] for tag, text in zip(sentences, row, strict=True)}
        yield record_of(f"row-{number:04d}", texts, NTREX_CREATION, split="dev")


def _sentence(text: str, where: str) -> str:
    if not (sentence := clean(text)):
        raise DatasetError("an empty sentence", item=where, remedy="Get the file again, unchanged")
    return sentence
