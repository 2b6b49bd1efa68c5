"""Lexicons that packages bring, for languages that a folder of lexicons lacks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from polyreel.packages.fetch import fetch_tree
from polyreel.packages.members import Archive
from polyreel.progress import OnProgress

__all__ = ["LEXICON_PACKAGES", "fetch_lexicon"]

LEXICON_PACKAGES: Mapping[str, Archive] = MappingProxyType(
    {
        # FreeDict English-Italian, GPL-2.0-or-later: 4,098 usable heads.
        "it": Archive(
            registry="debian",
            package="dict-freedict-eng-ita",
            version="2022.04.21-1",
            archive="dict-freedict-eng-ita_2022.04.21-1_all.deb",
            archive_bytes=108_192,
            sha256="aef18ac10bd7582f99b819f634edad0dc0060e59a06f3f041a40203c53e9bb22",
        )
    }
)
"""Language -> package with a lexicon from English."""

_INSIDE = PurePosixPath("usr/share/dictd")


def fetch_lexicon(language: str, cache_folder: Path, progress: OnProgress | None = None) -> Path:
    """A folder with the lexicon of one language, for ``load_lexicons``; fetched unless it is there.

    Args:
        language: One of ``LEXICON_PACKAGES``.
        cache_folder: Where it is kept, below it.
        progress: Called as bytes arrive.

    Raises:
        FetchError: the package cannot be had or is another one.
    """
    package = LEXICON_PACKAGES[language]
    return fetch_tree(
        package, cache_folder / f"{package.package}-{package.version}", _kept, progress=progress
    )


def _kept(member: str) -> str | None:
    path = PurePosixPath(member)
    return path.name if path.parent == _INSIDE else None
