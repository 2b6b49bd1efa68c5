"""Crossmodal-3600: 3,600 photos from all over the world, captioned by people in 36 languages, all nine among
them.

Layout: ``captions.jsonl`` (a line a photo: ``image/key`` and, for each language, ``{"caption": [..], ..}``),
photos as ``<key>.jpg`` in ``images/`` or ``images.zip``. Captions are no translations of each other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from polyreel.datasets.reading import locate, pictures_in, require_count
from polyreel.datasets.records import Stream, created, record_of
from polyreel.datasets.strict_json import parse_lines
from polyreel.errors import DatasetError

__all__ = ["XM3600_LAYOUT", "xm3600_records"]

XM3600_LAYOUT = (
    "Put captions.jsonl of Crossmodal-3600, and its photos as images/<key>.jpg or images.zip, into a folder"
)
_PHOTOS = 3_600
_LINE = TypeAdapter(dict[str, Any])
_CAPTIONS = TypeAdapter(list[str])


def xm3600_records(folder: Path) -> Stream:
    """The photos, in the file's order, with their captions in every language of the file.

    Raises:
        DatasetError: a file is missing or not as it should be, or a count is not the published one.
    """
    source = locate(folder, "captions.jsonl", remedy=XM3600_LAYOUT)
    lines = parse_lines(source, _LINE)
    require_count("photos", len(lines), _PHOTOS, source)
    pictures = pictures_in(folder)
    for number, line in enumerate(lines, 1):
        key, captions = _row(line, f"{source}, line {number}")
        yield record_of(key, captions, created, split="test", media=pictures.get(f"{key}.jpg"))


def _row(line: dict[str, Any], where: str) -> tuple[str, dict[str, list[str]]]:
    key = line.get("image/key")
    if not isinstance(key, str) or not key:
        raise DatasetError("a line has no image/key", item=where)
    try:
        # Next to the languages there are fields about the photo itself, such as "image/locale".
        spoken = {tag: value for tag, value in line.items() if not tag.startswith("image/")}
        captions = {tag: _CAPTIONS.validate_python(value["caption"]) for tag, value in spoken.items()}
    except (KeyError, TypeError, ValidationError) as error:
        raise DatasetError(
            "a line has a language without a list of captions", item=where, value=key
        ) from error
    return key, captions
