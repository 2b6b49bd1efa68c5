"""Datasets that tests write: files by name, and an error that says everything it should."""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from polyreel.errors import DatasetError
from polyreel.languages import STUDY_LANGUAGES

NFD = "Con ngu\u031b\u0323a"  # "Con ngựa", decomposed
NFC = "Con ng\u1ef1a"


def write(folder: Path, files: dict[str, object]) -> Path:
    """Write text, bytes or JSON by file name; ``.gz`` is packed."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            content = content.encode()
        elif not isinstance(content, bytes):
            content = json.dumps(content).encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder


def lines(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


def write_annotations(folder: Path, named: dict[str, object]) -> None:
    """CLDR's annotations as its packages lay them out: ``named`` in all study languages, nothing derived."""
    for tag in STUDY_LANGUAGES:
        for package, key in (("full", "annotations"), ("derived-full", "annotationsDerived")):
            name = f"cldr-annotations-{package}/{key}/{tag}/annotations.json"
            write(folder, {name: {key: {"annotations": named if key == "annotations" else {}}}})


def zip_of(path: Path, names: Iterable[str]) -> None:
    with zipfile.ZipFile(path, "w") as packed:
        for name in names:
            packed.writestr(name, b"")


def fails(read: Callable[[], object], *said: object, kind: type[Exception] = DatasetError) -> None:
    """``read`` fails, and its message says all of ``said``."""
    with pytest.raises(kind) as caught:
        read()
    message = str(caught.value)
    for part in said:
        assert re.search(re.escape(str(part)), message), message
