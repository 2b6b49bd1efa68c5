"""Crossmodal-3600: 3,600 photos from all over the world, captioned by people in 36 languages, all nine among
them.

Layout: ``captions.jsonl`` (a line a photo: ``image/key`` and, for each language, ``{"caption": [..], ..}``),
photos as ``<key>.jpg`` in ``images/`` or ``images.zip``. Captions are no translations of each other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from polyreel.datasets.items import Corpus
from polyreel.datasets.reading import Listing, assemble, locate, pictures_in, require_count
from polyreel.datasets.strict_json import parse_lines
from polyreel.errors import DatasetError

__all__ = ["list_xm3600", "read_xm3600"]

_PHOTOS = 3_600
_REMEDY = (
    "Put captions.jsonl of Crossmodal-3600, and its photos as images/<key>.jpg or images.zip, into the folder"
)
_LINE = TypeAdapter(dict[str, Any])
_CAPTIONS = TypeAdapter(list[str])


def read_xm3600(folder: Path) -> Corpus:
    """The photos that are there: ``list_xm3600`` without what has no photo.

    Raises:
        DatasetError: as ``list_xm3600``, or there are no photos.
    """
    return assemble(list_xm3600(folder))


def list_xm3600(folder: Path) -> Listing:
    """The rows, in the file's order, with their captions in every language of the file.

    Raises:
        DatasetError: a file is missing or not as it should be, or a count is not the published one.
    """
    source = locate(folder, "captions.jsonl", remedy=_REMEDY)
    lines = parse_lines(source, _LINE)
    require_count("photos", len(lines), _PHOTOS, source)
    rows = [_row(line, f"{source}, line {number}") for number, line in enumerate(lines, 1)]
    return Listing("xm3600", rows, pictures_in(folder), source, "picture", _REMEDY)


def _row(line: dict[str, Any], where: str) -> tuple[str, str, dict[str, list[str]]]:
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
    return key, f"{key}.jpg", captions
