"""JSON in which a key that occurs twice is an error: most parsers drop the first value without a word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from polyreel.datasets.reading import read_lines, read_text
from polyreel.errors import DatasetError

__all__ = ["parse", "parse_lines", "parse_numbered_lines", "unique_keys"]

T = TypeVar("T")


def parse(path: Path, kind: TypeAdapter[T]) -> T:
    """A JSON file of UTF-8, checked; unpacked if its name ends in ``.gz``.

    Raises:
        DatasetError: it cannot be read, or is not as it should be; the message names the line or the place.
    """
    return _parsed(read_text(path), kind, path)


def parse_lines(path: Path, kind: TypeAdapter[T]) -> list[T]:
    """The values of a file of one JSON value a line; blank lines are skipped.

    Raises:
        DatasetError: as ``parse``.
    """
    return [value for _, value in parse_numbered_lines(path, kind)]


def parse_numbered_lines(path: Path, kind: TypeAdapter[T]) -> Iterator[tuple[str, T]]:
    """As ``parse_lines``, each value with the file and the number of its line, as messages have it.

    Raises:
        DatasetError: as ``parse``.
    """
    for number, line in enumerate(read_lines(path), 1):
        if line.strip():
            where = f"{path}, line {number}"
            yield where, _parsed(line, kind, where)


def _parsed(text: str, kind: TypeAdapter[T], item: object) -> T:
    try:
        return kind.validate_python(json.loads(text, object_pairs_hook=unique_keys))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}: " if error.lineno > 1 else ""
        raise DatasetError("the file is no JSON", item=item, value=f"{place}{error.msg}") from error
    except ValidationError as error:
        first = error.errors()[0]
        value = f"{'.'.join(map(str, first['loc']))} {first['msg']}".strip()
        raise DatasetError("the file is not as it should be", item=item, value=value) from error
    except _TwiceError as error:
        raise DatasetError("a key occurs twice", item=item, value=error) from error
    except RecursionError as error:
        raise DatasetError("the file is nested too deeply", item=item) from error


class _TwiceError(ValueError):
    """A key occurs twice in one object."""


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these keys and values, as a hook of ``json.loads``.

    Raises:
        ValueError: naming a key that occurs twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _TwiceError(next(key for key in keys if keys.count(key) > 1))
    return found
