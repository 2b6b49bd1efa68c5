"""Flickr8k photos with five English captions each and, for most, the captions of Multi30K in de, fr, cs.

Layout: ``captions.jsonl`` (a line a photo: ``image``, ``captions_en``, ``multi30k``) and ``images.zip``.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from polyreel.datasets.items import Corpus, Frames, Item, cleaned_captions, require_unique
from polyreel.errors import DatasetError
from polyreel.problems import Missing

__all__ = ["read_flickr8k"]


def read_flickr8k(folder: Path) -> Corpus:
    """The photos, in the file's order.

    Raises:
        DatasetError: a file is missing or not as it should be.
    """
    source = folder / "captions.jsonl"
    try:
        rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
        with zipfile.ZipFile(folder / "images.zip") as packed:
            pictures = set(packed.namelist())
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DatasetError("the photos or their captions cannot be read", item=folder, value=error) from error
    items, missing = [], []
    for row in rows:
        if row["image"] not in pictures:
            missing.append(Missing(row["image"], "no picture"))
            continue
        translated = {tag: [text] for tag, text in (row.get("multi30k") or {}).items() if tag != "en"}
        captions = cleaned_captions({"en": row["captions_en"], **translated})
        items.append(Item(row["image"], Frames(folder, (f"images.zip!{row['image']}",)), captions))
    return Corpus("flickr8k-1000", require_unique(items, source), tuple(missing))
