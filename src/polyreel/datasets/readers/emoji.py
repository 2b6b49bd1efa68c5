"""Emoji as pictures of one concept each, by four vendors, with their names in all nine languages.

The list of emoji comes in npm's ``emoji-datasource-google`` and ``-twitter``, the pictures in those two, in
``openmoji`` and in ``@lobehub/fluent-emoji-3d``, the names in CLDR's (see ``cldr``). Layout: the packages
side by side under their names, as in a ``node_modules`` folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, Field, TypeAdapter

from polyreel.datasets.readers.cldr import CLDR_PACKAGES, concept_of, emoji_text, read_cldr
from polyreel.datasets.readers.emoji_packages import fetch_packages
from polyreel.datasets.reading import locate
from polyreel.datasets.records import Frames, Stream, created, record_of
from polyreel.datasets.strict_json import parse
from polyreel.errors import UnknownNameError
from polyreel.languages import STUDY_LANGUAGES
from polyreel.problems import Missing
from polyreel.progress import OnProgress

__all__ = [
    "EMOJI_PACKAGES",
    "EMOJI_VENDORS",
    "emoji_records",
    "fetch_emoji",
    "vendor_records",
]


@dataclass(frozen=True, slots=True)
class _Vendor:
    package: str
    pictures: str
    suffix: str


_LISTED_IN = ("emoji-datasource-google", "emoji-datasource-twitter")
_VENDORS = {
    "google": _Vendor("emoji-datasource-google", "img/google/64", ".png"),
    "openmoji": _Vendor("openmoji", "color/svg", ".svg"),
    "fluent": _Vendor("@lobehub/fluent-emoji-3d", "assets", ".webp"),
    "twitter": _Vendor("emoji-datasource-twitter", "img/twitter/64", ".png"),
}
EMOJI_VENDORS = tuple(_VENDORS)
"""Whose pictures there are; the last vendor's are held out."""
EMOJI_PACKAGES = (*(vendor.package for vendor in _VENDORS.values()), *CLDR_PACKAGES)
"""The packages of all vendors, and of the names."""

_REMEDY = "Fetch the packages with 'polyreel data fetch emoji'"


class _Emoji(BaseModel):
    unified: str = Field(pattern=r"^[0-9A-F]{4,5}(-[0-9A-F]{4,5})*$")


_EMOJI = TypeAdapter(list[_Emoji])


def fetch_emoji(
    cache_folder: Path, progress: OnProgress | None = None, *, vendors: Sequence[str] = EMOJI_VENDORS
) -> Path:
    """The folder with the pictures and the names below ``cache_folder``; fetched unless it is there.

    Args:
        cache_folder: below which packages are kept.
        progress: told of arriving bytes.
        vendors: whose pictures.

    Raises:
        UnknownNameError: no such vendor.
        FetchError: a package cannot be had or is another one.
    """
    packages = dict.fromkeys(_vendor(vendor).package for vendor in vendors)
    listed = () if set(packages) & set(_LISTED_IN) else _LISTED_IN[:1]
    return fetch_packages(cache_folder, (*packages, *listed, *CLDR_PACKAGES), progress=progress)


def emoji_records(folder: Path) -> Stream:
    """Emoji of all vendors that are there: the last one's held out to test on, the others' to train on.

    A concept spans the vendors.

    Raises:
        DatasetError: see ``vendor_records``.
    """
    there = [name for name, vendor in _VENDORS.items() if (folder / vendor.package).is_dir()]
    for vendor in there or EMOJI_VENDORS[:1]:
        split = "test" if vendor == EMOJI_VENDORS[-1] else "train"
        for found in vendor_records(folder, vendor):
            if isinstance(found, Missing):
                yield replace(found, id=f"{vendor}/{found.id}")
            else:
                clip = replace(found.clip, video=f"{vendor}/{found.clip.video}")
                yield replace(found, clip=clip, split=split)


def vendor_records(folder: Path, vendor: str) -> Stream:
    """One vendor's emoji without skin tones, in Unicode's order; the video is the code, the caption the name.

    Emoji that differ only in the gender of who is shown, or in the direction they face, are one concept.

    Raises:
        UnknownNameError: no such vendor.
        DatasetError: a file is missing or not as it should be.
    """
    drawn_by = _vendor(vendor)
    lists = (drawn_by.package,) if drawn_by.package in _LISTED_IN else _LISTED_IN
    listed_in = next((package for package in lists if (folder / package).is_dir()), lists[0])
    source = locate(folder / listed_in, "emoji.json", remedy=_REMEDY)
    names = {tag: read_cldr(folder, tag) for tag in STUDY_LANGUAGES}
    pictures = folder / drawn_by.package / drawn_by.pictures
    media = {emoji_text(path.stem): path.name for path in pictures.glob(f"*{drawn_by.suffix}")}
    for emoji in parse(source, _EMOJI):
        text, code = emoji_text(emoji.unified), emoji.unified.lower()
        captions = {tag: entry.tts for tag, known in names.items() if (entry := known.get(text))}
        if text not in media:
            yield Missing(code, "no picture")
        elif not captions.get("en"):  # the English name says which concept it is
            yield Missing(code, "no caption")
        else:
            picture = Frames(pictures, (media[text],))
            concept = concept_of(captions["en"][0])
            yield record_of(code, captions, created, media=picture, concept=concept)


def _vendor(name: str) -> _Vendor:
    if name not in _VENDORS:
        raise UnknownNameError("emoji vendor", name, _VENDORS)
    return _VENDORS[name]
