"""Features of the clips of one medium after the other, in the order of a table, wherever they are made."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from polyreel.clips import Clip
from polyreel.datasets.records import Frames, Media, VideoFile
from polyreel.datasets.store.feature_writer import float16_rows
from polyreel.datasets.store.table import DatasetTable
from polyreel.encoders.card import FrameInput
from polyreel.encoders.runtime import Bundle
from polyreel.errors import MediaError
from polyreel.media.decode import Frame
from polyreel.media.limited import DecodeOptions, DecodeWorker, Opened
from polyreel.media.pictures import OpenArchives, read_bytes, read_for_encoder

__all__ = [
    "ClipFeatures",
    "EncodeMedia",
    "MediaReader",
    "MediumJob",
    "encoding_here",
    "media_jobs",
    "read_frames",
]

_FRAMES_AT_ONCE = 64
# Decoding is broken off, at the price of a new worker, only where this much of a video is left.
_WORTH_STOPPING_S = 60.0


@dataclass(frozen=True, slots=True)
class MediumJob:
    """Clips of one medium, which is read once for all of them.

    Attributes:
        number: counted from 0.
        clips: that follow each other in the table.
        media: None if the dataset came without.
    """

    number: int
    clips: tuple[Clip, ...]
    media: Media | None

    @property
    def path(self) -> Path | None:
        """Where the medium is, None if there is none."""
        if self.media is None:
            return None
        return self.media.path if isinstance(self.media, VideoFile) else self.media.root


@dataclass(frozen=True, slots=True)
class ClipFeatures:
    """Features of a clip, (rows, dim) float16, and why it has none if it should have."""

    clip_id: str
    rows: NDArray[np.float16]
    problem: str | None = None


class EncodeMedia(Protocol):
    """What reads media and encodes them, here or on other machines."""

    def __call__(self, jobs: Iterator[MediumJob], *, count: int) -> Generator[list[ClipFeatures]]:
        """The features of each medium's clips, in the order of ``jobs``.

        Args:
            jobs: what to read, each taken when its turn comes.
            count: how many there are, at most.
        """


def media_jobs(table: DatasetTable, start: int) -> Iterator[MediumJob]:
    """Clips from ``start`` on with their medium; those of one video that follow each other come together."""
    clips: list[Clip] = []
    current: Media | None = None
    number = 0
    for index in range(start, len(table)):
        media = table.media(index)
        if clips and not (isinstance(media, VideoFile) and media == current):
            yield MediumJob(number, tuple(clips), current)
            clips, number = [], number + 1
        clips.append(table.clip(index))
        current = media
    if clips:
        yield MediumJob(number, tuple(clips), current)


def encoding_here(bundle: Bundle) -> EncodeMedia:
    """Read and encode in this process and its decoder, one medium after the other."""

    def encode(jobs: Iterator[MediumJob], *, count: int) -> Generator[list[ClipFeatures]]:
        del count
        with DecodeWorker() as worker, OpenArchives() as archives:
            reader = MediaReader(bundle, worker, archives)
            for job in jobs:
                yield reader.encode(job)

    return encode


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


@dataclass(frozen=True, slots=True)
class MediaReader:
    """Turns the media of clips into rows."""

    bundle: Bundle
    worker: DecodeWorker
    archives: OpenArchives

    def encode(self, job: MediumJob) -> list[ClipFeatures]:
        """The features of its clips; of a medium that cannot be read, why there are none.

        Raises:
            UsageError: the bundle cannot encode.
        """
        dim = self.bundle.card.frames.dim
        try:
            rows = self._rows(job.media, job.clips)
        except MediaError as error:
            none = np.zeros((0, dim), np.float16)
            return [ClipFeatures(clip.clip_id, none, str(error)) for clip in job.clips]
        made = []
        for clip, found in zip(job.clips, rows, strict=True):
            problem = None if len(found) or job.media is None else "the video ends before the clip begins"
            made.append(ClipFeatures(clip.clip_id, float16_rows(found, dim, clip.clip_id), problem))
        return made

    def _rows(self, media: Media | None, clips: Sequence[Clip]) -> list[NDArray[np.float32]]:
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
