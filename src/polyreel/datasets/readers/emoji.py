"""Emoji as pictures of one concept each, by four vendors, with their names in all nine languages.

The list of emoji comes in npm's ``emoji-datasource-google`` and ``-twitter``, the pictures in those two, in
``openmoji`` and in ``@lobehub/fluent-emoji-3d``, the names in CLDR's (see ``cldr``). Layout: the packages
side by side under their names, as in a ``node_modules`` folder.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, Field, TypeAdapter

from polyreel.datasets.items import Corpus, Frames
from polyreel.datasets.readers.cldr import CLDR_PACKAGES, concept_of, emoji_text, read_cldr
from polyreel.datasets.readers.emoji_packages import fetch_packages
from polyreel.datasets.reading import Listing, assemble, locate, related
from polyreel.datasets.strict_json import parse
from polyreel.errors import UnknownNameError
from polyreel.languages import STUDY_LANGUAGES
from polyreel.packages.fetch import Progress

__all__ = [
    "EMOJI_PACKAGES",
    "EMOJI_VENDORS",
    "fetch_all_emoji",
    "fetch_emoji",
    "read_emoji",
    "vendors_in",
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


def fetch_emoji(cache_folder: Path, vendor: str = "google", *, progress: Progress | None = None) -> Path:
    """The folder with one vendor's pictures and the names below ``cache_folder``; fetched unless it is there.

    Raises:
        UnknownNameError: no such vendor.
        FetchError: a package cannot be had or is another one.
    """
    package = _vendor(vendor).package
    listed = () if package in _LISTED_IN else _LISTED_IN[:1]
    return fetch_packages(cache_folder, (package, *listed, *CLDR_PACKAGES), progress=progress)


def fetch_all_emoji(cache_folder: Path, progress: Progress | None = None) -> Path:
    """As ``fetch_emoji``, of every vendor."""
    return fetch_packages(cache_folder, EMOJI_PACKAGES, progress=progress)


def vendors_in(folder: Path) -> tuple[str, ...]:
    """The vendors whose pictures are in the folder; the first of all if there are none."""
    there = tuple(name for name, vendor in _VENDORS.items() if (folder / vendor.package).is_dir())
    return there or EMOJI_VENDORS[:1]


def read_emoji(folder: Path, vendor: str = "google") -> Corpus:
    """The emoji without skin tones, in Unicode's order; id is the code, caption the name.

    Emoji that differ only in the gender of who is shown, or in the direction they face, are relevant to each
    other.

    Args:
        folder: as described above.
        vendor: whose pictures.

    Raises:
        UnknownNameError: no such vendor.
        DatasetError: a file is missing or not as it should be, or there are no pictures.
    """
    drawn_by = _vendor(vendor)
    lists = (drawn_by.package,) if drawn_by.package in _LISTED_IN else _LISTED_IN
    listed_in = next((package for package in lists if (folder / package).is_dir()), lists[0])
    source = locate(folder / listed_in, "emoji.json", remedy=_REMEDY)
    names = {tag: read_cldr(folder, tag) for tag in STUDY_LANGUAGES}
    pictures = folder / drawn_by.package / drawn_by.pictures
    media = {
        emoji_text(path.stem): Frames(pictures, (path.name,)) for path in pictures.glob(f"*{drawn_by.suffix}")
    }
    rows = []
    for emoji in parse(source, _EMOJI):
        text = emoji_text(emoji.unified)
        captions = {tag: entry.tts for tag, known in names.items() if (entry := known.get(text))}
        # The English name says which concept it is: without one it counts as not named.
        rows.append((emoji.unified.lower(), text, captions if captions.get("en") else {}))
    corpus = assemble(Listing(f"emoji {vendor}", rows, media, source, "picture", _REMEDY))
    return replace(corpus, items=related(corpus.items, lambda item: concept_of(item.captions["en"][0])))


def _vendor(name: str) -> _Vendor:
    if name not in _VENDORS:
        raise UnknownNameError("emoji vendor", name, _VENDORS)
    return _VENDORS[name]
