"""Captions one a line: plain text, or JSON with a language."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from polyreel.languages import clean, parse_tag
from polyreel.problems import Problems
from polyreel.text_lines import numbered_lines, report_line

__all__ = ["read_caption_lines"]


def read_caption_lines(
    path: Path, problems: Problems, *, language: str = "en"
) -> Iterator[tuple[int, str, str]]:
    """Line number, text and BCP-47 tag of each caption.

    A ``.txt`` file (or ``.txt.gz``) has a caption a line. Any other has a JSON value a line: a text, or an
    object such as ``{"text": "a dog runs", "language": "en"}``.

    Args:
        path: the file.
        problems: told of the lines that are left out.
        language: of captions that say none.

    Raises:
        DatasetError: the file cannot be read.
    """
    plain = ".txt" in path.suffixes[-2:]
    for number, line in numbered_lines(path, problems):
        found = (line, language) if plain else _caption(line, language)
        if isinstance(found, str):
            report_line(problems, found, path, number, line)
        elif text := clean(found[0]):
            yield number, text, found[1]
        else:
            report_line(problems, "a caption is empty", path, number, line)


def _caption(line: str, language: str) -> tuple[str, str] | str:
    """Text and tag, or what is wrong."""
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError):
        return "a line is no JSON"
    if isinstance(value, str):
        return value, language
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        return "a line is neither a text nor an object with one"
    tag = value.get("language", language)
    parsed = parse_tag(tag) if isinstance(tag, str) else None
    return "a caption's language is no tag" if parsed is None else (value["text"], parsed)
