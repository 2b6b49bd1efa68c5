"""The readers' datasets as records: every split, each caption with its language and how it came about.

Each adapter takes the folder that its reader takes, and streams. What a dataset lists and what cannot be used
is in the stream as ``Missing``. A row whose medium is not there is a clip without media, so that captions can
be had before, or without, the pictures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from polyreel.clips import Clip, SampleCreation
from polyreel.datasets.items import Corpus, Item, VideoFile, cleaned_captions
from polyreel.datasets.readers.cldr import concept_of
from polyreel.datasets.readers.demo import demo_clips
from polyreel.datasets.readers.emoji import EMOJI_VENDORS, read_emoji, vendors_in
from polyreel.datasets.readers.flickr8k import read_flickr8k
from polyreel.datasets.readers.msrvtt import list_msrvtt
from polyreel.datasets.readers.multi30k import MULTI30K_SPLITS, list_multi30k
from polyreel.datasets.readers.stamps import read_stamps
from polyreel.datasets.readers.vatex import list_vatex
from polyreel.datasets.readers.xm3600 import list_xm3600
from polyreel.datasets.readers.xtd10 import list_xtd10
from polyreel.datasets.reading import Listing, locate, pictures_in, read_lines
from polyreel.datasets.records import Creation, Record, captions_of
from polyreel.datasets.strict_json import parse_lines
from polyreel.errors import DatasetError
from polyreel.packages.fetch import Progress, fetch
from polyreel.packages.members import cache_dir
from polyreel.problems import Missing

__all__ = [
    "Stream",
    "corpus_records",
    "demo_records",
    "emoji_records",
    "fetch_demo",
    "flickr8k_records",
    "imagenet_records",
    "listed_records",
    "msrvtt_1k_a_records",
    "msrvtt_1k_b_records",
    "msrvtt_records",
    "multi30k_records",
    "stamps_records",
    "vatex_records",
    "xm3600_records",
    "xtd10_records",
]

Stream = Iterator[Record | Missing]


def corpus_records(corpus: Corpus, *, creation: Creation, split: str = "train") -> Stream:
    """Items of a reader as clips of 0 seconds; those that are relevant to each other share a concept."""
    concepts = _concepts(corpus.items)
    for item in corpus.items:
        clip = Clip(item.id, 0.0, 0.0)
        captions = captions_of(item.captions, clip, creation)
        yield Record(clip, captions, split, item.media, concepts.get(item.id, ""))
    yield from corpus.missing


def listed_records(listing: Listing, *, creation: Creation, split: str, length_s: float = 0.0) -> Stream:
    """Rows of a reader as clips from 0 to ``length_s``; 0 where it is a photo or the length is not known."""
    for id_, media_name, raw in listing.rows:
        clip = Clip(id_, 0.0, length_s)
        captions = captions_of(cleaned_captions(raw), clip, creation)
        media = listing.media.get(media_name)
        if captions or media is not None:
            yield Record(clip, captions, split, media)
        else:
            yield Missing(id_, f"neither a caption nor a {listing.kind}")


def _concepts(items: Iterable[Item]) -> dict[str, str]:
    """Id -> the first id of those that it is relevant to, directly or through others."""
    neighbours: dict[str, set[str]] = {}
    for item in items:
        for other in item.also_relevant:
            neighbours.setdefault(item.id, set()).add(other)
            neighbours.setdefault(other, set()).add(item.id)
    concepts: dict[str, str] = {}
    for first in sorted(neighbours):
        waiting = [first]
        while waiting:
            if (id_ := waiting.pop()) not in concepts:
                concepts[id_] = first
                waiting.extend(neighbours[id_])
    return concepts


def _english_written(others: SampleCreation, *also_written: str) -> Creation:
    """English and what else is named were written for the dataset, other languages came about as said."""
    written: Collection[str] = {"en", *also_written}
    return lambda tag: "created" if tag in written else others


def demo_records(folder: Path) -> Stream:
    """The demo's clips that lie in the folder."""
    for clip in demo_clips():
        path = folder / clip.source.file_name
        if not path.is_file():
            yield Missing(clip.id, f"not fetched: it is in a package of {clip.source.registry}")
            continue
        span = Clip(clip.id, 0.0, clip.duration_s)
        captions = captions_of(
            {tag: [text] for tag, text in clip.captions.items()}, span, lambda _: "created"
        )
        yield Record(span, captions, "test", VideoFile(path.absolute()))


def fetch_demo(cache_folder: Path, progress: Progress | None = None) -> Path:
    """The folder with all clips of the demo that can be had; it is shared with ``polyreel demo``."""
    del cache_folder
    folder = cache_dir() / "clips"
    report = fetch([clip.source for clip in demo_clips()], folder, progress=progress)
    if not report.files:
        raise next(iter(report.failures.values()))
    return folder


def emoji_records(folder: Path) -> Stream:
    """Emoji of all vendors that are there: the last one's held out to test on, the others' to train on.

    A concept spans the vendors.
    """
    for vendor in vendors_in(folder):
        split = "test" if vendor == EMOJI_VENDORS[-1] else "train"
        for found in corpus_records(read_emoji(folder, vendor), creation=lambda _: "created", split=split):
            if isinstance(found, Missing):
                yield replace(found, id=f"{vendor}/{found.id}")
                continue
            clip = replace(found.clip, video=f"{vendor}/{found.clip.video}")
            english = next(caption.text for caption in found.captions if caption.language == "en")
            yield replace(found, clip=clip, concept=concept_of(english))


class _Photo(BaseModel):
    image: str
    multi30k_split: str | None = None


_PHOTO = TypeAdapter(_Photo)
_FLICKR_SPLITS = {"val": "dev", "test_2016": "test"}


def flickr8k_records(folder: Path) -> Stream:
    """Flickr8k photos, in the splits that Multi30K puts them in; those it does not have are for training."""
    corpus = read_flickr8k(folder)
    splits = {row.image: row.multi30k_split for row in parse_lines(folder / "captions.jsonl", _PHOTO)}
    for found in corpus_records(corpus, creation=_english_written("human-translated")):
        if isinstance(found, Record):
            named = splits[found.clip.video] or "train"
            found = replace(found, split=_FLICKR_SPLITS.get(named, named))
        yield found


def imagenet_records(folder: Path) -> Stream:
    """A photo for each class, its name as the caption; the class's WordNet id is the concept."""
    source = locate(folder, "labels.tsv", remedy="Put labels.tsv and images.zip into the folder")
    pictures = pictures_in(folder)
    for number, line in enumerate(read_lines(source), 1):
        cells = line.split("\t")
        if len(cells) != 4:
            raise DatasetError(
                "a line has not four columns", item=f"{source}, line {number}", value=line[:60]
            )
        _, wordnet, name, picture = cells
        if picture not in pictures:
            yield Missing(picture, "no picture")
            continue
        clip = Clip(wordnet, 0.0, 0.0)
        yield Record(
            clip, captions_of({"en": [name]}, clip, lambda _: "created"), "train", pictures[picture], wordnet
        )


_MSRVTT = _english_written("machine-translated")
_HELD_OUT = 1_000


def msrvtt_records(folder: Path) -> Stream:
    """The official splits: 6,513 to train on, 497 to choose with, 2,990 to test on."""
    for split, part in {"train": "full-train", "dev": "full-val", "test": "full"}.items():
        yield from listed_records(list_msrvtt(folder, part), creation=_MSRVTT, split=split)


def msrvtt_1k_a_records(folder: Path) -> Stream:
    """1k-A: 9,000 to train on, of which 1,000 are held out to choose with, and 1,000 to test on.

    1k-A has no dev split of its own. Held out are the videos with the smallest digests of their ids.
    """
    training = list_msrvtt(folder, "1k-A-train-9k")
    ids = sorted((row[0] for row in training.rows), key=lambda id_: hashlib.sha256(id_.encode()).digest())
    held_out = set(ids[:_HELD_OUT])
    for found in listed_records(training, creation=_MSRVTT, split="train"):
        if isinstance(found, Record) and found.clip.video in held_out:
            found = replace(found, split="dev")
        yield found
    yield from listed_records(list_msrvtt(folder, "1k-A"), creation=_MSRVTT, split="test")


def msrvtt_1k_b_records(folder: Path) -> Stream:
    """1k-B: 6,656 to train on, 1,000 to test on."""
    yield from listed_records(list_msrvtt(folder, "1k-B-train"), creation=_MSRVTT, split="train")
    yield from listed_records(list_msrvtt(folder, "1k-B"), creation=_MSRVTT, split="test")


def multi30k_records(folder: Path) -> Stream:
    """The splits of Multi30K whose files are there; photos where they are."""
    names = {"train": "train", "val": "dev", "test_2016_flickr": "test"}
    there = [split for split in MULTI30K_SPLITS if list(folder.glob(f"{split}.txt*"))]
    for split in there or ["train"]:
        listing = list_multi30k(folder, split)
        yield from listed_records(
            listing, creation=_english_written("human-translated"), split=names.get(split, split)
        )


def stamps_records(folder: Path) -> Stream:
    """Stamps of Tux Paint, described by volunteers in English and translated by others."""
    return corpus_records(read_stamps(folder), creation=_english_written("human-translated"))


def vatex_records(folder: Path) -> Stream:
    """The parts of VATEX whose annotations are there; ``dev`` and ``test`` where their lists are."""
    has_lists = (folder / "val_list.txt").is_file() and (folder / "test_list.txt").is_file()
    parts = {"train": "train"} if list(folder.glob("vatex_training_v1.0.json*")) else {}
    if list(folder.glob("vatex_validation_v1.0.json*")) or not parts:
        parts |= {"dev": "val", "test": "test"} if has_lists else {"dev": "validation"}
    for split, part in parts.items():
        listing = list_vatex(folder, part)
        yield from listed_records(listing, creation=lambda _: "created", split=split, length_s=10.0)


def xm3600_records(folder: Path) -> Stream:
    """Photos with captions that were written in each of 36 languages."""
    return listed_records(list_xm3600(folder), creation=lambda _: "created", split="test")


def xtd10_records(folder: Path) -> Stream:
    """Photos of COCO; the Japanese captions are of their own, other languages were translated by people."""
    creation = _english_written("human-translated", "ja")
    return listed_records(list_xtd10(folder), creation=creation, split="test")
