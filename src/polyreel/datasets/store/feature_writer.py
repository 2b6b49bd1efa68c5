"""Write features of a table: shards of float16 rows, committed as a whole."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polyreel.datasets.store.features import BROKEN_FILE, SPANS_FILE, shard_name
from polyreel.datasets.store.manifest import (
    FEATURES_FOLDER,
    FeatureSet,
    commit,
    stored,
    writing,
)
from polyreel.datasets.store.table import DatasetTable, open_table
from polyreel.errors import DatasetError
from polyreel.files import scratch_folder

__all__ = ["SHARD_BYTES", "commit_features", "float16_rows", "require_name", "write_features"]

SHARD_BYTES = 64 << 20
"""A shard is closed once it holds this much; one clip with more has a shard of its own."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def write_features(
    table_folder: Path,
    name: str,
    rows: Iterable[tuple[str, NDArray[np.floating]]],
    *,
    dim: int,
    rate_hz: float | None,
) -> None:
    """Add features to a table; those of the same name are replaced once the new ones are complete.

    Args:
        table_folder: of the table.
        name: letters, digits, dots and dashes, in lower case.
        rows: clip id and its (rows, dim) features, in any order; best in the table's own, in which they are
            read from the disk. A clip may be absent, which is the same as no rows.
        dim: width of a row.
        rate_hz: rows for each second of video, None where rows do not follow time.

    Raises:
        DatasetError: a clip is unknown or comes twice, or its features are of another width, not finite, or
            too large for float16; another process writes the table. The old features stay.
    """
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
    table: DatasetTable, rows: Iterable[tuple[str, NDArray[np.floating]]], dim: int
) -> Iterator[tuple[list[int], list[NDArray[np.float16]]]]:
    """Indices and rows of the clips of one shard after the other."""
    seen = np.zeros(len(table), bool)
    indices: list[int] = []
    parts: list[NDArray[np.float16]] = []
    held = 0
    for clip_id, given in rows:
        index = table.index_of(clip_id)
        if seen[index]:
            raise DatasetError("features of a clip come twice", item=clip_id)
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

    Args:
        rows: (rows, dim) features as they were given.
        dim: width that they should have.
        clip_id: whose they are, for messages.

    Raises:
        DatasetError: they are of another width, not finite, or too large for float16.
    """
    given = np.asarray(rows)
    if given.ndim != 2 or given.shape[1] != dim:
        raise DatasetError(
            "features of the wrong shape", item=clip_id, value=f"{given.shape}, not (rows, {dim})"
        )
    if not np.isfinite(given).all():
        raise DatasetError(
            "features are not finite",
            item=clip_id,
            value=f"{int((~np.isfinite(given)).sum()):,} numbers",
            remedy="Make them again, or leave the clip out",
        )
    with np.errstate(over="ignore"):
        kept = given.astype(np.float16)
    if not np.isfinite(kept).all():
        raise DatasetError(
            "features are too large for float16",
            item=clip_id,
            value=float(np.abs(given).max()),
            remedy="Scale them",
        )
    return kept


def require_name(name: str) -> None:
    """Raise ``DatasetError`` unless ``name`` can name features."""
    if not _NAME.fullmatch(name):
        raise DatasetError(
            "no name for features", item=repr(name), remedy="Use lower-case letters, digits, dots and dashes"
        )


def commit_features(
    table: DatasetTable,
    name: str,
    work: Path,
    spans: NDArray[np.int32],
    *,
    dim: int,
    rate_hz: float | None,
    broken: Mapping[str, str],
) -> None:
    """Make the shards in ``work`` features of the table, which the caller holds for writing.

    Args:
        table: the open table.
        name: of the features.
        work: folder with the shards, below the table; it is moved away.
        spans: (clips, 3) shard, first row and number of rows of each clip.
        dim, rate_hz: as ``write_features`` has them.
        broken: clip id -> why its medium could not be read.
    """
    np.save(work / SPANS_FILE, spans)
    (work / BROKEN_FILE).write_text(json.dumps(broken, ensure_ascii=False, indent=1), encoding="utf-8")
    files = stored(work, [SPANS_FILE, BROKEN_FILE, *(path.name for path in sorted(work.glob("shard-*.npy")))])
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
