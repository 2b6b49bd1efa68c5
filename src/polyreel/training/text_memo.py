"""What a frozen text encoder made of texts before: computed once, kept on the disk, shared by all runs.

The key is the encoder's identity, so a changed encoder finds nothing. What was stored first stays: processes,
and runs that go on, read the very same numbers, although an encoder's last bits depend on what else was in
its batch.

Code-switched texts are new in every epoch, so both the memory and the file have an end. A full memory is
emptied; a full file takes nothing more, and the next run to open it begins it anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polyreel.errors import TrainingError

__all__ = ["TextMemo"]

_AT_ONCE = 500
_WAIT_S = 120.0
_KEPT_BYTES, _STORED_BYTES = 512 << 20, 4 << 30


class TextMemo:
    """Texts -> vectors, from memory, from the disk, or from the encoder, in this order.

    Args:
        path: SQLite file; several processes may use it at a time.
        encode: what makes (texts, dim) float32 vectors.
        dim: their width.

    Raises:
        TrainingError: the file cannot be used.
    """

    def __init__(
        self, path: Path, encode: Callable[[Sequence[str]], NDArray[np.float32]], *, dim: int
    ) -> None:
        self._path, self._encode, self._dim = path, encode, dim
        self._known: dict[str, NDArray[np.float16]] = {}
        self._most = _KEPT_BYTES // (2 * dim)
        self.computed = 0
        with self._asking():
            path.parent.mkdir(parents=True, exist_ok=True)
            # The thread that makes batches ahead uses it too, never at the same time.
            self._base = sqlite3.connect(path, timeout=_WAIT_S, check_same_thread=False)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            with self._base:
                self._base.execute(
                    "CREATE TABLE IF NOT EXISTS vectors (text BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID"
                )
            if self._is_full():
                with self._base:
                    self._base.execute("DELETE FROM vectors")
                with contextlib.suppress(
                    sqlite3.OperationalError
                ):  # another run reads: its space is used again
                    self._base.execute("VACUUM")

    def of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(texts, dim) vectors, rounded to float16 as they are kept."""
        wanted = [text for text in dict.fromkeys(texts) if text not in self._known]
        if len(self._known) + len(wanted) > self._most:
            self._known.clear()
            wanted = list(dict.fromkeys(texts))
        self._read(wanted)
        missing = [text for text in wanted if text not in self._known]
        if missing:
            self._keep(missing, self._encode(missing))
        return np.stack([self._known[text] for text in texts]).astype(np.float32)

    def share_known(self, texts: Sequence[str]) -> float:
        """Which share of ``texts`` needs no encoder, 0 to 1."""
        self._read(texts)
        return sum(text in self._known for text in texts) / max(len(texts), 1)

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def _keep(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        self.computed += len(texts)
        rounded = vectors.astype(np.float16)
        if self._is_full():
            self._known |= zip(texts, rounded, strict=True)
        else:
            self._store(texts, rounded)
            self._read(texts)

    def _is_full(self) -> bool:
        with self._asking():
            (pages,) = self._base.execute("PRAGMA page_count").fetchone()
            (free,) = self._base.execute("PRAGMA freelist_count").fetchone()
            (size,) = self._base.execute("PRAGMA page_size").fetchone()
        return int((pages - free) * size) >= _STORED_BYTES

    def _read(self, texts: Sequence[str]) -> None:
        by_key = {_key(text): text for text in texts}
        keys = list(by_key)
        with self._asking():
            for start in range(0, len(keys), _AT_ONCE):
                some = keys[start : start + _AT_ONCE]
                marks = ",".join("?" * len(some))
                query = f"SELECT text, vector FROM vectors WHERE text IN ({marks})"  # noqa: S608  marks alone
                for key, blob in self._base.execute(query, some):
                    self._known[by_key[key]] = self._vector(blob)

    def _vector(self, blob: bytes) -> NDArray[np.float16]:
        if len(blob) != 2 * self._dim:
            raise TrainingError(
                "stored text features are damaged",
                item=self._path,
                remedy="Delete the file; it is made again",
            )
        return np.frombuffer(blob, np.float16)

    def _store(self, texts: Sequence[str], vectors: NDArray[np.float16]) -> None:
        rows = [(_key(text), vector.tobytes()) for text, vector in zip(texts, vectors, strict=True)]
        with self._asking(), self._base:
            self._base.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise TrainingError(
                "text features cannot be kept",
                item=self._path,
                value=error,
                remedy="Free some space, or delete the file; it is made again",
            ) from error


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
