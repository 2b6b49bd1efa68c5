"""ImageNet-1000: a photo for each class, its name as the caption.

Layout: ``labels.tsv`` (number, WordNet id, name, file; no header) and ``images.zip``.
"""

from __future__ import annotations

from pathlib import Path

from polyreel.datasets.reading import locate, pictures_in, read_lines
from polyreel.datasets.records import Stream, created, record_of
from polyreel.errors import DatasetError
from polyreel.problems import Missing

__all__ = ["IMAGENET_LAYOUT", "imagenet_records"]

IMAGENET_LAYOUT = "Put labels.tsv (number, WordNet id, name, file) and images.zip into a folder"


def imagenet_records(folder: Path) -> Stream:
    """The photos in the file's order; the class's WordNet id is the concept.

    Raises:
        DatasetError: a file is missing or not as it should be.
    """
    source = locate(folder, "labels.tsv", remedy=IMAGENET_LAYOUT)
    pictures = pictures_in(folder)
    for number, line in enumerate(read_lines(source), 1):
        cells = line.split("\t")
        if len(cells) != 4:
            raise DatasetError(
                "a line does not have four columns", item=f"{source}, line {number}", value=line[:60]
            )
        _, wordnet, name, picture = cells
        if picture in pictures:
            yield record_of(wordnet, {"en": [name]}, created, media=pictures[picture], concept=wordnet)
        else:
            yield Missing(picture, "no picture")
