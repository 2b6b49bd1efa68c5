"""Flickr8k photos with five English captions each and, for most, the captions of Multi30K in de, fr, cs.

Layout: ``captions.jsonl`` (a line a photo: ``image``, ``captions_en``, ``multi30k``, ``multi30k_split``) and
``images.zip``.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from polyreel.datasets.reading import locate, pictures_in
from polyreel.datasets.records import Stream, created_in, record_of
from polyreel.datasets.strict_json import parse_lines
from polyreel.problems import Missing

__all__ = ["FLICKR8K_CREATION", "FLICKR8K_LAYOUT", "flickr8k_records"]

FLICKR8K_LAYOUT = "Put captions.jsonl and images.zip into a folder"
FLICKR8K_CREATION = created_in("en", others="human-translated")
_SPLITS = {None: "train", "val": "dev", "test_2016": "test"}


class _Photo(BaseModel):
    image: str
    captions_en: list[str]
    multi30k: dict[str, str] | None = None
    multi30k_split: str | None = None


_PHOTO = TypeAdapter(_Photo)


def flickr8k_records(folder: Path) -> Stream:
    """The photos in the file's order, in the splits of Multi30K; those that it lacks are for training.

    Raises:
        DatasetError: a file is missing or not as it should be.
    """
    photos = parse_lines(locate(folder, "captions.jsonl", remedy=FLICKR8K_LAYOUT), _PHOTO)
    pictures = pictures_in(folder)
    for photo in photos:
        if photo.image not in pictures:
            yield Missing(photo.image, "no picture")
            continue
        translated = {tag: [text] for tag, text in (photo.multi30k or {}).items() if tag != "en"}
        yield record_of(
            photo.image,
            {"en": photo.captions_en, **translated},
            FLICKR8K_CREATION,
            split=_SPLITS.get(photo.multi30k_split, photo.multi30k_split or ""),
            media=pictures[photo.image],
        )
