"""Anyone's own clips: a folder with ``items.jsonl``.

One JSON object a line: ``{"id": "..", "media": path or [picture, ..], "caption": {language: [text, ..]}}``
and, if wanted, ``"also_relevant": [id, ..]``. Paths are relative to the folder and stay in it;
``archive.zip!member`` reads inside a zip.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, ValidationError

from polyreel.datasets.items import Corpus, Frames, Item, Media, VideoFile, cleaned_captions, require_unique
from polyreel.errors import DatasetError
from polyreel.languages import parse_tag
from polyreel.media.pictures import PICTURE_SUFFIXES
from polyreel.packages.members import sha256_of

__all__ = ["ITEMS_FILE", "identify_folder", "media_at", "read_folder"]

ITEMS_FILE = "items.jsonl"
_REMEDY = "Write a line for each clip, as docs/evaluation.md shows"


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    id: str
    media: str | list[str]
    caption: dict[str, str | list[str]]
    also_relevant: list[str] = []


def identify_folder(folder: Path) -> str:
    """Which data these are: a digest of the list of items, so that results on other lists do not compare.

    Raises:
        DatasetError: there is no list.
    """
    path = folder / ITEMS_FILE
    if not path.is_file():
        raise DatasetError(f"the folder has no {ITEMS_FILE}", item=folder, remedy=_REMEDY)
    return f"{ITEMS_FILE} {sha256_of(path)[:16]}"


def read_folder(folder: Path) -> Corpus:
    """The corpus in ``folder``.

    Raises:
        DatasetError: there is no ``items.jsonl``, or a line of it is not as it should be; the message names
        the line.
    """
    path = folder / ITEMS_FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise DatasetError(
            f"the folder has no {ITEMS_FILE}",
            item=folder,
            remedy=_REMEDY,
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError("the list of items cannot be read", item=path, value=error) from error
    items = [_item(folder, path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not items:
        raise DatasetError("the list of items is empty", item=path)
    return Corpus(f"folder {folder.name}", require_unique(items, path))


def _item(folder: Path, source: Path, number: int, text: str) -> Item:
    where = f"{source}, line {number}"
    try:
        line = _Line.model_validate(json.loads(text))
    except (json.JSONDecodeError, ValidationError) as error:
        detail = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": error.msg}
        place = ".".join(map(str, detail["loc"]))
        raise DatasetError(
            "a line is not as it should be", item=where, value=f"{place} {detail['msg']}"
        ) from error
    captions = {}
    for tag, texts in line.caption.items():
        language = parse_tag(tag)
        if language is None:
            raise DatasetError(
                "not a language tag", item=where, value=repr(tag), remedy="Use en, de, pt-BR and the like"
            )
        captions[language] = [texts] if isinstance(texts, str) else texts
    cleaned = cleaned_captions(captions)
    if not cleaned:
        raise DatasetError("an item without a caption", item=where, value=line.id)
    return Item(line.id, media_at(folder, line.media, where), cleaned, tuple(line.also_relevant))


def media_at(folder: Path, given: str | list[str], where: str) -> Media:
    """What a reference in a list means: a picture, several in order, or a video. It need not be there.

    Args:
        folder: that references are relative to.
        given: ``"a/b.jpg"``, ``"archive.zip!a/b.jpg"``, several of these, or a video's path.
        where: the list and line, for messages.

    Raises:
        DatasetError: it leads out of the folder, or is a video inside an archive.
    """
    references = [given] if isinstance(given, str) else given
    if not references or not all(references):
        raise DatasetError("an item without media", item=where)
    for reference in references:
        path = reference.partition("!")[0]
        if not (folder / path).resolve().is_relative_to(folder.resolve()):
            raise DatasetError("a path leads out of the folder", item=where, value=reference)
    if isinstance(given, str) and PurePosixPath(given).suffix.lower() not in PICTURE_SUFFIXES:
        if "!" in given:
            raise DatasetError("a video inside an archive", item=where, value=given, remedy="Unpack it")
        return VideoFile((folder / given).absolute())
    return Frames(folder, tuple(references))
