"""Messages of MediaWiki in nine languages: short texts of one meaning, translated by volunteers.

They come in Debian's ``mediawiki``. Layout: files ``en.json``, ``de.json`` and so on, of keys and messages,
in folders with ``i18n`` in their path; ``/usr/share/mediawiki`` of an installed package is read as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import TypeAdapter

from polyreel.datasets.records import Stream, created_in, record_of
from polyreel.datasets.strict_json import parse
from polyreel.errors import DatasetError
from polyreel.languages import STUDY_LANGUAGES
from polyreel.packages.fetch import fetch_tree
from polyreel.packages.members import Archive
from polyreel.problems import Missing
from polyreel.progress import OnProgress

__all__ = ["MEDIAWIKI_ARCHIVE", "MEDIAWIKI_CREATION", "fetch_mediawiki", "mediawiki_records"]

MEDIAWIKI_CREATION = created_in("en", others="human-translated")
MEDIAWIKI_ARCHIVE = Archive(
    registry="debian",
    package="mediawiki",
    version="1:1.39.17-1+deb12u2",
    archive="mediawiki_1.39.17-1+deb12u2_all.deb",
    archive_bytes=36_792_660,
    sha256="dee6a9e1f11cf72ff9764f94815df980e120102984d15d489af079de7e980bba",
)
_INSIDE = PurePosixPath("usr/share/mediawiki")
_REMEDY = (
    "Fetch them with 'polyreel data fetch mediawiki', or install the package and read /usr/share/mediawiki"
)
_FILES = {tag: "zh-hans" if tag == "zh" else tag for tag in STUDY_LANGUAGES}
_NAMES = frozenset(f"{name}.json" for name in _FILES.values())
# Places for values, templates, mark-up, addresses and lists: what is no text yet, or none at all.
_MARKED_UP = re.compile(r"\$\d|[{}\[\]<>|\n]|&\w+;|//")
# Of eight translations as many that are the English text: a name, or nobody has translated it.
_UNTRANSLATED = 4
# The key "@metadata" holds the names of the translators.
_MESSAGES = TypeAdapter(dict[str, Any])


def fetch_mediawiki(cache_folder: Path, progress: OnProgress | None = None) -> Path:
    """The folder with the messages below ``cache_folder``; fetched (37 MB) unless it is there.

    Raises:
        FetchError: the package cannot be had or is another one, as after an update in Debian.
    """
    folder = cache_folder / f"mediawiki-{MEDIAWIKI_ARCHIVE.version.replace(':', '-')}"
    return fetch_tree(MEDIAWIKI_ARCHIVE, folder, _kept, progress=progress)


def _kept(member: str) -> str | None:
    path = PurePosixPath(member)
    wanted = path.is_relative_to(_INSIDE) and "i18n" in path.parts and path.name in _NAMES
    return path.relative_to(_INSIDE).as_posix() if wanted else None


def mediawiki_records(folder: Path) -> Stream:
    """Messages that all nine languages have and that are plain text, each set of nine once.

    Raises:
        DatasetError: there are no messages, or a file is not as it should be.
    """
    seen: set[tuple[str, ...]] = set()
    for english in sorted(folder.rglob("en.json")):
        home = english.parent
        if "i18n" not in home.relative_to(folder).parts:
            continue
        said = {tag: _messages(home / f"{name}.json") for tag, name in _FILES.items()}
        for key in said["en"]:
            texts = {tag: known[key] for tag, known in said.items() if key in known}
            name = f"{home.relative_to(folder).as_posix()}/{key}"
            reason = _unfit(texts)
            if reason is None and (row := tuple(texts.values())) in seen:
                reason = "nine texts that another message has"
            if reason is not None:
                yield Missing(name, reason)
                continue
            seen.add(row)
            captions = {tag: [text] for tag, text in texts.items()}
            yield record_of(name, captions, MEDIAWIKI_CREATION, concept=texts["en"].casefold())
    if not seen:
        raise DatasetError("there are no messages in nine languages", item=folder, remedy=_REMEDY)


def _messages(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    return {key: text.strip() for key, text in parse(path, _MESSAGES).items() if isinstance(text, str)}


def _unfit(texts: Mapping[str, str]) -> str | None:
    """Why a message is left out, None if it is taken."""
    if len([text for text in texts.values() if text]) < len(STUDY_LANGUAGES):
        return "not in all nine languages"
    if any(_MARKED_UP.search(text) for text in texts.values()):
        return "places for values, or mark-up"
    if sum(text == texts["en"] for text in texts.values()) > _UNTRANSLATED:
        return "hardly translated"
    return None
