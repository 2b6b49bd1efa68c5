"""NTREX-128: news in English with translations by people, row by row; bitext without pictures.

Layout: a file for each of the nine languages, a sentence a line, packed or not: ``ntrex.dev.de.txt.gz``, or
as published ``newstest2019-src.eng.txt`` and ``newstest2019-ref.deu.txt``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from polyreel.datasets.reading import parallel_lines
from polyreel.errors import DatasetError
from polyreel.languages import STUDY_LANGUAGES, clean, parse_tag

__all__ = ["read_ntrex"]

_NAME = re.compile(r"(?:ntrex|newstest).*\.(?P<tag>[A-Za-z-]+)\.txt(?:\.gz)?")
_WRITTEN = {"zh-CN": "zh"}
_REMEDY = "Put a file for each of the nine there, such as ntrex.dev.de.txt.gz or newstest2019-ref.deu.txt"


def read_ntrex(folder: Path) -> Mapping[str, tuple[str, ...]]:
    """Language -> sentences in NFC; row n says the same in all nine. Other languages are not read.

    Raises:
        DatasetError: a language is missing or there twice, a file cannot be read, a row is empty, or the
            files differ in length.
    """
    if not folder.is_dir():
        raise DatasetError("there is no such folder", item=folder, remedy=_REMEDY)
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
        raise DatasetError("languages are missing", item=folder, value=", ".join(absent), remedy=_REMEDY)
    lines = parallel_lines({tag: files[tag] for tag in STUDY_LANGUAGES})
    return {
        tag: tuple(_sentence(text, f"{files[tag]}, line {n}") for n, text in enumerate(rows, 1))
        for tag, rows in lines.items()
    }


def _sentence(text: str, where: str) -> str:
    if not (sentence := clean(text)):
        raise DatasetError("an empty sentence", item=where, remedy="Get the file again, unchanged")
    return sentence
