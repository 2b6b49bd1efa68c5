"""Find the videos in a ``how2_[lang].json`` without reading it whole.

The published files are one JSON object of a few gigabytes each, often in one line. A regular expression walks
over its entries without parsing them and notes where each value lies; only then are the values of one
video, in all languages, read and parsed together.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from polyreel.errors import DatasetError
from polyreel.files import open_regular
from polyreel.problems import Problems

__all__ = ["MAX_ENTRY_BYTES", "STRING", "Entry", "scan"]

MAX_ENTRY_BYTES = 64 << 20
"""No video has so many captions: an entry that is longer has lost its closing quotation mark."""

_CHUNK_BYTES = 4 << 20
# Possessive repeats ("*+", "++") never go back, so time and memory stay linear in any input.
STRING = rb'"(?:[^"\\]++|\\.)*+"'
"""A JSON string; needs ``re.DOTALL``."""

_FLAT_OBJECT = rb'\{(?:[^"{}]++|' + STRING + rb")*+\}"
_FLAT_LIST = rb'\[(?:[^"\[\]]++|' + STRING + rb")*+\]"
_SCALAR = rb'[^\s"{}\[\],]++'
_ENTRY = re.compile(
    rb"\s*+(" + STRING + rb")\s*+:\s*+"
    rb"(" + b"|".join((_FLAT_OBJECT, _FLAT_LIST, STRING, _SCALAR)) + rb")\s*+([,}])",
    re.DOTALL,
)
_OPENING = re.compile(rb"\s*+\{")
_EMPTY = re.compile(rb"\s*+\}\s*+\Z")
_OTHER_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one video's value lies.

    Attributes:
        key: the video's id.
        offset, length: bytes from the start of the file, and how many.
    """

    key: str
    offset: int
    length: int


def scan(path: Path, problems: Problems, *, max_entry_bytes: int = MAX_ENTRY_BYTES) -> Iterator[Entry]:
    """Each video of the file, in its order.

    A file that is cut short or broken gives the videos up to there; ``problems`` says where that is.

    Args:
        path: the caption file.
        problems: told of where a file is broken.
        max_entry_bytes: size of a video's captions above which they are left out.

    Raises:
        DatasetError: it cannot be read, or it is no JSON object in a superset of ASCII.
    """
    try:
        with open_regular(path) as file:
            yield from _Scanner(path, file.read, problems, max_entry_bytes).entries()
    except OSError as error:
        raise DatasetError("the file cannot be read", item=path, value=error.strerror) from error


class _Scanner:
    """A window on the file that moves forward and grows only while an entry does not fit into it."""

    def __init__(
        self, path: Path, read: Callable[[int], bytes], problems: Problems, max_entry_bytes: int
    ) -> None:
        self._path, self._read, self._problems = path, read, problems
        self._max_entry_bytes = max_entry_bytes
        self._window = b""
        self._offset = 0  # of the window in the file
        self._lines = 0  # line feeds before the window
        self._ended = False

    def entries(self) -> Iterator[Entry]:
        at = self._opening()
        last, closed = None, False
        while not closed:
            found = _ENTRY.match(self._window, at)
            if found is None:
                if self._ended or len(self._window) - at > self._max_entry_bytes:
                    self._stopped(at, last)
                    return
                self._grow(at)
                at = 0
                continue
            last = self._key(found[1])
            start, end = found.span(2)
            yield Entry(last, self._offset + start, end - start)
            at, closed = found.end(), found[3] == b"}"
        self._grow(at)
        if self._window.strip():
            self._problems.add("the file goes on behind its last bracket", item=self._where(0), value=last)

    def _opening(self) -> int:
        self._grow(0)
        if self._window.startswith(_OTHER_MARKS):
            raise DatasetError(
                "the file is in UTF-16 or UTF-32", item=self._path, remedy="Convert it to UTF-8"
            )
        start = len(codecs.BOM_UTF8) if self._window.startswith(codecs.BOM_UTF8) else 0
        found = _OPENING.match(self._window, start)
        if found is None:
            raise DatasetError(
                "the file is no JSON object of videos",
                item=self._path,
                value=repr(self._window[:30])[1:],
                remedy='It should begin with {"video id": {"text": [..], "start": [..], "end": [..]}',
            )
        return found.end()

    def _grow(self, at: int) -> None:
        """Drop what lies before ``at`` and read on: as much again as is left, so that work stays linear."""
        self._lines += self._window.count(b"\n", 0, at)
        self._offset += at
        rest = self._window[at:]
        more = self._read(max(_CHUNK_BYTES, len(rest)))
        self._ended = not more
        self._window = rest + more

    def _stopped(self, at: int, last: str | None) -> None:
        rest = self._window[at:]
        if last is None and self._ended and _EMPTY.match(rest):
            self._problems.add("the file has no videos", item=self._path)
            return
        what = "the file is cut short" if self._ended else "an entry has no end"
        if _BROKEN.match(rest.lstrip()):
            what = "the file is not as it should be"
        self._problems.add(
            f"{what}: the videos before are used, none after",
            item=self._where(at),
            value=f"after video {last}" if last is not None else "before the first video",
            remedy="Get the file again",
        )

    def _where(self, at: int) -> str:
        at = len(self._window) - len(self._window[at:].lstrip())
        line = self._lines + self._window.count(b"\n", 0, at) + 1
        return f"{self._path}, line {line:,}, byte {self._offset + at:,}"

    @staticmethod
    def _key(raw: bytes) -> str:
        try:
            return str(json.loads(raw))
        except ValueError:  # control characters or bytes that are not UTF-8
            return raw[1:-1].decode("utf-8", "replace")


# The next thing is no key, or a key without a colon, or a value that holds other objects or lists.
_BROKEN = re.compile(
    rb'[^"]|' + STRING + rb"\s*+(?:[^:\s]|:\s*+(?:\{(?:[^\"{}]++|" + STRING + rb")*+\{|[,}\]]))", re.DOTALL
)
