"""XTD10: 1,000 COCO photos with one caption in each of eleven languages, six of them of the study's nine.

Layout: ``test_1kcaptions_<language>.txt`` and ``test_image_names.txt``, line by line, in the folder itself or
in the subfolders ``XTD10/``, ``MIC/`` and ``STAIR/`` of the published repository; photos of COCO's
``train2014`` in ``images/`` or ``images.zip``. Japanese is called "jp" there.
"""

from __future__ import annotations

from pathlib import Path

from polyreel.datasets.items import Corpus
from polyreel.datasets.reading import Listing, assemble, locate, parallel_lines, pictures_in, require_count
from polyreel.errors import DatasetError

__all__ = ["list_xtd10", "read_xtd10"]

_PHOTOS = 1_000
_STUDY_LANGUAGES = ("en", "de", "fr", "zh", "ru", "es")
_SUBFOLDERS = ("", "XTD10/", "MIC/", "STAIR/")
_PREFIX = "test_1kcaptions_"
_TAGS = {"jp": "ja"}
_REMEDY = (
    "Put the text files of the XTD10 repository into the folder, and as images/ or images.zip the photos of "
    "COCO train2014 that test_image_names.txt names"
)


def read_xtd10(folder: Path) -> Corpus:
    """The photos that are there: ``list_xtd10`` without what has no photo.

    Raises:
        DatasetError: as ``list_xtd10``, or there are no photos.
    """
    return assemble(list_xtd10(folder))


def list_xtd10(folder: Path) -> Listing:
    """The rows, in the files' order. The study's languages must all be there; others are read where they
    are.

    Raises:
        DatasetError: a file is missing or not as it should be, or a count is not the published one.
    """
    source = locate(folder, *(f"{sub}test_image_names.txt" for sub in _SUBFOLDERS), remedy=_REMEDY)
    files = {"": source}
    for path in (path for sub in _SUBFOLDERS for path in sorted((folder / sub).glob(f"{_PREFIX}*.txt"))):
        name = path.stem.removeprefix(_PREFIX)
        tag = _TAGS.get(name, name)
        if tag in files:
            raise DatasetError("two files of one language", item=path, value=files[tag])
        files[tag] = path
    if absent := [tag for tag in _STUDY_LANGUAGES if tag not in files]:
        names = ", ".join(f"{_PREFIX}{tag}.txt" for tag in absent)
        raise DatasetError("files are missing", item=folder, value=names, remedy=_REMEDY)
    lines = parallel_lines(files)
    photos = lines.pop("")
    require_count("photos", len(photos), _PHOTOS, source)
    rows = [
        (photo, photo, {tag: [texts[row]] for tag, texts in lines.items()})
        for row, photo in enumerate(photos)
    ]
    return Listing("xtd10", rows, pictures_in(folder), source, "picture", _REMEDY)
