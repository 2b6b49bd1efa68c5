"""What is measured on: the items of a gallery, made of a dataset's records."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from polyreel.datasets.records import Media, Record
from polyreel.errors import DatasetError
from polyreel.problems import Missing

__all__ = ["EvaluationSet", "Item", "evaluation_set"]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that can be retrieved.

    Attributes:
        id: unique within its set.
        media: what it looks like.
        captions: BCP-47 tag -> sentences about it, NFC, none of them empty.
        also_relevant: ids of items that its captions describe as well.
    """

    id: str
    media: Media
    captions: Mapping[str, tuple[str, ...]]
    also_relevant: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Items of one dataset, in its fixed order.

    Attributes:
        name: of the benchmark.
        items: what is there.
        missing: what should be and is not; nothing is dropped without an entry here.
    """

    name: str
    items: tuple[Item, ...]
    missing: tuple[Missing, ...] = ()


def evaluation_set(
    records: Iterable[Record | Missing], name: str, *, kind: str = "video", remedy: str | None = None
) -> EvaluationSet:
    """The records that have media and captions, as items; the others are in ``missing``.

    Args:
        records: of whole videos or photos, as a dataset's reader yields them.
        name: of the benchmark.
        kind: what the media are, "picture" or "video", for messages.
        remedy: what to get and where to put it if none is there.

    Raises:
        DatasetError: a video occurs twice, or not one has its media.
    """
    listed: Counter[str] = Counter()
    kept, missing = [], []
    for found in records:
        id_ = found.clip.video if isinstance(found, Record) else found.id
        listed[id_] += 1
        if isinstance(found, Missing):
            missing.append(found)
        elif found.media is None:
            missing.append(Missing(id_, f"no {kind}"))
        elif not found.captions:
            missing.append(Missing(id_, "no caption"))
        else:
            kept.append((found, found.media))
    if twice := [id_ for id_, count in listed.items() if count > 1]:
        raise DatasetError("ids occur more than once", item=name, value=", ".join(sorted(twice)[:5]))
    if not kept:
        raise DatasetError(f"not one of {len(listed):,} {kind}s is there", item=name, remedy=remedy)
    concepts: dict[str, list[str]] = defaultdict(list)
    for record, _ in kept:
        concepts[record.concept].append(record.clip.video)
    items = tuple(_item(record, media, concepts[record.concept]) for record, media in kept)
    return EvaluationSet(name, items, tuple(missing))


def _item(record: Record, media: Media, alike: Iterable[str]) -> Item:
    captions: dict[str, list[str]] = defaultdict(list)
    for caption in record.captions:
        captions[caption.language].append(caption.text)
    id_, related = record.clip.video, record.also_relevant
    if related is None:
        related = tuple(other for other in alike if other != id_) if record.concept else ()
    return Item(id_, media, {tag: tuple(texts) for tag, texts in captions.items()}, related)
