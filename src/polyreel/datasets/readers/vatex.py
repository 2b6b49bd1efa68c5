"""VATEX: ten-second web videos with ten English and ten Chinese captions each, both written by people.

Layout: ``vatex_training_v1.0.json`` and ``vatex_validation_v1.0.json`` (lists of ``videoID``, ``enCap``,
``chCap``), videos as ``videos/<videoID>.mp4``. Of the public test set only the English captions are published
(``vatex_public_test_english_v1.1.json``, without ``chCap``), so both languages are measured on the 3,000
validation videos, cut in halves by Chen et al. (HGR, CVPR 2020): ``val_list.txt`` and
``test_list.txt``, an id a line. Known fault: the half for testing has 14,999 Chinese captions, not 15,000.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, Field, TypeAdapter

from polyreel.datasets.reading import locate, read_lines, require_count, videos_in
from polyreel.datasets.records import Stream, created, record_of
from polyreel.datasets.strict_json import parse
from polyreel.errors import DatasetError, UnknownNameError

__all__ = ["VATEX_LAYOUT", "VATEX_SPLITS", "vatex_records"]

VATEX_SPLITS = {"train": 25_991, "validation": 3_000, "val": 1_500, "test": 1_500, "public-test": 6_000}
"""Split, as papers call it -> number of its videos; "val" and "test" are the halves of "validation"."""
VATEX_LAYOUT = (
    "Put vatex_training_v1.0.json or vatex_validation_v1.0.json, test_list.txt and val_list.txt, and "
    "videos/<videoID>.mp4 into a folder"
)
_LENGTH_S = 10.0


class _Row(BaseModel):
    id: str = Field(alias="videoID")
    english: list[str] = Field(alias="enCap")
    chinese: list[str] = Field(alias="chCap")


class _EnglishRow(_Row):
    chinese: list[str] = Field(alias="chCap", default_factory=list)


_ROWS = TypeAdapter(list[_Row])
_ENGLISH_ROWS = TypeAdapter(list[_EnglishRow])
_FILES = {"train": "vatex_training_v1.0.json", "public-test": "vatex_public_test_english_v1.1.json"}


def vatex_records(folder: Path, splits: Mapping[str, str] | None = None) -> Stream:
    """The videos in the order of the annotations.

    Args:
        folder: as the layout says; videos may be absent.
        splits: split of the records -> which of ``VATEX_SPLITS`` it is; if None, those whose annotations are
            there, with dev and test apart where their lists are. The public test set is read where it is
            named.

    Raises:
        UnknownNameError: no such split.
        DatasetError: a file is missing or not as it should be, or a count is not the published one.
    """
    videos = videos_in(folder, ["videos"])
    for split, name in (splits if splits is not None else _splits_in(folder)).items():
        for row in _annotations(folder, name):
            captions = {"en": row.english, "zh": row.chinese}
            media = videos.get(row.id)
            # "<YouTube id>_<start>_<end>", the times in six digits.
            upload = row.id.rsplit("_", 2)[0]
            yield record_of(
                row.id, captions, created, split=split, media=media, length_s=_LENGTH_S, source=upload
            )


def _splits_in(folder: Path) -> dict[str, str]:
    has_lists = (folder / "val_list.txt").is_file() and (folder / "test_list.txt").is_file()
    splits = {"train": "train"} if list(folder.glob("vatex_training_v1.0.json*")) else {}
    if list(folder.glob("vatex_validation_v1.0.json*")) or not splits:
        splits |= {"dev": "val", "test": "test"} if has_lists else {"dev": "validation"}
    return splits


def _annotations(folder: Path, name: str) -> list[_Row]:
    if name not in VATEX_SPLITS:
        raise UnknownNameError("VATEX split", name, VATEX_SPLITS)
    source = locate(folder, _FILES.get(name, "vatex_validation_v1.0.json"), remedy=VATEX_LAYOUT)
    rows: list[_Row]
    if name == "public-test":
        english = parse(source, _ENGLISH_ROWS)
        rows = [*english]
    else:
        rows = parse(source, _ROWS)
    if name in {"val", "test"}:
        source = locate(folder, f"{name}_list.txt", remedy=VATEX_LAYOUT)
        listed = {line.strip() for line in read_lines(source) if line.strip()}
        if unknown := sorted(listed - {row.id for row in rows}):
            raise DatasetError(
                "a list names videos without annotations", item=source, value=", ".join(unknown[:5])
            )
        rows = [row for row in rows if row.id in listed]
    require_count(f"videos in {name}", len(rows), VATEX_SPLITS[name], source)
    return rows
