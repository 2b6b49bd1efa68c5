"""Events of an index run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from polyreel.errors import MediaError
from polyreel.recognition.protocol import Source

if TYPE_CHECKING:  # a search reads how far a run has come, and needs no decoder for that
    from polyreel.library.index.hearing import HearingProgress

__all__ = ["Committed", "IndexEvent", "Planned", "Progressed", "Recognised", "Settled", "VectorIndexBegun"]


@dataclass(frozen=True, slots=True)
class Planned:
    """The scan is done: ``files`` have to be read, ``size_bytes`` in all."""

    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Progressed:
    """``size_bytes`` more have been dealt with (estimated within a file by its time)."""

    size_bytes: float


@dataclass(frozen=True, slots=True)
class Settled:
    """A file is done: ``error`` is None if it will be in the library at the next commit."""

    path: Path
    error: MediaError | None


@dataclass(frozen=True, slots=True)
class Committed:
    """``paths`` are in the library now, whole, and survive whatever happens next."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recognised:
    """The pictures are searchable, and lines of ``source`` have come so far."""

    source: Source
    progress: HearingProgress


@dataclass(frozen=True, slots=True)
class VectorIndexBegun:
    """All files are in the library; the index that searches of so many ``vectors`` use is made now, or made
    larger. Lance does not say how far it is."""

    vectors: int

    def __str__(self) -> str:
        return f"making the index that searches of {self.vectors:,} vectors use"


IndexEvent = Planned | Progressed | Settled | Committed | Recognised | VectorIndexBegun
