"""How much does a match mean? What unrelated queries reach in the same library says so.

Cosines of a query and its best clip grow with the library. So background queries in nine languages are asked
of it, and what each of them reaches at best, by sight and in subtitles, is the scale of all other queries. It
is one scale: a query means the same whichever language it is taken for, and "chat" may be two.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.resources
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.card import short_identity
from polyreel.encoders.protocol import Encoder
from polyreel.files import write_atomically
from polyreel.library.search.search_index import SearchIndex

__all__ = [
    "BACKGROUND_QUERIES",
    "FALSE_ALARM_RATE",
    "Background",
    "Calibration",
    "calibrate",
    "load_background",
]

# Chosen on MSR-VTT dev (benchmarks/confidence.py): at half of it, about every second caption whose video is
# there would get the answer that nothing matches well.
FALSE_ALARM_RATE = 0.2
"""Share of background queries that pass for a good match, by construction."""

BACKGROUND_QUERIES = 200
"""How many there are in each language."""

_FILE = "background.json"
_ROWS_AT_ONCE = 8_192
# Products of queries and clips that one calibration may cost for each language; beyond 250,000 clips fewer
# queries are asked, never under the smaller number.
_PRODUCTS, _FEWEST = 50_000_000, 50

Vectors = NDArray[np.float32]


Background = Mapping[str, Vectors]
"""Vectors of the background queries: BCP-47 tag -> (queries, dim)."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What background queries reach in one commit of a library.

    Attributes:
        clips: (queries,) cosines of each query and its best clip, ascending.
        lines: the same for subtitle lines; empty where there are none.
    """

    clips: Vectors
    lines: Vectors

    def strength_of_clip(self, cosine: float) -> float:
        """Share of background queries that no clip matches as well as this, 0 to 1."""
        return _share_below(self.clips, cosine)

    def strength_of_line(self, cosine: float) -> float:
        """The same for a subtitle line."""
        return _share_below(self.lines, cosine)


def load_background(bundle: Encoder, cache_folder: Path) -> Background:
    """The background queries as ``bundle`` encodes them, kept in ``cache_folder`` where that can be written.

    Encoding takes seconds, reading what was kept milliseconds.
    """
    queries, digest = _queries()
    kept = cache_folder / f"background-{short_identity(bundle.card.identity, 16)}-{digest}.npz"
    unreadable = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
    # Opened here, because numpy leaves a file open that it cannot read.
    with (
        contextlib.suppress(*unreadable),
        kept.open("rb") as file,
        np.load(file, allow_pickle=False) as found,
    ):
        return {tag: found[tag] for tag in queries}
    vectors = {tag: bundle.encode_text(texts) for tag, texts in queries.items()}
    data = io.BytesIO()
    np.savez(data, **vectors)  # type: ignore[arg-type]
    with contextlib.suppress(OSError):
        write_atomically(kept, data.getvalue())
    return vectors


def calibrate(index: SearchIndex, background: Background) -> Calibration:
    """What the background queries reach in ``index``."""
    clips = _encoded(index.clip_vectors, index.clips["encoded"].to_numpy())
    lines = _encoded(index.subtitle_vectors, index.subtitles["encoded"].to_numpy())
    return Calibration(_best_of(clips, background), _best_of(lines, background))


def _encoded(vectors: Vectors, encoded: NDArray[np.bool_]) -> Vectors:
    return vectors if encoded.all() else vectors[encoded]


def _best_of(matrix: Vectors, background: Background) -> Vectors:
    if not len(matrix):
        return np.zeros(0, np.float32)
    count = max(_FEWEST, _PRODUCTS // len(matrix))
    queries = np.concatenate([vectors[:count] for vectors in background.values()])
    best = np.full(len(queries), -np.inf, np.float32)
    for start in range(0, len(matrix), _ROWS_AT_ONCE):
        np.maximum(best, (queries @ matrix[start : start + _ROWS_AT_ONCE].T).max(axis=1), out=best)
    return np.sort(best)


def _share_below(scale: Vectors, cosine: float) -> float:
    return float(np.searchsorted(scale, np.float32(cosine))) / len(scale) if len(scale) else 0.0


@functools.cache
def _queries() -> tuple[dict[str, list[str]], str]:
    data = (importlib.resources.files("polyreel.library.search") / _FILE).read_bytes()
    return json.loads(data)["queries"], hashlib.sha256(data).hexdigest()[:8]
