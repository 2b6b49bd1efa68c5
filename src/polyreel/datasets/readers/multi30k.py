"""Multi30K, task 1: Flickr photos with an English caption and its human translations into de, fr and cs.

Layout: ``{split}.{language}.gz`` (a caption a line, packed or not), ``{split}.txt`` (the photo of each line),
photos in ``images/`` or ``images.zip``. The published repository has the texts in ``raw/`` and the lists
in ``image_splits/``; they are read there too. The texts are public, the photos come with Flickr30k and, for
``test_2017_mscoco``, with COCO 2014.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from polyreel.datasets.reading import locate, parallel_lines, pictures_in, require_count
from polyreel.datasets.records import Stream, created_in, record_of
from polyreel.errors import UnknownNameError

__all__ = ["MULTI30K_CREATION", "MULTI30K_LAYOUT", "MULTI30K_SPLITS", "multi30k_records"]

MULTI30K_SPLITS = {
    "train": 29_000,
    "val": 1_014,
    "test_2016_flickr": 1_000,
    "test_2017_flickr": 1_000,
    "test_2017_mscoco": 461,
    "test_2018_flickr": 1_071,
}
"""Split, as the files are named -> number of its photos."""
MULTI30K_CREATION = created_in("en", others="human-translated")
MULTI30K_LAYOUT = (
    "Put <split>.txt and <split>.<language>.gz of Multi30K's task 1 into a folder, and as images/ or "
    "images.zip the photos of Flickr30k (for test_2017_mscoco, of COCO 2014)"
)
_LISTS, _TEXTS = ("", "image_splits/"), ("", "raw/")
_CALLED = {"val": "dev", "test_2016_flickr": "test"}


def multi30k_records(folder: Path, splits: Mapping[str, str] | None = None) -> Stream:
    """Photos in the files' order, with captions in en, de, fr and cs, which both tests of 2017 lack.

    Args:
        folder: as the layout says; photos may be absent.
        splits: split of the records -> which of ``MULTI30K_SPLITS`` it is; those that are there if None.

    Raises:
        UnknownNameError: no such split.
        DatasetError: a file is missing or not as it should be, or a count is not the published one.
    """
    if splits is None:
        there = [
            name
            for name in MULTI30K_SPLITS
            if any(list(folder.glob(f"{place}{name}.txt*")) for place in _LISTS)
        ]
        splits = {_CALLED.get(name, name): name for name in there or ["train"]}
    pictures = pictures_in(folder)
    for split, name in splits.items():
        if name not in MULTI30K_SPLITS:
            raise UnknownNameError("Multi30K split", name, MULTI30K_SPLITS)
        tags = ["en", "de", "fr"] if "2017" in name else ["en", "de", "fr", "cs"]
        source = locate(folder, *(f"{place}{name}.txt" for place in _LISTS), remedy=MULTI30K_LAYOUT)
        files = {
            tag: locate(folder, *(f"{place}{name}.{tag}" for place in _TEXTS), remedy=MULTI30K_LAYOUT)
            for tag in tags
        }
        lines = parallel_lines({"": source, **files})
        photos = lines.pop("")
        require_count(f"photos in {name}", len(photos), MULTI30K_SPLITS[name], source)
        for row, photo in enumerate(photos):
            captions = {tag: [lines[tag][row]] for tag in tags}
            # A photo of COCO is followed by the number of its caption: "COCO_val2014_000000398076.jpg#65".
            media = pictures.get(photo.partition("#")[0])
            yield record_of(photo, captions, MULTI30K_CREATION, split=split, media=media)
