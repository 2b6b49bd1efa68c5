"""Features of a whole table by a bundle's image tower: what a heads-only training reads.

Resumable: every minute the clips that are done become one finished shard, and a run that was stopped goes on
after the last one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from polyreel.datasets.store.feature_writer import SHARD_BYTES, commit_features
from polyreel.datasets.store.features import shard_name
from polyreel.datasets.store.manifest import FEATURES_FOLDER, writing
from polyreel.datasets.store.media_features import ClipFeatures, EncodeMedia, encoding_here, media_jobs
from polyreel.datasets.store.table import DatasetTable, open_table
from polyreel.encoders.runtime import Bundle
from polyreel.files import new_file, write_atomically
from polyreel.media.scaling import STRETCH, Scaling

__all__ = ["add_bundle_features", "bundle_features_name"]

_PART_S = 60.0


def bundle_features_name(bundle: Bundle) -> str:
    """Name of the features that this bundle makes.

    Bundles with the same image tower, which is shown the same pictures, share them, and no others do.
    """
    spec = bundle.card.frames
    files = bundle.card.files
    facts: list[object] = [files["frames.onnx"], spec.width_px, spec.height_px, spec.fps]
    # Weights that are too large for the graph lie beside it.
    facts += [files[name] for name in sorted(files) if name.startswith("frames.onnx.")]
    if (scaling := Scaling.of(spec)) != STRETCH:
        facts.append(asdict(scaling))
    return f"frames-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]}"


def add_bundle_features(
    table_folder: Path,
    bundle: Bundle,
    *,
    progress: Callable[[int, int], None] | None = None,
    encode: EncodeMedia | None = None,
) -> str:
    """Add to a table what the bundle's image tower makes of the pictures of each clip.

    Key frames and photos are taken as they are. Of a video file, the bundle's ``fps`` frames a second within
    the clip's span are taken, or at least the nearest one; a clip of 0 seconds is the whole file. Features
    that are there are left alone. A medium that cannot be read is recorded (``FeatureStore.broken``), and its
    clip has no rows.

    Args:
        table_folder: of the table.
        bundle: whose image tower.
        progress: told of clips done and clips in all.
        encode: what reads and encodes in the bundle's stead, with the same features; None does it here.

    Returns:
        The name of the features.

    Raises:
        DatasetError: the table cannot be read, or another process writes it.
    """
    name = bundle_features_name(bundle)
    with writing(table_folder):
        table = open_table(table_folder)
        if name in table.manifest.features:
            return name
        work = _work_folder(table, name)
        parts = _finished_parts(work, bundle.card.frames.dim)
        done = sum(len(part.counts) for part in parts)
        with contextlib.closing(_clips_of(table, encode or encoding_here(bundle), done)) as rows:
            parts += _written_parts(
                work, rows, first=len(parts), done=done, clips=len(table), progress=progress
            )
        spans = np.concatenate([part.spans(number) for number, part in enumerate(parts)])
        broken = {clip_id: reason for part in parts for clip_id, reason in part.broken.items()}
        commit_features(
            table,
            name,
            work,
            spans,
            dim=bundle.card.frames.dim,
            rate_hz=_rate_hz(table, bundle),
            broken=broken,
        )
        shutil.rmtree(work, ignore_errors=True)
    return name


class _Part(BaseModel):
    """Consecutive clips that are done: rows of each, and why some have none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    counts: list[int]
    broken: dict[str, str]

    def spans(self, number: int) -> NDArray[np.int32]:
        counts = np.array(self.counts, np.int32)
        return np.stack(
            [np.full_like(counts, number), np.cumsum(counts, dtype=np.int32) - counts, counts], axis=1
        )


@dataclass(slots=True)
class _Growing:
    """The part that is being made."""

    began_s: float = field(default_factory=time.monotonic)
    rows: list[NDArray[np.float16]] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    bytes: int = 0

    def add(self, clip: ClipFeatures) -> None:
        self.rows.append(clip.rows)
        self.bytes += clip.rows.nbytes
        if clip.problem is not None:
            self.broken[clip.clip_id] = clip.problem

    @property
    def is_due(self) -> bool:
        return self.bytes >= SHARD_BYTES or time.monotonic() - self.began_s >= _PART_S

    def write(self, work: Path, number: int) -> _Part:
        part = _Part(counts=[len(rows) for rows in self.rows], broken=self.broken)
        if self.bytes:
            with new_file(work / shard_name(number)) as file:
                np.save(file, np.concatenate(self.rows))
        write_atomically(work / _part_name(number), part.model_dump_json().encode())  # now it counts as done
        return part


def _part_name(number: int) -> str:
    return f"part-{number:05d}.json"


def _written_parts(
    work: Path,
    encoded: Iterator[ClipFeatures],
    *,
    first: int,
    done: int,
    clips: int,
    progress: Callable[[int, int], None] | None,
) -> list[_Part]:
    parts: list[_Part] = []
    growing = _Growing()
    for clip in encoded:
        growing.add(clip)
        done += 1
        if progress is not None:
            progress(done, clips)
        if growing.is_due or done == clips:
            parts.append(growing.write(work, first + len(parts)))
            growing = _Growing()
    return parts


def _work_folder(table: DatasetTable, name: str) -> Path:
    """Where the features grow; what grew for other clips is removed."""
    home = table.folder / FEATURES_FOLDER
    work = home / f".growing-{name}-{table.manifest.clips_sha256[:12]}"
    work.mkdir(parents=True, exist_ok=True)
    for other in home.glob(".growing-*"):
        if not other.name.endswith(table.manifest.clips_sha256[:12]):
            shutil.rmtree(other, ignore_errors=True)
    return work


def _finished_parts(work: Path, dim: int) -> list[_Part]:
    """The parts of an earlier run, up to the first that is not whole; what comes after it is removed."""
    parts: list[_Part] = []
    while (part := _whole_part(work, len(parts), dim)) is not None:
        parts.append(part)
    kept = {name(number) for number in range(len(parts)) for name in (_part_name, shard_name)}
    for path in work.iterdir():
        if path.name not in kept:
            path.unlink()
    return parts


def _whole_part(work: Path, number: int, dim: int) -> _Part | None:
    try:
        part = _Part.model_validate_json((work / _part_name(number)).read_bytes())
        rows = sum(part.counts)
        if rows and np.load(work / shard_name(number), mmap_mode="r").shape != (rows, dim):
            return None
    except (OSError, ValueError):  # pydantic's errors are ValueErrors too
        return None
    return part


def _rate_hz(table: DatasetTable, bundle: Bundle) -> float | None:
    # A video file has no root of its own (see table_writer): are there media without one?
    columns = table.clip_columns
    has_video = columns["media_root"].null_count > columns["media"].null_count
    return bundle.card.frames.fps if has_video else None


def _clips_of(table: DatasetTable, encode: EncodeMedia, start: int) -> Generator[ClipFeatures]:
    """All clips from ``start`` on, in the order of the table."""
    with contextlib.closing(encode(media_jobs(table, start), count=len(table) - start)) as media:
        for clips in media:
            yield from clips
