"""Multi30K, task 1: Flickr photos with an English caption and its human translations into de, fr and cs.

Layout: ``{split}.{language}.gz`` (a caption a line, packed or not), ``{split}.txt`` (the photo of each line),
photos in ``images/`` or ``images.zip``. The texts are public, the photos come with Flickr30k and, for
``test_2017_mscoco``, with COCO 2014.
"""

from __future__ import annotations

from pathlib import Path

from polyreel.datasets.items import Corpus
from polyreel.datasets.reading import Listing, assemble, locate, parallel_lines, pictures_in, require_count
from polyreel.errors import UnknownNameError

__all__ = ["MULTI30K_SPLITS", "list_multi30k", "read_multi30k"]

MULTI30K_SPLITS = {
    "train": 29_000,
    "val": 1_014,
    "test_2016_flickr": 1_000,
    "test_2017_flickr": 1_000,
    "test_2017_mscoco": 461,
    "test_2018_flickr": 1_071,
}
"""Split -> number of its photos."""

_REMEDY = (
    "Put {split}.<language>.gz and {split}.txt of Multi30K's task 1 into the folder, and as images/ or "
    "images.zip the photos of Flickr30k (for test_2017_mscoco, of COCO 2014)"
)


def read_multi30k(folder: Path, split: str) -> Corpus:
    """The photos of one split that are there: ``list_multi30k`` without what has no photo.

    Raises:
        UnknownNameError: no such split.
        DatasetError: as ``list_multi30k``, or there are no photos.
    """
    return assemble(list_multi30k(folder, split))


def list_multi30k(folder: Path, split: str) -> Listing:
    """The rows of one split, in the files' order; en, de, fr and cs, which both tests of 2017 lack.

    Args:
        folder: as described above.
        split: one of ``MULTI30K_SPLITS``.

    Raises:
        UnknownNameError: no such split.
        DatasetError: a file is missing or not as it should be, or a count is not the published one.
    """
    if split not in MULTI30K_SPLITS:
        raise UnknownNameError("Multi30K split", split, MULTI30K_SPLITS)
    remedy = _REMEDY.format(split=split)
    tags = ["en", "de", "fr"] if "2017" in split else ["en", "de", "fr", "cs"]
    source = locate(folder, f"{split}.txt", remedy=remedy)
    lines = parallel_lines(
        {"": source, **{tag: locate(folder, f"{split}.{tag}", remedy=remedy) for tag in tags}}
    )
    photos = lines.pop("")
    require_count(f"photos in {split}", len(photos), MULTI30K_SPLITS[split], source)
    # A photo of COCO is followed by the number of its caption: "COCO_val2014_000000398076.jpg#657409".
    rows = [
        (photo, photo.partition("#")[0], {tag: [lines[tag][row]] for tag in tags})
        for row, photo in enumerate(photos)
    ]
    pictures = pictures_in(folder)
    return Listing(f"multi30k {split}", rows, pictures, source, "picture", remedy)
