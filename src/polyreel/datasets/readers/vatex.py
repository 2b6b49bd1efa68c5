"""VATEX: ten-second web videos with ten English and ten Chinese captions each, both written by people.

Layout: ``vatex_training_v1.0.json`` and ``vatex_validation_v1.0.json`` (lists of ``videoID``, ``enCap``,
``chCap``), videos as ``videos/<videoID>.mp4``. The captions of the test set were never published, so
retrieval is measured on the 3,000 validation videos, cut in halves by Chen et al. (HGR, CVPR 2020):
``val_list.txt`` and ``test_list.txt``, an id a line. Known fault: the half for testing has 14,999 Chinese
captions, not 15,000.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field, TypeAdapter

from polyreel.datasets.items import Corpus
from polyreel.datasets.reading import Listing, assemble, locate, read_lines, require_count, videos_in
from polyreel.datasets.strict_json import parse
from polyreel.errors import DatasetError, UnknownNameError

__all__ = ["VATEX_SPLITS", "list_vatex", "read_vatex"]

VATEX_SPLITS = {"train": 25_991, "validation": 3_000, "val": 1_500, "test": 1_500}
"""Split -> number of its videos; "val" and "test" are the halves of "validation"."""

_REMEDY = (
    "Put vatex_training_v1.0.json or vatex_validation_v1.0.json, test_list.txt and val_list.txt, and "
    "videos/<videoID>.mp4 into the folder"
)


class _Row(BaseModel):
    id: str = Field(alias="videoID")
    english: list[str] = Field(alias="enCap")
    chinese: list[str] = Field(alias="chCap")


_ROWS = TypeAdapter(list[_Row])


def read_vatex(folder: Path, split: str) -> Corpus:
    """The videos of one split that are there: ``list_vatex`` without what has no video.

    Raises:
        UnknownNameError: no such split.
        DatasetError: as ``list_vatex``, or there are no videos.
    """
    return assemble(list_vatex(folder, split))


def list_vatex(folder: Path, split: str) -> Listing:
    """The rows of one split, in the order of the annotations.

    Args:
        folder: as described above.
        split: one of ``VATEX_SPLITS``.

    Raises:
        UnknownNameError: no such split.
        DatasetError: a file is missing or not as it should be, or a count is not the published one.
    """
    if split not in VATEX_SPLITS:
        raise UnknownNameError("VATEX split", split, VATEX_SPLITS)
    part = "training" if split == "train" else "validation"
    source = locate(folder, f"vatex_{part}_v1.0.json", remedy=_REMEDY)
    annotations = parse(source, _ROWS)
    if split in {"val", "test"}:
        source = locate(folder, f"{split}_list.txt", remedy=_REMEDY)
        listed = {line.strip() for line in read_lines(source) if line.strip()}
        if unknown := sorted(listed - {row.id for row in annotations}):
            raise DatasetError(
                "a list names videos without annotations", item=source, value=", ".join(unknown[:5])
            )
        annotations = [row for row in annotations if row.id in listed]
    require_count(f"videos in {split}", len(annotations), VATEX_SPLITS[split], source)
    rows = [(row.id, row.id, {"en": row.english, "zh": row.chinese}) for row in annotations]
    videos = videos_in(folder, ["videos"])
    return Listing(f"vatex {split}", rows, videos, source, "video", _REMEDY)
