"""XTD10: 1,000 COCO photos with one caption in each of eleven languages, six of them of the study's nine.

Layout: ``test_1kcaptions_<language>.txt`` and ``test_image_names.txt``, line by line, in the folder itself or
in the subfolders ``XTD10/``, ``MIC/`` and ``STAIR/`` of the published repository; photos of COCO's
``train2014`` (200 of them of ``val2014``) in ``images/`` or ``images.zip``. Japanese is called "jp" there.
"""

from __future__ import annotations

from pathlib import Path

from polyreel.datasets.reading import locate, parallel_lines, pictures_in, require_count
from polyreel.datasets.records import Stream, created_in, record_of
from polyreel.errors import DatasetError

__all__ = ["XTD10_CREATION", "XTD10_LAYOUT", "xtd10_records"]

XTD10_CREATION = created_in("en", "ja", others="human-translated")
XTD10_LAYOUT = (
    "Put the text files of the XTD10 repository into a folder, and as images/ or images.zip the photos of "
    "COCO train2014 and val2014 that test_image_names.txt names"
)
_PHOTOS = 1_000
_STUDY_LANGUAGES = ("en", "de", "fr", "zh", "ru", "es")
_SUBFOLDERS = ("", "XTD10/", "MIC/", "STAIR/")
_PREFIX = "test_1kcaptions_"
_TAGS = {"jp": "ja"}


def xtd10_records(folder: Path) -> Stream:
    """The photos, in the files' order. The study's languages must all be there; others are read where they
    are.

    Raises:
        DatasetError: a file is missing or not as it should be, or a count is not the published one.
    """
    source = locate(folder, *(f"{sub}test_image_names.txt" for sub in _SUBFOLDERS), remedy=XTD10_LAYOUT)
    files = {"": source}
    for path in (path for sub in _SUBFOLDERS for path in sorted((folder / sub).glob(f"{_PREFIX}*.txt"))):
        name = path.stem.removeprefix(_PREFIX)
        tag = _TAGS.get(name, name)
        if tag in files:
            raise DatasetError("two files of one language", item=path, value=files[tag])
        files[tag] = path
    if absent := [tag for tag in _STUDY_LANGUAGES if tag not in files]:
        names = ", ".join(f"{_PREFIX}{tag}.txt" for tag in absent)
        raise DatasetError("files are missing", item=folder, value=names, remedy=XTD10_LAYOUT)
    lines = parallel_lines(files)
    photos = lines.pop("")
    require_count("photos", len(photos), _PHOTOS, source)
    pictures = pictures_in(folder)
    for row, photo in enumerate(photos):
        captions = {tag: [texts[row]] for tag, texts in lines.items()}
        yield record_of(photo, captions, XTD10_CREATION, split="test", media=pictures.get(photo))
