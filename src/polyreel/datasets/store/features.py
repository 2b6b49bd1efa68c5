"""Features of clips: float16 rows in memory-mapped ``.npy`` shards, a stretch of rows for each clip."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from polyreel.datasets.store.manifest import FeatureSet
from polyreel.errors import DatasetError

__all__ = ["BROKEN_FILE", "SPANS_FILE", "FeatureStore", "shard_name"]

Scalar = TypeVar("Scalar", bound=np.generic)

SPANS_FILE, BROKEN_FILE = "spans.npy", "broken.json"
# One call reads no more ahead than the kernel's own limit, which is this on most systems.
_AHEAD_BYTES = 128 << 10
_HEADER_BYTES = 128  # that numpy puts before the rows
# Gaps as small as this are read as well: passing over them costs a disk more.
_GAP_BYTES = 256 << 10


class FeatureStore:
    """Features of one kind.

    Args:
        folder: of the table.
        facts: what the manifest says of them.
        clips: how many clips the table has.

    Raises:
        DatasetError: the files do not belong together.
    """

    def __init__(self, folder: Path, facts: FeatureSet, clips: int) -> None:
        self._folder, self._facts = folder / facts.folder, facts
        self._spans = _mapped(self._folder / SPANS_FILE, np.int32)
        if self._spans.shape != (clips, 3):
            raise DatasetError(
                "features of another table",
                item=self._folder,
                value=f"{len(self._spans):,} clips, not {clips:,}",
            )
        self._shards: dict[int, NDArray[np.float16]] = {}
        self._opening = threading.Lock()

    @property
    def dim(self) -> int:
        """Width of a row."""
        return self._facts.dim

    @property
    def rate_hz(self) -> float | None:
        """Rows for each second of video, None where rows do not follow time."""
        return self._facts.rate_hz

    @cached_property
    def broken(self) -> Mapping[str, str]:
        """Clip id -> why its medium could not be read."""
        found: dict[str, str] = json.loads((self._folder / BROKEN_FILE).read_text(encoding="utf-8"))
        return found

    @cached_property
    def counts(self) -> NDArray[np.int32]:
        """Scalar of rows of each clip, (clips,)."""
        return np.asarray(self._spans[:, 2])

    def of(self, index: int) -> NDArray[np.float16]:
        """The rows of one clip, (rows, dim) float16, mapped and read-only; no rows if it has none.

        Raises:
            DatasetError: a shard is missing or damaged.
        """
        shard, first, count = self._spans[index].tolist()
        if not count:
            return np.zeros((0, self.dim), np.float16)
        rows = self._shards.get(shard)
        return (self._shard(shard) if rows is None else rows)[first : first + count]

    def read_ahead(self, indices: NDArray[np.int64]) -> None:
        """Have the disk begin to read what belongs to these clips, in the order in which it lies there."""
        if not hasattr(os, "posix_fadvise"):
            return
        spans = self._spans[np.sort(indices)].astype(np.int64)
        spans = spans[spans[:, 2] > 0]
        spans = spans[np.lexsort((spans[:, 1], spans[:, 0]))]
        shards, begins = spans[:, 0], spans[:, 1] * 2 * self.dim
        ends = begins + spans[:, 2] * 2 * self.dim
        apart = (shards[1:] != shards[:-1]) | (begins[1:] > ends[:-1] + _GAP_BYTES)
        places = np.arange(len(spans))
        for stretch in np.split(places, np.flatnonzero(apart) + 1) if len(spans) else ():
            first, last = stretch[0], stretch[-1]
            path = self._folder / shard_name(int(shards[first]))
            _advise(path, int(begins[first]), int(ends[last]) + _HEADER_BYTES)

    def _shard(self, number: int) -> NDArray[np.float16]:
        with self._opening:
            if number not in self._shards:
                path = self._folder / shard_name(number)
                rows = _mapped(path, np.float16)
                if rows.ndim != 2 or rows.shape[1] != self.dim:
                    raise DatasetError("a shard of features has another shape", item=path, value=rows.shape)
                self._shards[number] = rows
            return self._shards[number]


def _advise(path: Path, begin: int, end: int) -> None:
    with path.open("rb") as file:
        for at in range(begin, end, _AHEAD_BYTES):
            os.posix_fadvise(file.fileno(), at, _AHEAD_BYTES, os.POSIX_FADV_WILLNEED)


def _mapped(path: Path, kind: type[Scalar]) -> NDArray[Scalar]:
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(
            "a file of features cannot be read",
            item=path,
            value=error,
            remedy="Make the features again, or open the table again if it was just replaced",
        ) from error
    if mapped.dtype != kind:
        raise DatasetError("a file of features has another type", item=path, value=mapped.dtype)
    return np.asarray(mapped)


def shard_name(number: int) -> str:
    """File name of a shard."""
    return f"shard-{number:05d}.npy"
