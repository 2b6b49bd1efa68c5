"""Output of the verbs: results on stdout, progress and messages on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleDimensions, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from polyreel.progress import ProgressDisplay, progress_display
from polyreel.units import printable

__all__ = [
    "print_columns",
    "print_error",
    "print_json",
    "print_lines",
    "show_progress",
    "stderr",
    "stdout",
    "width_of",
    "write_paths",
]

_LAYOUT = "\n\t"
_ENDLESS = 100_000  # characters: what no terminal shows is not wrapped


class _SafeConsole(Console):
    """A console that foreign text cannot command: neither by control characters nor by Rich's own markup."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    @property  # type: ignore[misc]  # nobody sets it
    def size(self) -> ConsoleDimensions:
        """Of the terminal; a pipe or a file has no end of a line to wrap at, unless ``$COLUMNS`` says so."""
        found = super().size
        return found if self.is_terminal or "COLUMNS" in os.environ else found._replace(width=_ENDLESS)

    def render_str(self, text: str, **options: Any) -> Text:
        """Text of a string; made safe here, so that its width is the one that is shown."""
        return super().render_str(printable(text, keep=_LAYOUT), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Pieces of what is printed; texts that were made elsewhere are made safe as well."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else printable(segment.text, keep=_LAYOUT)
            yield segment if text == segment.text else Segment(text, segment.style)


stdout = _SafeConsole()
stderr = _SafeConsole(stderr=True)


def json_text(document: Any) -> str:
    """A JSON document as it is printed and written."""
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    text = json_text(document)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # stdout knows few letters, or a file has a name that is no text
        text = json.dumps(document, indent=1, allow_nan=False)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_lines(lines: Iterable[str]) -> None:
    """Plain lines on stdout, for other programs: neither colour nor wrapping."""
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


def write_paths(paths: Iterable[str]) -> None:
    """Paths on stdout, a null character after each: byte by byte as the disk has them."""
    sys.stdout.flush()
    sys.stdout.buffer.write(b"".join(os.fsencode(path) + b"\0" for path in paths))
    sys.stdout.buffer.flush()


def print_columns(rows: Sequence[Sequence[str]], *, right: int = 0, heads: bool = False) -> None:
    """Cells side by side on stdout. The last of a row is as long as it is: a path stays in one piece, which a
    terminal wraps and copies as such.

    Args:
        rows: cells of each, as many in all.
        right: so many columns are aligned to the right.
        heads: whether the first row says what the columns are.
    """
    safe = [[printable(cell) for cell in row] for row in rows]
    widths = _widths(safe)[:-1]
    for number, (*cells, last) in enumerate(safe):
        line = Text(style="bold" if heads and number == 0 else "")
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
            gap = " " * (width - cell_len(cell))
            line.append(f"{gap}{cell}  " if place < right else f"{cell}{gap}  ")
        stdout.print(line.append(last), soft_wrap=True)


def width_of(rows: Sequence[Sequence[str]]) -> int:
    """Characters that the widest row of ``print_columns`` takes."""
    widths = _widths([[printable(cell) for cell in row] for row in rows])
    return sum(widths) + 2 * (len(widths) - 1)


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(cell_len, column)) for column in zip(*rows, strict=True)]


def print_error(message: str, *, as_json: bool, kind: str) -> None:
    """Print one message on stderr, with ``--json`` also as a document on stdout.

    Args:
        message: for people.
        as_json: whether ``--json`` was given.
        kind: name of the error's class.
    """
    if as_json:
        print_json({"error": {"kind": kind, "message": message}})
    stderr.print(f"polyreel: {message}", style="bold red", markup=False, soft_wrap=True)


def show_progress(*, log_every_s: float = 10.0) -> AbstractContextManager[ProgressDisplay]:
    """Progress on stderr, until the block ends."""
    return progress_display(stderr, log_every_s=log_every_s)
