"""Anyone's own videos or pictures with captions, in one of two forms.

- ``captions.csv``, ``.tsv`` or ``.jsonl``: a row a caption. Columns ``media`` (a path below the folder) and
  ``caption``; if wanted ``language`` (a BCP-47 tag; detected over the whole file if there is no such column),
  ``start_s`` and ``end_s``, ``split``. Rows of the same media and start make one clip.
- ``items.jsonl``, as benchmarks have it: one JSON object a line, ``{"id": "..", "media": path or
  [picture, ..], "caption": {language: [text, ..]}}`` and, if wanted, ``"also_relevant": [id, ..]``.

Paths are relative to the folder and stay in it; ``archive.zip!member`` reads inside a zip.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from polyreel.clips import Caption, Clip
from polyreel.datasets.reading import read_text
from polyreel.datasets.records import (
    Frames,
    Media,
    Record,
    Stream,
    VideoFile,
    captions_of,
    created_in,
    in_groups,
)
from polyreel.datasets.strict_json import parse_numbered_lines
from polyreel.errors import DatasetError, MediaError
from polyreel.languages import clean, detect, parse_tag
from polyreel.media.pictures import PICTURE_SUFFIXES
from polyreel.media.readers import open_video
from polyreel.packages.members import sha256_of
from polyreel.problems import Missing

__all__ = ["FOLDER_CREATION", "FOLDER_LAYOUT", "folder_records", "identify_folder", "item_records"]

_ITEMS_FILE = "items.jsonl"
_TABLES = ("captions.csv", "captions.tsv", "captions.jsonl")
FOLDER_LAYOUT = (
    f"Put {_ITEMS_FILE}, as docs/evaluation.md shows, or, for 'polyreel data' alone, {', '.join(_TABLES)} "
    "(columns media, caption, language, ...) into a folder"
)
FOLDER_CREATION = created_in(others="unknown")
_DETECTION_CHARS = 2_000
_Place = tuple[str, float | None]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")

    media: str = Field(min_length=1)
    caption: str
    language: str | None = None
    start_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    end_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    split: str = "train"


class _Item(BaseModel):
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    id: str
    media: str | list[str]
    caption: dict[str, str | list[str]]
    also_relevant: list[str] = []


_ROW = TypeAdapter(_Row)
_ITEM = TypeAdapter(_Item)


@dataclass(frozen=True, slots=True)
class _Clip:
    """What all rows of one clip agree on, and their captions."""

    media: Media
    end_s: float | None
    split: str
    captions: list[tuple[str, str]]


def folder_records(folder: Path) -> Stream:
    """Every clip, in the order of its first row. One whose media cannot be read is ``Missing``.

    Raises:
        DatasetError: there is no table, or a row is not as it should be; the message names the line.
    """
    if (folder / _ITEMS_FILE).is_file():
        yield from item_records(folder)
        return
    table = next((folder / name for name in _TABLES if (folder / name).is_file()), None)
    if table is None:
        raise DatasetError("there are no captions", item=folder, remedy=FOLDER_LAYOUT)
    for (media, start_s), clip in _clips(folder, table).items():
        if not _is_there(clip.media, folder):
            yield Missing(media, "no such file")
            continue
        begin_s = start_s or 0.0
        try:
            end_s = clip.end_s if clip.end_s is not None else _length_s(clip.media)
        except MediaError as error:
            yield Missing(media, error.what)
            continue
        if end_s < begin_s:
            yield Missing(media, "a clip ends before it starts")
            continue
        captions = tuple(Caption(text, tag, begin_s, end_s, "unknown") for tag, text in clip.captions)
        if captions:
            yield Record(Clip(media, begin_s, end_s), captions, clip.split, clip.media)
        else:
            yield Missing(media, "no caption")


def identify_folder(folder: Path) -> str:
    """Which data these are: a digest of the list of items, so that results on other lists do not compare.

    Raises:
        DatasetError: there is no list.
    """
    return f"{_ITEMS_FILE} {sha256_of(_list_of(folder))[:16]}"


def item_records(folder: Path) -> Stream:
    """The clips of ``items.jsonl``, in its order; those that are relevant to each other share a concept.

    Raises:
        DatasetError: there is no list, or a line of it is not as it should be; the message names the line.
    """
    path = _list_of(folder)
    records = [_of_item(folder, where, item) for where, item in parse_numbered_lines(path, _ITEM)]
    if not records:
        raise DatasetError("the list of items is empty", item=path)
    ids = {record.clip.video for record in records}
    if unknown := sorted({other for record in records for other in record.also_relevant or ()} - ids):
        raise DatasetError(
            "also_relevant names ids that are not there", item=path, value=", ".join(unknown[:5])
        )
    concepts = in_groups((record.clip.video, record.also_relevant or ()) for record in records)
    for record in records:
        yield replace(record, concept=concepts.get(record.clip.video, ""))


def _list_of(folder: Path) -> Path:
    path = folder / _ITEMS_FILE
    if not path.is_file():
        raise DatasetError(
            f"the folder has no {_ITEMS_FILE}", item=folder, remedy="Write one as docs/evaluation.md shows"
        )
    return path


def _of_item(folder: Path, where: str, item: _Item) -> Record:
    said = {
        _tag(tag, where): [texts] if isinstance(texts, str) else texts for tag, texts in item.caption.items()
    }
    clip = Clip(item.id, 0.0, 0.0)
    captions = captions_of(said, clip, FOLDER_CREATION)
    if not captions:
        raise DatasetError("an item without a caption", item=where, value=item.id)
    media = _media_at(folder, item.media, where)
    return Record(clip, captions, media=media, also_relevant=tuple(item.also_relevant))


def _clips(folder: Path, table: Path) -> dict[_Place, _Clip]:
    rows = list(_csv_rows(table) if table.suffix != ".jsonl" else parse_numbered_lines(table, _ROW))
    if not rows:
        raise DatasetError("the table of captions is empty", item=table)
    common = detect(" ".join(row.caption for _, row in rows)[:_DETECTION_CHARS]).language
    clips: dict[_Place, _Clip] = {}
    for where, row in rows:
        place = row.media, row.start_s
        if place not in clips:
            clips[place] = _Clip(_media_at(folder, row.media, where), row.end_s, row.split, [])
        clip = clips[place]
        if (clip.end_s, clip.split) != (row.end_s, row.split):
            raise DatasetError("rows of one clip differ in end_s or split", item=where, value=row.media)
        tag = common if row.language is None else _tag(row.language, where)
        if text := clean(row.caption):
            clip.captions.append((tag, text))
    return clips


def _tag(given: str, where: str) -> str:
    tag = parse_tag(given)
    if tag is None:
        raise DatasetError(
            "not a language tag", item=where, value=repr(given), remedy="Use en, de, pt-BR and the like"
        )
    return tag


def _csv_rows(table: Path) -> Iterator[tuple[str, _Row]]:
    # Commas need quoting and tabs do not, so a stray quotation mark is an error in one and text in the other.
    lines = io.StringIO(read_text(table), newline="")
    if table.suffix == ".csv":
        reader = csv.DictReader(lines, strict=True)
    else:
        reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True)
    try:
        for cells in reader:
            where = f"{table}, line {reader.line_num}"
            if None in cells or None in cells.values():
                raise DatasetError("a line has more or fewer cells than the first", item=where)
            yield where, _ROW.validate_python({key: cell for key, cell in cells.items() if cell})
    except ValidationError as error:
        first = error.errors()[0]
        value = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise DatasetError(
            "a line is not as it should be", item=where, value=value, remedy=FOLDER_LAYOUT
        ) from error
    except csv.Error as error:
        raise DatasetError(
            "a line is no CSV", item=f"{table}, line {reader.line_num}", value=error
        ) from error


def _is_there(media: Media, folder: Path) -> bool:
    if isinstance(media, VideoFile):
        return media.path.is_file()
    return all((folder / reference.partition("!")[0]).is_file() for reference in media.references)


def _length_s(media: Media) -> float:
    """Of a video, as its container states it; 0 for pictures, and where it states none."""
    if not isinstance(media, VideoFile):
        return 0.0
    with open_video(media.path) as reader:
        return reader.duration_asked_s or 0.0


def _media_at(folder: Path, given: str | list[str], where: str) -> Media:
    """What a reference in a list means: a picture, several in order, or a video. It need not be there."""
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
