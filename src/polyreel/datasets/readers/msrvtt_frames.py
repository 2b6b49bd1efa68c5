"""Key frames of real MSR-VTT videos with captions: our own train and dev split, dev in nine languages.

Layout: ``videos.jsonl`` (a line a video: ``video``, ``split``, ``start_s``, ``end_s``, ``caption_en``,
``captions_it``, ``same_source_as_test``, ..), ``frames-N.zip`` with up to four key frames a video,
``dev-captions.json`` with the dev captions in nine languages.
"""

from __future__ import annotations

import json
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

from polyreel.clips import Caption, Clip, SampleCreation
from polyreel.datasets.items import Corpus, Frames, Item, cleaned_captions, require_unique
from polyreel.datasets.reading import locate
from polyreel.datasets.records import Record
from polyreel.datasets.strict_json import parse, parse_lines
from polyreel.errors import DatasetError
from polyreel.problems import Missing

__all__ = ["msrvtt_frames_records", "read_msrvtt_dev"]

_REMEDY = "Put videos.jsonl, dev-captions.json and frames-N.zip into the folder"


class _Video(BaseModel):
    video: str
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


def read_msrvtt_dev(folder: Path) -> Corpus:
    """The 324 dev videos, each with one caption in each of nine languages.

    Raises:
        DatasetError: a file is missing or not as it should be.
    """
    source = folder / "dev-captions.json"
    try:
        rows: list[dict[str, Any]] = json.loads(source.read_text(encoding="utf-8"))
        frames = _frames(folder)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DatasetError(
            "the key frames or their captions cannot be read", item=folder, value=error
        ) from error
    items, missing = [], []
    for row in rows:
        if row["id"] not in frames:
            missing.append(Missing(row["id"], "no key frames"))
            continue
        captions = cleaned_captions({tag: [text] for tag, text in row["caption"].items()})
        items.append(Item(row["id"], Frames(folder, tuple(frames[row["id"]])), captions))
    return Corpus("msrvtt-dev-9", require_unique(items, source), tuple(missing))


def _frames(folder: Path) -> dict[str, list[str]]:
    """Video -> references of its key frames, in order."""
    frames: dict[str, list[str]] = defaultdict(list)
    for archive in sorted(folder.glob("frames-*.zip")):
        with zipfile.ZipFile(archive) as packed:
            for name in sorted(packed.namelist()):
                if not name.endswith("/"):
                    frames[name.split("/")[0]].append(f"{archive.name}!{name}")
    return frames


def msrvtt_frames_records(folder: Path) -> Iterator[Record | Missing]:
    """Train and dev videos, from 0 to their length; dev in nine languages, and Italian where there is any.

    Videos that were cut from the same source as a video of the standard test set are left out.

    Raises:
        DatasetError: a file is missing or not as it should be.
    """
    videos = parse_lines(locate(folder, "videos.jsonl", remedy=_REMEDY), _VIDEO)
    written = parse(locate(folder, "dev-captions.json", remedy=_REMEDY), _DEV_CAPTIONS)
    dev = {row.id: row.caption for row in written}
    try:
        frames = _frames(folder)
    except (OSError, zipfile.BadZipFile) as error:
        raise DatasetError("the key frames cannot be read", item=folder, value=error) from error
    for video in videos:
        if video.same_source_as_test:
            yield Missing(video.video, "cut from the same source as a video of the standard test set")
        elif not frames.get(video.video):
            yield Missing(video.video, "no key frames")
        elif video.split == "dev" and video.video not in dev:
            yield Missing(video.video, "no captions in nine languages")
        else:
            clip = Clip(video.video, 0.0, round(video.end_s - video.start_s, 3))
            others = {tag: [text] for tag, text in dev.get(video.video, {}).items() if tag != "en"}
            captions = [
                *_captions(clip, {"en": [video.caption_en]}, "created"),
                *_captions(clip, others, "unknown"),
                *_captions(clip, {"it": video.captions_it}, "machine-translated"),
            ]
            yield Record(clip, tuple(captions), video.split, Frames(folder, tuple(frames[video.video])))


def _captions(clip: Clip, texts: Mapping[str, Iterable[str]], creation: SampleCreation) -> Iterator[Caption]:
    for tag, cleaned in cleaned_captions(texts).items():
        for text in cleaned:
            yield Caption(text, tag, clip.start_s, clip.end_s, creation)
