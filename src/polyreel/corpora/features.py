"""Features of clips: float16 rows in memory-mapped ``.npy`` shards, a stretch of rows for each clip."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from polyreel.corpora.manifest import (
    FEATURES_FOLDER,
    FeatureSet,
    commit,
    scratch_folder,
    stored,
    writing,
)
from polyreel.errors import CorpusError

if TYPE_CHECKING:
    from polyreel.corpora.table import CorpusTable

__all__ = [
    "SHARD_BYTES",
    "FeatureStore",
    "commit_features",
    "float16_rows",
    "require_name",
    "shard_name",
    "write_features",
]

SHARD_BYTES = 64 << 20
"""A shard is closed once it holds this much; one clip with more has a shard of its own."""

Scalar = TypeVar("Scalar", bound=np.generic)

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SPANS, _BROKEN = "spans.npy", "broken.json"
# One call reads no more ahead than the kernel's own limit, which is this on most systems.
_AHEAD_BYTES = 128 << 10
_HEADER_BYTES = 128  # that numpy puts before the rows
# Gaps as small as this are read as well: passing over them costs a disk more.
_GAP_BYTES = 256 << 10


class FeatureStore:
    """Features of one kind.

    Args:
        folder: of the corpus.
        facts: what the manifest says of them.
        clips: how many clips the corpus has.

    Raises:
        CorpusError: the files do not belong together.
    """

    def __init__(self, folder: Path, facts: FeatureSet, clips: int) -> None:
        self._folder, self._facts = folder / facts.folder, facts
        self._spans = _mapped(self._folder / _SPANS, np.int32)
        if self._spans.shape != (clips, 3):
            raise CorpusError(
                "features of another corpus",
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
        found: dict[str, str] = json.loads((self._folder / _BROKEN).read_text(encoding="utf-8"))
        return found

    @cached_property
    def counts(self) -> NDArray[np.int32]:
        """Scalar of rows of each clip, (clips,)."""
        return np.asarray(self._spans[:, 2])

    def of(self, index: int) -> NDArray[np.float16]:
        """The rows of one clip, (rows, dim) float16, mapped and read-only; no rows if it has none.

        Raises:
            CorpusError: a shard is missing or damaged.
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
                    raise CorpusError("a shard of features has another shape", item=path, value=rows.shape)
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
        raise CorpusError(
            "a file of features cannot be read",
            item=path,
            value=error,
            remedy="Make the features again, or open the corpus again if it was just replaced",
        ) from error
    if mapped.dtype != kind:
        raise CorpusError("a file of features has another type", item=path, value=mapped.dtype)
    return np.asarray(mapped)


def write_features(
    table_folder: Path,
    name: str,
    rows: Iterable[tuple[str, NDArray[np.floating]]],
    *,
    dim: int,
    rate_hz: float | None,
) -> None:
    """Add features to a corpus; those of the same name are replaced once the new ones are complete.

    Args:
        table_folder: of the corpus.
        name: letters, digits, dots and dashes, in lower case.
        rows: clip id and its (rows, dim) features, in any order; best in the corpus's own, in which they are
            read from the disk. A clip may be absent, which is the same as no rows.
        dim: width of a row.
        rate_hz: rows for each second of video, None where rows do not follow time.

    Raises:
        CorpusError: a clip is unknown or comes twice, or its features are of another width, not finite, or
            too large for float16; another process writes the corpus. The old features stay.
    """
    from polyreel.corpora.table import open_table

    require_name(name)
    with writing(table_folder):
        table = open_table(table_folder)
        with scratch_folder(table_folder) as work:
            spans = np.zeros((len(table), 3), np.int32)
            for shard, (indices, parts) in enumerate(_shards(table, rows, dim)):
                counts = np.array([len(part) for part in parts])
                spans[indices] = np.stack(
                    [np.full_like(counts, shard), np.cumsum(counts) - counts, counts], axis=1
                )
                np.save(work / shard_name(shard), np.concatenate(parts))
            commit_features(table, name, work, spans, dim=dim, rate_hz=rate_hz, broken={})


def _shards(
    table: CorpusTable, rows: Iterable[tuple[str, NDArray[np.floating]]], dim: int
) -> Iterator[tuple[list[int], list[NDArray[np.float16]]]]:
    """Indices and rows of the clips of one shard after the other."""
    seen = np.zeros(len(table), bool)
    indices: list[int] = []
    parts: list[NDArray[np.float16]] = []
    held = 0
    for clip_id, given in rows:
        index = table.index_of(clip_id)
        if seen[index]:
            raise CorpusError("features of a clip come twice", item=clip_id)
        seen[index] = True
        part = float16_rows(given, dim, clip_id)
        if len(part):
            indices.append(index)
            parts.append(part)
            held += part.nbytes
        if held >= SHARD_BYTES:
            yield indices, parts
            indices, parts, held = [], [], 0
    if parts:
        yield indices, parts


def float16_rows(rows: NDArray[np.floating], dim: int, clip_id: str) -> NDArray[np.float16]:
    """(rows, dim) features as they are kept.

    Raises:
        CorpusError: they are of another width, not finite, or too large for float16.
    """
    given = np.asarray(rows)
    if given.ndim != 2 or given.shape[1] != dim:
        raise CorpusError(
            "features of the wrong shape", item=clip_id, value=f"{given.shape}, not (rows, {dim})"
        )
    if not np.isfinite(given).all():
        raise CorpusError(
            "features are not finite",
            item=clip_id,
            value=f"{int((~np.isfinite(given)).sum()):,} numbers",
            remedy="Make them again, or leave the clip out",
        )
    with np.errstate(over="ignore"):
        kept = given.astype(np.float16)
    if not np.isfinite(kept).all():
        raise CorpusError(
            "features are too large for float16",
            item=clip_id,
            value=float(np.abs(given).max()),
            remedy="Scale them",
        )
    return kept


def require_name(name: str) -> None:
    """Raise ``CorpusError`` unless ``name`` can name features."""
    if not _NAME.fullmatch(name):
        raise CorpusError(
            "no name for features", item=repr(name), remedy="Use lower-case letters, digits, dots and dashes"
        )


def shard_name(number: int) -> str:
    """File name of a shard."""
    return f"shard-{number:05d}.npy"


def commit_features(
    table: CorpusTable,
    name: str,
    work: Path,
    spans: NDArray[np.int32],
    *,
    dim: int,
    rate_hz: float | None,
    broken: Mapping[str, str],
) -> None:
    """Make the shards in ``work`` features of the corpus, which the caller holds for writing.

    Args:
        table: the corpus.
        name: of the features.
        work: folder with the shards, below the corpus; it is moved away.
        spans: (clips, 3) shard, first row and number of rows of each clip.
        dim, rate_hz: as ``write_features`` has them.
        broken: clip id -> why its medium could not be read.
    """
    np.save(work / _SPANS, spans)
    (work / _BROKEN).write_text(json.dumps(broken, ensure_ascii=False, indent=1), encoding="utf-8")
    files = stored(work, [_SPANS, _BROKEN, *(path.name for path in sorted(work.glob("shard-*.npy")))])
    of_clips = table.manifest.clips_sha256
    content = [dim, rate_hz, of_clips, *(kept.sha256 for kept in files.values())]
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]
    place = f"{FEATURES_FOLDER}/{name}-{digest}"
    facts = FeatureSet(
        dim=dim,
        rate_hz=rate_hz,
        clips=int((spans[:, 2] > 0).sum()),
        rows=int(spans[:, 2].sum(dtype=np.int64)),
        broken=len(broken),
        of_clips=of_clips,
        files={f"{place}/{file}": kept for file, kept in files.items()},
    )
    if table.manifest.features.get(name) == facts:
        return
    (table.folder / place).parent.mkdir(exist_ok=True)
    shutil.rmtree(table.folder / place, ignore_errors=True)  # left by a kill before it was committed
    work.replace(table.folder / place)
    features = {**table.manifest.features, name: facts}
    commit(table.folder, table.manifest.model_copy(update={"features": features}))
    for path in (table.folder / place).iterdir():
        if path.name not in files:
            path.unlink()
