"""Decode many files side by side: each thread hashes files and drives one decoding process."""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyreel.errors import MediaError, PolyreelError
from polyreel.library.index.repeats import FrameEncoder
from polyreel.library.index.scan import FoundVideo
from polyreel.library.store.frame_features import KeptFeatures
from polyreel.media.hwaccel import HwaccelUse
from polyreel.media.limited import DecodeEvent, DecodeOptions, DecodeStopped, DecodeWorker, Limits
from polyreel.remote.answers import FetchStopped
from polyreel.remote.spool import ObjectChangedError, local_file

__all__ = [
    "Changed",
    "DecodePoolEvent",
    "Duplicate",
    "Job",
    "ReadFailed",
    "content_hash",
    "decode_events",
    "run_decode_pool",
]

# Frames that wait for the encoder: enough to keep it busy, little enough to stay small.
_WAITING_EVENTS = 32
_PATIENCE_S = 0.2
_PIECE_BYTES = 1 << 20


@dataclass(slots=True, eq=False)
class Job:
    """One file on its way into the library.

    Decoding fills ``video`` and says where to begin (``options``, ``kept_s``), encoding has ``images`` and
    ``frames``, and committing everything else. Each does so at its own time, so no lock is needed.

    Attributes:
        found: the file.
        options: what to decode.
        video: hash of its content, known after it was read once.
        duration_s: stated length, for progress.
        began_at: when decoding it began, by ``time.monotonic``.
        images: frames of the clip that is open.
        frames: encodes them.
        clips: finished clips that no commit has yet, each its row, its vector (dim,), and the features of its
            frames where they are kept.
        lines: vectors of its subtitle lines, (lines, dim) each, in their order.
        clips_s: seconds of the clips that are made or were known.
        kept_s: end of the last clip that a commit has, or the next one will have.
    """

    found: FoundVideo
    options: DecodeOptions
    video: str = ""
    duration_s: float | None = None
    began_at: float = 0.0
    images: list[NDArray[np.uint8]] = field(default_factory=list)
    frames: FrameEncoder = field(default_factory=FrameEncoder)
    clips: list[tuple[dict[str, Any], NDArray[np.float32], list[KeptFeatures]]] = field(default_factory=list)
    lines: list[NDArray[np.float32]] = field(default_factory=list)
    clips_s: float = 0.0
    kept_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Event: another file has the same content, so that there is nothing to decode."""


@dataclass(frozen=True, slots=True)
class Changed:
    """Event: the file is no longer as long as the scan found it."""


@dataclass(frozen=True, slots=True)
class ReadFailed:
    """Event: the file could not be read at all."""

    error: OSError


DecodePoolEvent = DecodeEvent | Changed | Duplicate | ReadFailed | MediaError


def run_decode_pool(
    jobs: Iterable[Job],
    *,
    workers: int,
    limits: Limits,
    seen: set[str],
    kept_s: Mapping[str, float],
    hwaccel: HwaccelUse | None = None,
) -> Generator[tuple[Job, DecodePoolEvent]]:
    """Events of all ``jobs``, those of one job in order; each job's last is not ``Opened``, ``KnownFrame``,
    ``Frame`` or ``ClipEnd``.

    Args:
        jobs: what to do; a job that has its ``video`` already is not hashed.
        workers: how many files are decoded at once.
        limits: what one file may take.
        seen: hashes that need no decoding; those of ``jobs`` are added.
        kept_s: hash -> end of its last known clip, for videos whose beginning is known.
        hwaccel: device that decodes; None is the CPU.
    """
    todo: queue.SimpleQueue[Job] = queue.SimpleQueue()
    count = 0
    for job in jobs:
        todo.put(job)
        count += 1
    pool = _DecodePool(todo, seen, limits, kept_s, hwaccel)
    threads = [threading.Thread(target=pool.run, name=f"decode-{i}") for i in range(min(workers, count))]
    for thread in threads:
        thread.start()
    try:
        running = len(threads)
        while running:
            message = pool.out.get()
            if isinstance(message, BaseException):
                raise message
            if message is None:
                running -= 1
            else:
                yield message
    finally:
        pool.stop.set()
        for thread in threads:
            thread.join()


class _DecodePool:
    def __init__(
        self,
        todo: queue.SimpleQueue[Job],
        seen: set[str],
        limits: Limits,
        kept_s: Mapping[str, float],
        hwaccel: HwaccelUse | None,
    ) -> None:
        self._hwaccel = hwaccel
        self._todo, self._seen, self._limits, self._kept_s = todo, seen, limits, kept_s
        self._claiming = threading.Lock()
        self.out: queue.Queue[tuple[Job, DecodePoolEvent] | BaseException | None] = queue.Queue(
            _WAITING_EVENTS
        )
        self.stop = threading.Event()

    def run(self) -> None:
        try:
            with DecodeWorker(self._limits, stop=self.stop, hwaccel=self._hwaccel) as worker:
                while not self.stop.is_set():
                    try:
                        job = self._todo.get_nowait()
                    except queue.Empty:
                        break
                    for event in self._events(job, worker):
                        if not self._send((job, event)):
                            return
        except DecodeStopped:
            return
        # Whatever else goes wrong here must reach the thread that can tell the user.
        except BaseException as error:
            self._send(error)
        self._send(None)

    def _send(self, message: tuple[Job, DecodePoolEvent] | BaseException | None) -> bool:
        while not self.stop.is_set():
            try:
                self.out.put(message, timeout=_PATIENCE_S)
            except queue.Full:
                continue
            return True
        return False

    def _events(self, job: Job, worker: DecodeWorker) -> Iterator[DecodePoolEvent]:
        # Held from its hash to its end, so that what is fetched of a bucket is fetched once.
        with contextlib.ExitStack() as held:
            yield from self._events_of(job, worker, held)

    def _events_of(
        self, job: Job, worker: DecodeWorker, held: contextlib.ExitStack
    ) -> Iterator[DecodePoolEvent]:
        try:
            held.enter_context(local_file(job.found.path, stop=self.stop))
            if not job.video:
                video = content_hash(job.found, self.stop)
                if video is None:
                    yield Changed()
                    return
                job.video = video
                if not self._claim(job.video):
                    yield Duplicate()
                    return
                job.kept_s = self._kept_s.get(job.video, 0.0)
                job.options = replace(job.options, from_s=job.kept_s)
        except FetchStopped:
            raise DecodeStopped from None
        except ObjectChangedError:
            yield Changed()
            return
        except OSError as error:
            yield ReadFailed(error)
            return
        yield from decode_events(job, worker)

    def _claim(self, video: str) -> bool:
        with self._claiming:
            if video in self._seen:
                return False
            self._seen.add(video)
            return True


def decode_events(job: Job, worker: DecodeWorker) -> Iterator[DecodePoolEvent]:
    """What comes of decoding one file, whose content is known; what fails on it is the last event."""
    try:
        yield from worker.decode(job.found.path, job.options)
    except MediaError as error:
        yield error
    except PolyreelError:
        raise
    except OSError as error:
        yield ReadFailed(error)


def content_hash(found: FoundVideo, stop: threading.Event) -> str | None:
    """Name of the file's content, None if it changes its length while it is read.

    Raises:
        OSError: it cannot be read.
        DecodeStopped: ``stop`` was set.
    """
    try:
        with local_file(found.path, stop=stop) as path:
            return _content_hash(path, found.size_bytes, stop)
    except FetchStopped:
        raise DecodeStopped from None
    except ObjectChangedError:
        return None


def _content_hash(path: Path, size_bytes: int, stop: threading.Event) -> str | None:
    digest = hashlib.sha256()
    piece = memoryview(bytearray(_PIECE_BYTES))
    left = size_bytes
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(piece):
            if stop.is_set():
                raise DecodeStopped
            digest.update(piece[:count])
            left -= count
            # One that grows as fast as it is read would never end.
            if left < 0 and os.fstat(file.fileno()).st_size != size_bytes:
                return None
        return digest.hexdigest()[:32] if os.fstat(file.fileno()).st_size == size_bytes else None
