"""MSR-VTT: 10,000 web videos with 20 English sentences each, in its three usual splits.

Videos may also lie in ``videos/all/``, ``TrainValVideo/`` or ``TestVideo/``. Captions in further languages
are read as ``translations`` describes.

In 1k-A and 1k-B a video has one sentence as its query. A translation then needs one caption a video, or all
20 in the order of the annotations, of which the query's is taken.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, TypeAdapter

from polyreel.datasets.readers.translations import Translation, read_translations
from polyreel.datasets.reading import locate, read_lines, read_text, require_count, videos_in
from polyreel.datasets.records import Record, Stream, created_in, record_of
from polyreel.datasets.strict_json import parse
from polyreel.errors import DatasetError, UnknownNameError

__all__ = [
    "MSRVTT_CREATION",
    "MSRVTT_LAYOUT",
    "MSRVTT_OFFICIAL",
    "MSRVTT_SHORT_VIDEOS",
    "MSRVTT_SPLITS",
    "msrvtt_1k_a_records",
    "msrvtt_records",
]

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
"""Split, as papers call it -> its number of videos. All but those named "train" or "val" are test sets."""
MSRVTT_OFFICIAL = MappingProxyType({"train": "full-train", "dev": "full-val", "test": "full"})
MSRVTT_CREATION = created_in("en", others="machine-translated")
MSRVTT_LAYOUT = (
    "Put MSRVTT_data.json (or train_val_videodatainfo.json and test_videodatainfo.json), "
    "videos/<video_id>.mp4, the lists of the split (1k-A: MSRVTT_JSFUSION_test.csv; 1k-B: "
    "train_list_miech.txt, and 1k-B.csv or test_list_miech.txt) and, for other languages, "
    "captions.<tag>.json into a folder"
)

_SENTENCES_PER_VIDEO = 20
MSRVTT_SHORT_VIDEOS = 2
"""So many videos of a common copy have 19 sentences."""

_HELD_OUT = 1_000
_OFFICIAL_PARTS = {
    "1k-A-train-7k": {"train", "validate"},
    "1k-A-train-9k": {"train", "validate", "test"},
    "full": {"test"},
    "full-train": {"train"},
    "full-val": {"validate"},
}
_PLACES = ("videos", "videos/all", "TrainValVideo", "TestVideo")


class _Video(BaseModel):
    video_id: str
    split: str
    url: str = ""


class _Sentence(BaseModel):
    video_id: str
    caption: str


class _Annotations(BaseModel):
    videos: list[_Video]
    sentences: list[_Sentence]


_ANNOTATIONS = TypeAdapter(_Annotations)


def msrvtt_records(folder: Path, splits: Mapping[str, str] = MSRVTT_OFFICIAL) -> Stream:
    """The videos of some splits, each in the order of its list or else of the annotations.

    1k-A has the sentence of its list as the one caption of a video; 1k-B that of its list or, as its authors
    did, the first of the annotations. In all other splits a video has its 20; two may have fewer, as in
    a copy that is often handed out.

    Args:
        folder: as the layout says.
        splits: split of the records -> which of ``MSRVTT_SPLITS`` it is.

    Raises:
        UnknownNameError: no such split.
        DatasetError: a file is missing or not as it should be, or a count is not the published one.
    """
    if unknown := next((name for name in splits.values() if name not in MSRVTT_SPLITS), None):
        raise UnknownNameError("MSR-VTT split", unknown, MSRVTT_SPLITS)
    source, official, sentences, uploads = _annotations(folder)
    translations = read_translations(folder, official)
    short = sum(len(sentences[video]) < _SENTENCES_PER_VIDEO for video in official)
    videos = videos_in(folder, _PLACES)
    for split, name in splits.items():
        queries = _queries(folder, name, official)
        require_count(f"videos in {name}", len(queries), MSRVTT_SPLITS[name], source)
        for video, listed in queries.items():
            english = sentences[video]
            may_lack = 0 < len(english) < _SENTENCES_PER_VIDEO and short <= MSRVTT_SHORT_VIDEOS
            if len(english) != _SENTENCES_PER_VIDEO and not may_lack:
                raise DatasetError(
                    "a video without its 20 sentences", item=source, value=f"{video} has {len(english)}"
                )
            query = (listed or english[0]) if name in {"1k-A", "1k-B"} else None
            captions = _captions(video, query, english, translations)
            yield record_of(
                video,
                captions,
                MSRVTT_CREATION,
                split=split,
                media=videos.get(video),
                source=uploads[video],
            )


def msrvtt_1k_a_records(folder: Path) -> Stream:
    """1k-A: 9,000 to train on, of which 1,000 are held out to choose with, and 1,000 to test on.

    1k-A has no dev split of its own. Held out are the videos with the smallest digests of their ids.
    """
    found = list(msrvtt_records(folder, {"train": "1k-A-train-9k", "test": "1k-A"}))
    training = (r.clip.video for r in found if isinstance(r, Record) and r.split == "train")
    by_digest = sorted(training, key=lambda video: hashlib.sha256(video.encode()).digest())
    held_out = set(by_digest[:_HELD_OUT])
    for record in found:
        if isinstance(record, Record) and record.split == "train" and record.clip.video in held_out:
            yield replace(record, split="dev")
        else:
            yield record


def _captions(
    video: str, query: str | None, english: Sequence[str], translations: Sequence[Translation]
) -> dict[str, Sequence[str]]:
    if query is None:
        return {t.tag: t.captions.get(video, ()) for t in translations} | {"en": english}
    return {t.tag: t.of_query(video, query, english) for t in translations} | {"en": [query]}


def _annotations(folder: Path) -> tuple[Path, dict[str, str], Mapping[str, list[str]], dict[str, str]]:
    """The file, video -> part of the official split, video -> sentences in the file's order, video -> the
    address that it was cut from."""
    paths = [locate(folder, "MSRVTT_data.json", "train_val_videodatainfo.json", remedy=MSRVTT_LAYOUT)]
    if paths[0].name.startswith("train_val"):
        paths.append(locate(folder, "test_videodatainfo.json", remedy=MSRVTT_LAYOUT))
    official: dict[str, str] = {}
    uploads: dict[str, str] = {}
    sentences: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        annotations = parse(path, _ANNOTATIONS)
        for video in annotations.videos:
            if video.video_id in official:
                raise DatasetError("an id occurs more than once", item=path, value=video.video_id)
            official[video.video_id], uploads[video.video_id] = video.split, video.url
        for sentence in annotations.sentences:
            sentences[sentence.video_id].append(sentence.caption)
    return paths[0], official, sentences, uploads


def _queries(folder: Path, split: str, official: Mapping[str, str]) -> Mapping[str, str | None]:
    """Video of the split -> the sentence that its list gives, if any."""
    if split == "1k-B":
        return _listed(
            locate(folder, "1k-B.csv", "test_list_miech.txt", remedy=MSRVTT_LAYOUT), split, official
        )
    if split == "1k-B-train":
        return _listed(locate(folder, "train_list_miech.txt", remedy=MSRVTT_LAYOUT), split, official)
    test: Mapping[str, str | None] = {}
    if split.startswith("1k-A"):
        path = locate(folder, "MSRVTT_JSFUSION_test.csv", remedy=MSRVTT_LAYOUT)
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
