"""Anyone's own videos or pictures with captions in a table: ``captions.csv``, ``captions.tsv`` or
``captions.jsonl``.

A row a caption. Columns ``media`` (a path below the folder) and ``caption``; if wanted ``language`` (a BCP-47
tag; detected over the whole file if there is no such column), ``start_s`` and ``end_s``, ``split``. Rows of
the same media and start make one clip. A folder with ``items.jsonl``, as benchmarks have it, is read by
``folder``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from polyreel.clips import Caption, Clip
from polyreel.datasets.items import Media, VideoFile
from polyreel.datasets.readers.adapters import corpus_records
from polyreel.datasets.readers.folder import ITEMS_FILE, media_at, read_folder
from polyreel.datasets.reading import read_text
from polyreel.datasets.records import Record
from polyreel.datasets.strict_json import parse_numbered_lines
from polyreel.errors import DatasetError, MediaError
from polyreel.languages import clean, detect, parse_tag
from polyreel.media.readers import open_video
from polyreel.problems import Missing

__all__ = ["captioned_records"]

_TABLES = ("captions.csv", "captions.tsv", "captions.jsonl")
_REMEDY = f"Put {', '.join(_TABLES)} (columns media, caption, ...) or {ITEMS_FILE} into the folder"
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


_ROW = TypeAdapter(_Row)


@dataclass(frozen=True, slots=True)
class _Clip:
    """What all rows of one clip agree on, and their captions."""

    media: Media
    end_s: float | None
    split: str
    captions: list[tuple[str, str]]


def captioned_records(folder: Path) -> Iterator[Record | Missing]:
    """Every clip, in the order of its first row. One whose media cannot be read is ``Missing``.

    Raises:
        DatasetError: there is no table, or a row is not as it should be; the message names the line.
    """
    if (folder / ITEMS_FILE).is_file():
        yield from corpus_records(read_folder(folder), creation=lambda _: "unknown")
        return
    table = next((folder / name for name in _TABLES if (folder / name).is_file()), None)
    if table is None:
        raise DatasetError("there are no captions", item=folder, remedy=_REMEDY)
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


def _clips(folder: Path, table: Path) -> dict[_Place, _Clip]:
    rows = list(_csv_rows(table) if table.suffix != ".jsonl" else parse_numbered_lines(table, _ROW))
    if not rows:
        raise DatasetError("the table of captions is empty", item=table)
    common = detect(" ".join(row.caption for _, row in rows)[:_DETECTION_CHARS]).language
    clips: dict[_Place, _Clip] = {}
    for where, row in rows:
        place = row.media, row.start_s
        if place not in clips:
            clips[place] = _Clip(media_at(folder, row.media, where), row.end_s, row.split, [])
        clip = clips[place]
        if (clip.end_s, clip.split) != (row.end_s, row.split):
            raise DatasetError("rows of one clip differ in end_s or split", item=where, value=row.media)
        tag = common if row.language is None else parse_tag(row.language)
        if tag is None:
            raise DatasetError(
                "not a language tag",
                item=where,
                value=repr(row.language),
                remedy="Use en, de, pt-BR and the like",
            )
        if text := clean(row.caption):
            clip.captions.append((tag, text))
    return clips


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
            "a line is not as it should be", item=where, value=value, remedy=_REMEDY
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
