"""MSR-VTT: 10,000 web videos with 20 English sentences each, in its three usual splits.

Layout: ``MSRVTT_data.json`` (or ``train_val_videodatainfo.json`` and ``test_videodatainfo.json``); videos as
``<video_id>.mp4`` in ``videos/``, ``videos/all/``, ``TrainValVideo/`` or ``TestVideo/``; the lists of the
splits: ``MSRVTT_JSFUSION_test.csv`` for 1k-A, ``1k-B.csv`` or ``test_list_miech.txt`` and
``train_list_miech.txt`` for 1k-B. Captions in further languages, if there are any, are read as
``translations`` describes.

In 1k-A and 1k-B a video has one sentence as its query. A translation then needs one caption a video, or all
20 in the order of the annotations, of which the query's is taken.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from polyreel.datasets.items import Corpus
from polyreel.datasets.readers.translations import read_translations
from polyreel.datasets.reading import (
    Listing,
    assemble,
    locate,
    read_lines,
    read_text,
    require_count,
    videos_in,
)
from polyreel.datasets.strict_json import parse
from polyreel.errors import DatasetError, UnknownNameError

__all__ = ["MSRVTT_SPLITS", "list_msrvtt", "read_msrvtt"]

MSRVTT_SPLITS = {
    "1k-A": 1_000,
    "1k-A-train-7k": 7_010,
    "1k-A-train-9k": 9_000,
    "1k-B": 1_000,
    "1k-B-train": 6_656,
    "full": 2_990,
    "full-train": 6_513,
    "full-val": 497,
}
"""Split -> number of its videos. Those without "train" or "val" in their name are test sets."""

_SENTENCES_PER_VIDEO = 20
_OFFICIAL_PARTS = {
    "1k-A-train-7k": {"train", "validate"},
    "1k-A-train-9k": {"train", "validate", "test"},
    "full": {"test"},
    "full-train": {"train"},
    "full-val": {"validate"},
}
_PLACES = ("videos", "videos/all", "TrainValVideo", "TestVideo")
_REMEDY = "Put MSRVTT_data.json, the lists of the splits and videos/<video_id>.mp4 into the folder"


class _Video(BaseModel):
    video_id: str
    split: str


class _Sentence(BaseModel):
    video_id: str
    caption: str


class _Annotations(BaseModel):
    videos: list[_Video]
    sentences: list[_Sentence]


_ANNOTATIONS = TypeAdapter(_Annotations)


def read_msrvtt(folder: Path, split: str) -> Corpus:
    """The videos of one split that are there: ``list_msrvtt`` without what has no video.

    Raises:
        UnknownNameError: no such split.
        DatasetError: as ``list_msrvtt``, or there are no videos.
    """
    return assemble(list_msrvtt(folder, split))


def list_msrvtt(folder: Path, split: str) -> Listing:
    """The rows of one split, in the order of its list or else of the annotations.

    1k-A has the sentence of its list as the one caption of a video; 1k-B that of its list or, as its authors
    did, the first of the annotations. In all other splits a video has its 20.

    Args:
        folder: as described above.
        split: one of ``MSRVTT_SPLITS``.

    Raises:
        UnknownNameError: no such split.
        DatasetError: a file is missing or not as it should be, or a count is not the published one.
    """
    if split not in MSRVTT_SPLITS:
        raise UnknownNameError("MSR-VTT split", split, MSRVTT_SPLITS)
    source, official, sentences = _annotations(folder)
    queries = _queries(folder, split, official)
    require_count(f"videos in {split}", len(queries), MSRVTT_SPLITS[split], source)
    translations = read_translations(folder, official)
    rows = []
    for video, listed in queries.items():
        english = sentences[video]
        if len(english) != _SENTENCES_PER_VIDEO:
            raise DatasetError(
                "a video without its 20 sentences", item=source, value=f"{video} has {len(english)}"
            )
        if split in {"1k-A", "1k-B"}:
            query = listed or english[0]
            captions = {t.tag: t.of_query(video, query, english) for t in translations} | {"en": [query]}
        else:
            captions = {t.tag: t.captions.get(video, ()) for t in translations} | {"en": english}
        rows.append((video, video, captions))
    videos = videos_in(folder, _PLACES)
    return Listing(f"msrvtt {split}", rows, videos, source, "video", _REMEDY)


def _annotations(folder: Path) -> tuple[Path, dict[str, str], Mapping[str, list[str]]]:
    """The file, video -> part of the official split, video -> sentences in the file's order."""
    paths = [locate(folder, "MSRVTT_data.json", "train_val_videodatainfo.json", remedy=_REMEDY)]
    if paths[0].name.startswith("train_val"):
        paths.append(locate(folder, "test_videodatainfo.json", remedy=_REMEDY))
    official: dict[str, str] = {}
    sentences: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        annotations = parse(path, _ANNOTATIONS)
        for video in annotations.videos:
            if video.video_id in official:
                raise DatasetError("an id occurs more than once", item=path, value=video.video_id)
            official[video.video_id] = video.split
        for sentence in annotations.sentences:
            sentences[sentence.video_id].append(sentence.caption)
    return paths[0], official, sentences


def _queries(folder: Path, split: str, official: Mapping[str, str]) -> Mapping[str, str | None]:
    """Video of the split -> the sentence that its list gives, if any."""
    if split == "1k-B":
        return _listed(locate(folder, "1k-B.csv", "test_list_miech.txt", remedy=_REMEDY), split, official)
    if split == "1k-B-train":
        return _listed(locate(folder, "train_list_miech.txt", remedy=_REMEDY), split, official)
    test: Mapping[str, str | None] = {}
    if split.startswith("1k-A"):
        path = locate(folder, "MSRVTT_JSFUSION_test.csv", remedy=_REMEDY)
        test = _listed(path, "1k-A", official)
        require_count("sentences", sum(map(bool, test.values())), MSRVTT_SPLITS["1k-A"], path)
    if split == "1k-A":
        return test
    parts = _OFFICIAL_PARTS[split]
    return {video: None for video, part in official.items() if part in parts and video not in test}


def _listed(path: Path, split: str, known: Mapping[str, str]) -> dict[str, str | None]:
    pairs: list[tuple[str, str | None]]
    if ".csv" in path.suffixes:
        table = csv.DictReader(io.StringIO(read_text(path), newline=""))
        pairs = [(row.get("video_id") or "", row.get("sentence")) for row in table]
    else:
        pairs = [(line.strip(), None) for line in read_lines(path) if line.strip()]
    listed = dict(pairs)
    if len(listed) < len(pairs):
        raise DatasetError(
            "a list names a video twice", item=path, value=f"{len(pairs):,} rows, {len(listed):,} videos"
        )
    if unknown := sorted(listed.keys() - known.keys()):
        raise DatasetError("a list names videos without annotations", item=path, value=", ".join(unknown[:5]))
    require_count(f"videos in {split}", len(listed), MSRVTT_SPLITS[split], path)
    return listed
