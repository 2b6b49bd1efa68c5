"""xFlickr&CO (IGLUE, ICML 2022): photos of Flickr30K and COCO with captions written in eight languages.

Layout: ``annotations/<language>/test.jsonl``, a line a photo (``img_path``, ``id``, ``sentences`` with one
caption); photos as ``images/<img_path>`` in whatever subfolder, or in ``images.zip``. 2,000 photos, half of
each source, in de en es id ja ru tr zh. Ids are strings for Flickr30K and numbers for COCO, so photos are
named by their file here. Not read: the few-shot files ``train_*.jsonl`` and the machine translations into
English.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from pydantic import BaseModel, TypeAdapter

from polyreel.datasets.reading import pictures_in, require_count
from polyreel.datasets.records import Stream, created, record_of
from polyreel.datasets.strict_json import parse_numbered_lines
from polyreel.errors import DatasetError
from polyreel.languages import in_study_order, parse_tag

__all__ = ["XFLICKRCO_LAYOUT", "XFLICKRCO_PHOTOS", "xflickrco_records"]

XFLICKRCO_PHOTOS = 2_000
"""Photos of the test set, as published; every language has a caption of each."""
XFLICKRCO_LAYOUT = "Put annotations/<language>/test.jsonl and images/ (or images.zip) into a folder"


class _Line(BaseModel):
    img_path: str
    sentences: list[str]


_LINE = TypeAdapter(_Line)


def xflickrco_records(folder: Path) -> Stream:
    """The photos in the order of the first language, with captions in all languages that are there.

    Raises:
        DatasetError: no annotations are there, a file is not as it should be, or a count is not the published
            one.
    """
    captions: dict[str, dict[str, list[str]]] = {}
    for tag, path in _annotations(folder).items():
        for where, line in parse_numbered_lines(path, _LINE):
            of_photo = captions.setdefault(line.img_path, {})
            if tag in of_photo:
                raise DatasetError("a photo occurs more than once", item=where, value=line.img_path)
            of_photo[tag] = line.sentences
        require_count(f"photos in {tag}", sum(tag in c for c in captions.values()), XFLICKRCO_PHOTOS, path)
    pictures = pictures_in(folder)
    for name, sentences in captions.items():
        photo = PurePosixPath(name)
        yield record_of(photo.stem, sentences, created, split="test", media=pictures.get(photo.name))


def _annotations(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("annotations/*/test.jsonl*")):
        if path.name not in {"test.jsonl", "test.jsonl.gz"}:
            continue
        tag = parse_tag(path.parent.name)
        if tag is None:
            raise DatasetError("a folder's name is no language", item=path.parent, remedy=XFLICKRCO_LAYOUT)
        found[tag] = path
    if not found:
        raise DatasetError("there are no annotations", item=folder, remedy=XFLICKRCO_LAYOUT)
    return {tag: found[tag] for tag in in_study_order(found)}
