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
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from polyreel.clips import Clip
from polyreel.datasets.records import Frames, Media, VideoFile
from polyreel.datasets.store.feature_writer import SHARD_BYTES, commit_features, float16_rows
from polyreel.datasets.store.features import shard_name
from polyreel.datasets.store.manifest import FEATURES_FOLDER, writing
from polyreel.datasets.store.table import DatasetTable, open_table
from polyreel.encoders.card import FrameInput
from polyreel.encoders.runtime import Bundle
from polyreel.errors import MediaError
from polyreel.files import new_file, write_atomically
from polyreel.media.decode import Frame
from polyreel.media.limited import DecodeOptions, DecodeWorker, Opened
from polyreel.media.pictures import OpenArchives, read_bytes, read_for_encoder
from polyreel.media.scaling import STRETCH, Scaling

__all__ = ["add_bundle_features", "bundle_features_name", "read_frames"]

_PART_S = 60.0
_FRAMES_AT_ONCE = 64
# Decoding is broken off, at the price of a new worker, only where this much of a video is left.
_WORTH_STOPPING_S = 60.0


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


def read_frames(
    media: Frames, spec: FrameInput, *, archives: OpenArchives | None = None
) -> NDArray[np.uint8]:
    """Pictures as an encoder wants them: (pictures, height, width, 3) uint8.

    Args:
        media: the pictures.
        spec: what the card of the encoder asks for.
        archives: opened zips, kept for the next call.

    Raises:
        MediaError: one cannot be read.
    """
    pictures = ((name, read_bytes(media.root, name, archives=archives)) for name in media.references)
    return np.stack([read_for_encoder(data, spec, item=name) for name, data in pictures])


def add_bundle_features(
    table_folder: Path, bundle: Bundle, *, progress: Callable[[int, int], None] | None = None
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
        with contextlib.closing(_encoded(table, bundle, done)) as rows:
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
class _Encoded:
    """One clip that is done."""

    clip_id: str
    rows: NDArray[np.float16]
    problem: str | None = None


@dataclass(slots=True)
class _Growing:
    """The part that is being made."""

    began_s: float = field(default_factory=time.monotonic)
    rows: list[NDArray[np.float16]] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    bytes: int = 0

    def add(self, clip: _Encoded) -> None:
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
    encoded: Iterator[_Encoded],
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


def _encoded(table: DatasetTable, bundle: Bundle, start: int) -> Generator[_Encoded]:
    """All clips from ``start`` on, in the order of the table."""
    dim = bundle.card.frames.dim
    with DecodeWorker() as worker, OpenArchives() as archives:
        reader = _MediaReader(bundle, worker, archives)
        for clips, media in _by_medium(table, start):
            try:
                rows = reader.rows(media, clips)
            except MediaError as error:
                for clip in clips:
                    yield _Encoded(clip.clip_id, np.zeros((0, dim), np.float16), str(error))
                continue
            for clip, found in zip(clips, rows, strict=True):
                problem = None if len(found) or media is None else "the video ends before the clip begins"
                yield _Encoded(clip.clip_id, float16_rows(found, dim, clip.clip_id), problem)


def _by_medium(table: DatasetTable, start: int) -> Iterator[tuple[list[Clip], Media | None]]:
    """Clips with their medium; those of one video that follow each other come together: one decoding."""
    clips: list[Clip] = []
    current: Media | None = None
    for index in range(start, len(table)):
        media = table.media(index)
        if clips and not (isinstance(media, VideoFile) and media == current):
            yield clips, current
            clips = []
        clips.append(table.clip(index))
        current = media
    if clips:
        yield clips, current


@dataclass(frozen=True, slots=True)
class _MediaReader:
    """Turns the media of clips into rows."""

    bundle: Bundle
    worker: DecodeWorker
    archives: OpenArchives

    def rows(self, media: Media | None, clips: Sequence[Clip]) -> list[NDArray[np.float32]]:
        """The rows of each clip; several clips are of one video."""
        spec = self.bundle.card.frames
        if media is None:
            return [np.zeros((0, spec.dim), np.float32) for _ in clips]
        if isinstance(media, Frames):
            pictures = read_frames(media, spec, archives=self.archives)
            return [self.bundle.encode_frames(pictures)]
        until_s = max(clip.end_s or np.inf for clip in clips)
        times, features = self._video(media, until_s)
        return [features[_within(clip, times, spec.fps)] for clip in clips]

    def _video(self, media: VideoFile, until_s: float) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Times in seconds, (frames,), and features, (frames, dim), up to ``until_s`` at least."""
        times: list[float] = []
        parts: list[NDArray[np.float32]] = []
        waiting: list[NDArray[np.uint8]] = []
        length_s = 0.0
        for event in self.worker.decode(media.path, DecodeOptions.of(self.bundle.card.frames)):
            if isinstance(event, Opened):
                length_s = event.duration_s or 0.0
            if not isinstance(event, Frame):
                continue
            times.append(event.time_s)
            waiting.append(event.image)
            if len(waiting) == _FRAMES_AT_ONCE:
                parts.append(self.bundle.encode_frames(np.stack(waiting)))
                waiting.clear()
            if event.time_s > until_s and length_s - event.time_s > _WORTH_STOPPING_S:
                break
        if waiting:
            parts.append(self.bundle.encode_frames(np.stack(waiting)))
        return np.array(times), np.concatenate(parts)


def _within(clip: Clip, times: NDArray[np.float64], fps: float) -> NDArray[np.int64]:
    """Which frames show the clip."""
    if clip.end_s == 0:
        return np.arange(len(times))
    inside = np.flatnonzero((times >= clip.start_s) & (times < clip.end_s))
    if len(inside):
        return inside
    nearest = int(np.abs(times - (clip.start_s + clip.end_s) / 2).argmin())
    # Before the first frame or between two it is the nearest; far behind the last there is nothing to see.
    return np.array([nearest] if times[nearest] > clip.start_s - 2 / fps else [], np.int64)
