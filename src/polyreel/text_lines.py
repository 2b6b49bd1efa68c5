"""Text files line by line, whatever their size; what is no line of text is reported and left out."""

from __future__ import annotations

import gzip
import itertools
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from polyreel.errors import DatasetError
from polyreel.files import open_regular
from polyreel.problems import Problems

__all__ = ["SHOWN_CHARS", "numbered_lines", "opened", "report_line"]

SHOWN_CHARS = 40
"""How much of a line a message shows."""

_MAX_LINE_BYTES = 1 << 16
_GZIP = b"\x1f\x8b"


def numbered_lines(
    path: Path, problems: Problems, *, max_line_bytes: int = _MAX_LINE_BYTES
) -> Generator[tuple[int, str]]:
    """Lines of a UTF-8 file that are not blank, with their numbers from 1, without line ends and byte order
    mark.

    Args:
        path: the file, gzip or not.
        problems: told of lines that are too long or not UTF-8; they are left out.
        max_line_bytes: length from which a line is too long.

    Raises:
        DatasetError: the file cannot be read, or is gzip and cut short.
    """
    with opened(path) as stream:
        for number in itertools.count(1):
            line = stream.readline(max_line_bytes)
            if not line:
                return
            shown = line[:SHOWN_CHARS].decode("utf-8", "replace")
            if len(line) == max_line_bytes and not line.endswith(b"\n"):
                while (more := stream.readline(max_line_bytes)) and not more.endswith(b"\n"):
                    pass
                report_line(problems, f"a line is longer than {max_line_bytes:,} bytes", path, number, shown)
                continue
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                report_line(problems, "a line is not UTF-8", path, number, shown)
                continue
            if text.strip():
                yield number, text


def report_line(problems: Problems, what: str, path: Path, line: int, value: str) -> None:
    """Name a line that is left out, and show how it begins.

    Args:
        problems: told of the line.
        what: why it is left out.
        path: the file.
        line: its number, from 1.
        value: its text, of which the beginning is shown.
    """
    problems.add(what, item=f"{path}, line {line:,}", value=repr(value[:SHOWN_CHARS]))


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked if they are gzip (or dictzip, which is gzip).

    Raises:
        DatasetError: the file cannot be read, or is gzip and cut short.
    """
    try:
        with open_regular(path) as raw:
            packed = raw.read(2) == _GZIP
            raw.seek(0)
            yield cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if packed else raw
    except (OSError, EOFError, zlib.error) as error:
        said = getattr(error, "strerror", None) or error
        raise DatasetError("the file cannot be read", item=path, value=said, remedy="Get it again") from error
