"""YouCook2: cooking videos, each step with its times and one English sentence.

Layout: ``youcookii_annotations_trainval.json`` (``database`` -> video id -> ``subset``, ``annotations`` with
``segment`` in seconds and ``sentence``), videos as ``<id>.mp4`` in whatever subfolder of ``videos/`` or
``raw_videos/``. The sentences of the test set were never published; retrieval is measured on the validation
videos. Papers count between 3,305 and 3,492 steps there, because videos have vanished since 2018.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from polyreel.clips import Caption, Clip
from polyreel.datasets.reading import locate
from polyreel.datasets.records import Record, Stream, VideoFile
from polyreel.datasets.strict_json import parse
from polyreel.languages import clean
from polyreel.media.suffixes import VIDEO_SUFFIXES
from polyreel.problems import Missing

__all__ = ["YOUCOOK2_CLIPS", "YOUCOOK2_LAYOUT", "youcook2_records"]

YOUCOOK2_CLIPS = {"train": 10_337, "dev": 3_492}
"""Split -> number of its steps as published, of 1,333 and 457 videos."""

_FILE = "youcookii_annotations_trainval.json"
YOUCOOK2_LAYOUT = f"Put {_FILE} and videos/<id>.mp4 into a folder"
_SPLITS = {"training": "train", "validation": "dev"}


class _Step(BaseModel):
    segment: tuple[float, float]
    sentence: str


class _Video(BaseModel):
    subset: str
    annotations: list[_Step]


class _Annotations(BaseModel):
    database: dict[str, _Video]


_ANNOTATIONS = TypeAdapter(_Annotations)


def youcook2_records(folder: Path) -> Stream:
    """A clip for each step, in the order of the annotations; a step that cannot be one is ``Missing``.

    Raises:
        DatasetError: the annotations are missing or not as they should be.
    """
    annotations = parse(locate(folder, _FILE, remedy=YOUCOOK2_LAYOUT), _ANNOTATIONS)
    files = {
        path.stem: VideoFile(path.absolute())
        for place in ("videos", "raw_videos")
        for path in sorted((folder / place).rglob("*"))
        if path.suffix.lower() in VIDEO_SUFFIXES
    }
    for id_, video in annotations.database.items():
        begun: set[float] = set()
        for number, step in enumerate(video.annotations):
            start_s, end_s = step.segment
            text = clean(step.sentence)
            fault = _fault(start_s, end_s, text, begun)
            if fault is not None:
                yield Missing(f"{id_} step {number}", fault)
                continue
            begun.add(start_s)
            caption = Caption(text, "en", start_s, end_s, "created")
            split = _SPLITS.get(video.subset, video.subset)
            yield Record(Clip(id_, start_s, end_s), (caption,), split, files.get(id_))


def _fault(start_s: float, end_s: float, text: str, begun: set[float]) -> str | None:
    if not 0 <= start_s < end_s < float("inf"):
        return "a step's times cannot be"
    if not text:
        return "a step has no sentence"
    return "two steps of a video begin together" if start_s in begun else None
