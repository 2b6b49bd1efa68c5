"""Rubber stamps of Tux Paint: photos and clip art, described by volunteers in dozens of languages.

They come in Debian's ``tuxpaint-stamps-default``. Layout: ``a/b/frog.png`` with ``a/b/frog.txt``, whose first
line is English and whose others are ``de.utf8=Ein Frosch.`` and the like; ``/usr/share/tuxpaint/stamps`` of
an installed package is read as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from polyreel.datasets.reading import read_lines
from polyreel.datasets.records import Frames, Stream, created_in, record_of
from polyreel.errors import DatasetError
from polyreel.languages import STUDY_LANGUAGES, clean
from polyreel.packages.fetch import fetch_tree
from polyreel.packages.members import Archive
from polyreel.problems import Missing
from polyreel.progress import OnProgress

__all__ = ["STAMPS_ARCHIVE", "STAMPS_CREATION", "fetch_stamps", "stamps_records"]

STAMPS_CREATION = created_in("en", others="human-translated")
STAMPS_ARCHIVE = Archive(
    registry="debian",
    package="tuxpaint-stamps-default",
    version="2022.06.04-1",
    archive="tuxpaint-stamps-default_2022.06.04-1_all.deb",
    archive_bytes=160_880_444,
    sha256="6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
)
_INSIDE = PurePosixPath("usr/share/tuxpaint/stamps")
# Where there is no simplified Chinese, traditional Chinese is Chinese too.
_KEYS = {"zh": ("zh_CN", "zh_TW")}
_REMEDY = (
    "Fetch them with 'polyreel data fetch stamps', or install the package and read /usr/share/tuxpaint/stamps"
)


def fetch_stamps(cache_folder: Path, progress: OnProgress | None = None) -> Path:
    """The folder with the stamps below ``cache_folder``; fetched (161 MB) unless it is there.

    Raises:
        FetchError: the package cannot be had or is another one.
    """
    folder = cache_folder / f"stamps-{STAMPS_ARCHIVE.version}"
    return fetch_tree(STAMPS_ARCHIVE, folder, _kept, progress=progress)


def _kept(member: str) -> str | None:
    path = PurePosixPath(member)
    wanted = path.is_relative_to(_INSIDE) and path.suffix in {".png", ".svg", ".txt"}
    return path.relative_to(_INSIDE).as_posix() if wanted else None


def stamps_records(folder: Path) -> Stream:
    """The stamps, ordered by path; those with the same English description are one concept.

    Drawings that are there only as SVG are not read, and neither are pictures without a description (mirrored
    doubles of others): both are ``Missing``, after the stamps.

    Raises:
        DatasetError: there are no stamps, or a description cannot be read.
    """
    found = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix in {".png", ".svg", ".txt"}
    }
    described, missing = {}, []
    for name in sorted({str(PurePosixPath(path).with_suffix("")) for path in found}):
        captions = _captions(folder / f"{name}.txt") if f"{name}.txt" in found else {"en": ""}
        if f"{name}.png" not in found:
            drawn = f"{name}.svg" in found
            missing.append(Missing(name, "an SVG drawing, which is not read" if drawn else "no picture"))
        elif not captions["en"]:
            missing.append(Missing(name, "no description"))
        else:
            described[name] = captions
    if not described:
        raise DatasetError("there are no stamps", item=folder, remedy=_REMEDY)
    alike: dict[str, list[str]] = defaultdict(list)
    for name, captions in described.items():
        alike[captions["en"].casefold().rstrip(" .!")].append(name)
    concepts = {name: names[0] for names in alike.values() if len(names) > 1 for name in names}
    for name, captions in described.items():
        texts, picture = {tag: [text] for tag, text in captions.items()}, Frames(folder, (f"{name}.png",))
        yield record_of(name, texts, STAMPS_CREATION, media=picture, concept=concepts.get(name, ""))
    yield from missing


def _captions(path: Path) -> dict[str, str]:
    english, *others = read_lines(path)
    said: Mapping[str, str] = {key: text for key, _, text in (line.partition(".utf8=") for line in others)}
    captions = {"en": clean(english)}
    for tag in STUDY_LANGUAGES:
        texts = (text for key in _KEYS.get(tag, (tag,)) if (text := said.get(key, "").strip()))
        captions.setdefault(tag, next(texts, ""))
    return captions
