"""Key frames of real MSR-VTT videos with captions: our own train and dev split, dev in nine languages.

Layout: ``videos.jsonl`` (a line a video: ``video``, ``split``, ``start_s``, ``end_s``, ``caption_en``,
``captions_it``, ``youtube``, ``same_source_as_test``, ..), ``frames-N.zip`` with up to four key frames a
video, ``dev-captions.json`` with the dev captions in nine languages.
"""

from __future__ import annotations

import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, TypeAdapter

from polyreel.datasets.reading import locate
from polyreel.datasets.records import Frames, Stream, created_in, record_of
from polyreel.datasets.strict_json import parse, parse_lines
from polyreel.errors import DatasetError
from polyreel.languages import STUDY_LANGUAGES
from polyreel.problems import Missing

__all__ = ["FRAMES_CREATION", "FRAMES_LAYOUT", "msrvtt_dev_records", "msrvtt_frames_records"]

# Those of dev in other languages than English were written for this project.
FRAMES_CREATION = created_in(*STUDY_LANGUAGES, others="machine-translated")
FRAMES_LAYOUT = "Put videos.jsonl, dev-captions.json and frames-N.zip into a folder"


class _Video(BaseModel):
    video: str
    youtube: str = ""
    split: Literal["train", "dev"]
    start_s: float
    end_s: float
    caption_en: str
    captions_it: list[str]
    same_source_as_test: bool


class _DevCaptions(BaseModel):
    id: str
    caption: dict[str, str]


_VIDEO = TypeAdapter(_Video)
_DEV_CAPTIONS = TypeAdapter(list[_DevCaptions])


def msrvtt_dev_records(folder: Path) -> Stream:
    """The 324 videos of dev in the order of their captions, each with one caption in each of nine languages.

    Raises:
        DatasetError: a file is missing or not as it should be.
    """
    frames = _frames(folder)
    for row in _dev_captions(folder):
        if row.id not in frames:
            yield Missing(row.id, "no key frames")
            continue
        captions = {tag: [text] for tag, text in row.caption.items()}
        yield record_of(row.id, captions, FRAMES_CREATION, split="dev", media=frames[row.id])


def msrvtt_frames_records(folder: Path) -> Stream:
    """Train and dev videos, from 0 to their length; dev in nine languages, and Italian where there is any.

    Videos that were cut from the same source as a video of the standard test set are left out.

    Raises:
        DatasetError: a file is missing or not as it should be.
    """
    videos = parse_lines(locate(folder, "videos.jsonl", remedy=FRAMES_LAYOUT), _VIDEO)
    dev = {row.id: row.caption for row in _dev_captions(folder)}
    frames = _frames(folder)
    for video in videos:
        if video.same_source_as_test:
            yield Missing(video.video, "cut from the same source as a video of the standard test set")
        elif video.video not in frames:
            yield Missing(video.video, "no key frames")
        elif video.split == "dev" and video.video not in dev:
            yield Missing(video.video, "no captions in nine languages")
        else:
            others = {tag: [text] for tag, text in dev.get(video.video, {}).items() if tag != "en"}
            yield record_of(
                video.video,
                {"en": [video.caption_en], **others, "it": video.captions_it},
                FRAMES_CREATION,
                split=video.split,
                media=frames[video.video],
                length_s=round(video.end_s - video.start_s, 3),
                source=video.youtube,
            )


def _dev_captions(folder: Path) -> list[_DevCaptions]:
    return parse(locate(folder, "dev-captions.json", remedy=FRAMES_LAYOUT), _DEV_CAPTIONS)


def _frames(folder: Path) -> dict[str, Frames]:
    """Video -> its key frames, in order."""
    found: dict[str, list[str]] = defaultdict(list)
    try:
        for archive in sorted(folder.glob("frames-*.zip")):
            with zipfile.ZipFile(archive) as packed:
                for name in sorted(packed.namelist()):
                    if not name.endswith("/"):
                        found[name.split("/")[0]].append(f"{archive.name}!{name}")
    except (OSError, zipfile.BadZipFile) as error:
        raise DatasetError("the key frames cannot be read", item=folder, value=error) from error
    return {video: Frames(folder, tuple(references)) for video, references in found.items()}
