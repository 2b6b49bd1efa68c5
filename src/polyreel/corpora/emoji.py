"""Emoji as pictures of one concept each, with their names in all nine languages.

The pictures of one vendor come in npm's ``emoji-datasource-<vendor>``, the names, which translators wrote for
Unicode's CLDR, in ``cldr-annotations-full`` and ``cldr-annotations-derived-full``. Layout: the three packages
side by side under their names, as in a ``node_modules`` folder.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

from pydantic import AliasChoices, BaseModel, Field, TypeAdapter

from polyreel.archives import Archive, Progress, fetch_tree
from polyreel.corpora.items import Corpus, Frames
from polyreel.corpora.reading import Listing, assemble, locate, parse, related
from polyreel.errors import UnknownNameError
from polyreel.languages import STUDY_LANGUAGES

__all__ = ["EMOJI_ARCHIVES", "EMOJI_VENDORS", "fetch_emoji", "read_emoji"]

_PICTURES_VERSION, _NAMES_VERSION = "16.0.0", "48.2.0"
_SHA256 = {
    "emoji-datasource-google": "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
    "emoji-datasource-twitter": "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
    "cldr-annotations-full": "28576e51225deb51e3ddd734b0f824a0079682cb5d8c27faa9f68149317a14d1",
    "cldr-annotations-derived-full": "4be946ff5815f806ec78b50363d577a769f2fbfb90c6380a44e161a92436996e",
}
EMOJI_VENDORS = ("google", "twitter")
"""Whose pictures ``fetch_emoji`` can fetch; both draw the same 1,911 emoji."""

_LISTS = {"cldr-annotations-full": "annotations", "cldr-annotations-derived-full": "annotationsDerived"}


def _archive(package: str) -> Archive:
    version = _NAMES_VERSION if package in _LISTS else _PICTURES_VERSION
    return Archive(
        registry="npm",
        package=package,
        version=version,
        archive=f"{package}-{version}.tgz",
        sha256=_SHA256[package],
    )


EMOJI_ARCHIVES = {package: _archive(package) for package in _SHA256}
"""Package -> what is fetched of it."""

_REMEDY = "Fetch the three packages with fetch_emoji"

_SKIN = re.compile(r"-1f3f[b-f]")
_VARIATION = "\ufe0f"
# "man’s shoe" is about a shoe: a possessive stays.
_GENDER = re.compile(r"\b(?:(?P<one>man|woman)|(?P<many>men|women))\b(?!’)")


class _Emoji(BaseModel):
    unified: str = Field(pattern=r"^[0-9A-F]{4,5}(-[0-9A-F]{4,5})*$")
    image: str


class _Name(BaseModel):
    tts: list[str] = []


class _List(BaseModel):
    annotations: dict[str, _Name]


class _File(BaseModel):
    content: _List = Field(validation_alias=AliasChoices(*_LISTS.values()))


_EMOJI = TypeAdapter(list[_Emoji])
_FILE = TypeAdapter(_File)


def fetch_emoji(cache_folder: Path, vendor: str = "google", *, progress: Progress | None = None) -> Path:
    """The folder with pictures and names below ``cache_folder``; fetched (70 to 90 MB) unless it is there.

    Raises:
        UnknownNameError: no such vendor.
        FetchError: a package cannot be had or is another one.
    """
    if vendor not in EMOJI_VENDORS:
        raise UnknownNameError("emoji vendor", vendor, EMOJI_VENDORS)
    folder = cache_folder / f"emoji-{_PICTURES_VERSION}-names-{_NAMES_VERSION}"
    for package in (f"emoji-datasource-{vendor}", *_LISTS):
        fetch_tree(EMOJI_ARCHIVES[package], folder / package, _kept, progress=progress)
    return folder


def _kept(member: str) -> str | None:
    name = PurePosixPath(member).relative_to("package")
    wanted = name.match("emoji.json") or name.match("img/*/64/*.png") or name.parent.name in STUDY_LANGUAGES
    return name.as_posix() if wanted and not _SKIN.search(name.name) else None


def read_emoji(folder: Path, vendor: str = "google") -> Corpus:
    """The emoji without skin tones, in Unicode's order; id is the code, caption the name.

    Emoji that differ only in the gender of who is shown, or in the direction they face, are relevant to each
    other.

    Args:
        folder: as described above.
        vendor: whose pictures; any whose package is there.

    Raises:
        CorpusError: a file is missing or not as it should be, or there are no pictures.
    """
    package = folder / f"emoji-datasource-{vendor}"
    source = locate(package, "emoji.json", remedy=_REMEDY)
    names = {tag: _names(folder, tag) for tag in STUDY_LANGUAGES}
    drawn = package / "img" / vendor / "64"
    media = {path.name: Frames(drawn, (path.name,)) for path in drawn.glob("*.png")}
    rows = []
    for emoji in parse(source, _EMOJI):
        text = "".join(chr(int(code, 16)) for code in emoji.unified.split("-")).replace(_VARIATION, "")
        captions = {tag: known.get(text, []) for tag, known in names.items()}
        rows.append((emoji.unified.lower(), emoji.image, captions))
    corpus = assemble(Listing(f"emoji {vendor}", rows, media, source, "picture", _REMEDY))
    return replace(corpus, items=related(corpus.items, lambda item: _concept(item.captions["en"][0])))


def _names(folder: Path, tag: str) -> dict[str, list[str]]:
    """Emoji without variation selectors -> its name, if it has one."""
    found: dict[str, list[str]] = {}
    for package, name in _LISTS.items():
        path = locate(folder / package / name / tag, "annotations.json", remedy=_REMEDY)
        entries = parse(path, _FILE).content.annotations
        found |= {text.replace(_VARIATION, ""): entry.tts for text, entry in entries.items()}
    return found


def _concept(name: str) -> str:
    """What an emoji shows, whoever does it: "woman running: facing right" -> "running"."""
    neutral = _GENDER.sub(lambda match: "person" if match["one"] else "people", name)
    concept = neutral.removesuffix(": facing right").removeprefix("person ")
    return name if concept == "person" else concept
