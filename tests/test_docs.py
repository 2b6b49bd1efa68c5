"""The examples of the documentation run as they stand, and print what they say they print."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from films import film, subtitles
from polyreel.encoders.registry import DEFAULT_BUNDLE, list_bundles
from tiny_bundle import write_tiny_bundle

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "docs" / "index.md", *sorted((ROOT / "docs" / "examples").glob("*.md"))]
FENCE = re.compile(r"^```(python|output)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    kind: str
    text: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start(2)), found[1], found[2]) for found in FENCE.finditer(text)
    ]


def run(page: Path) -> Iterator[tuple[Block, str]]:
    """Run the blocks of a page in one namespace; each block of output, with what was printed before it."""
    names: dict[str, object] = {"__name__": "__main__"}
    printed = io.StringIO()
    for block in blocks(page):
        if block.kind == "output":
            yield block, printed.getvalue()
            printed = io.StringIO()
            continue
        # As many empty lines as stand before it, so that a traceback names the line of the page.
        code = compile("\n" * block.line + block.text, str(page), "exec")
        with contextlib.redirect_stdout(printed):
            exec(code, names)


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """Where a reader stands: an empty folder, and a default bundle that is small enough for tests.

    The pages of examples make their own files; README and the first page speak of a folder of their reader's.
    """
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path / "cache"))
    (default,) = (entry for entry in list_bundles() if entry.name == DEFAULT_BUNDLE)
    write_tiny_bundle(default.folder, name=DEFAULT_BUNDLE)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    return home


def lay_out_videos(home: Path) -> None:
    film(home / "videos" / "flags.mp4", "red", "blue")
    film(home / "videos" / "talk.mp4", "green")
    subtitles(home / "videos" / "talk.en.srt", (0, 2, "the dog runs"))


def test_there_are_examples():
    assert sum(block.kind == "python" for page in PAGES for block in blocks(page)) > 15


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page)], ids=lambda page: str(page.relative_to(ROOT))
)
def test_the_examples_of_a_page_run_and_print_what_it_says(page, reader):
    if page.parent.name != "examples":
        lay_out_videos(reader)
    for block, printed in run(page):
        assert printed == block.text, f"{page.name}:{block.line}"


def test_every_room_stands_in_the_architecture():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = [file.parent.name for file in (ROOT / "src" / "polyreel").glob("*/__init__.py")]
    assert [room for room in rooms if f"`{room}/`" not in text] == []


TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# `benchmarks/demo_recall.py`, or from the package: `library/results.py`.
PATH = re.compile(r"(?<![\w./~-])([a-z0-9_]+/[\w/-]*\w\.(?:py|toml|yaml))")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def test_files_that_are_named_are_there():
    packages = (ROOT, ROOT / "src", ROOT / "src" / "polyreel")
    named = [(page, packages, found) for page in TEXTS for found in PATH.findall(page.read_text())]
    named += [(page, (page.parent,), found) for page in TEXTS for found in LINK.findall(page.read_text())]
    assert len(named) > 50
    assert [
        f"{page.relative_to(ROOT)}: {name}"
        for page, folders, name in named
        if not any((folder / name).exists() for folder in folders)
    ] == []
