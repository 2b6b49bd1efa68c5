"""Read the files of an index run on a Ray cluster; what comes back is committed here, by the one writer.

A reader is an actor of one CPU: it hashes a file, has it decoded by a limited worker, as a run without Ray
does, and encodes its clips and lines, on its share of a GPU if a device is asked for. Pictures never leave
the node: a second of them weighs a hundred times what becomes of it. Nothing that a reader does leaves a
trace: a file whose reader is lost goes on, at another one, after the last clip that has arrived.
"""

from __future__ import annotations

import errno
import platform
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from polyreel.encoders.on_node import NodeBundle
from polyreel.library.index.decode_pool import (
    Changed,
    Duplicate,
    Job,
    ReadFailed,
    content_hash,
    decode_events,
)
from polyreel.library.index.encoding import ClipEncoded, LinesEncoded, ReadEvent, encode_events
from polyreel.library.index.scan import FoundVideo
from polyreel.media.limited import DecodeOptions, DecodeWorker, Limits, Opened
from polyreel.remote.reach import first_there
from polyreel.scale.cluster import Cluster
from polyreel.scale.crew import Crew, Lost, Todo, given_up, work_through
from polyreel.scale.nodes import actor_of, require_seen

__all__ = ["RayReading"]

# Clips travel together: the driver deals with some hundred answers a second.
_TELL_EVERY_S = 1.0
_MOST_SAMPLES = 10


@dataclass(frozen=True, slots=True)
class RayReading:
    """How files are read on a cluster.

    Attributes:
        cluster: joined if there are any.
        bundle: as each node is to have it; unless its device is the CPU, readers share the GPUs of a cluster
            that has some.
        readers: files that are read at once; None takes as many as the cluster has CPUs.
        limits: what one file may take.
    """

    cluster: Cluster
    bundle: NodeBundle
    readers: int | None = None
    limits: Limits = field(default_factory=Limits)

    def __call__(
        self, jobs: Iterable[Job], *, seen: set[str], kept_s: Mapping[str, float]
    ) -> Generator[tuple[Job, ReadEvent]]:
        """Read ``jobs`` as ``ReadFiles`` says.

        Raises:
            UsageError: the cluster cannot be joined, a node does not see the files or has another polyreel,
                or encoding fails.
            BundleError: a node has another bundle of that name, or none.
            BucketLostError: the bucket of the files does not answer, as readers are started.
        """
        jobs = list(jobs)
        if not jobs:
            return
        todo = Todo(jobs, count=len(jobs))
        with self.cluster:
            self.cluster.join()
            reader = actor_of(_Reader, uses_gpu=self.bundle.uses_gpu)

            def make() -> Any:
                # Of what is still to be read: what was read may be gone by now.
                sample = first_there(job.found.path for job in todo.peek(_MOST_SAMPLES))
                return reader.remote(self.bundle, self.limits, sample)

            crew: Crew[Job] = Crew(make, wanted=self.readers)
            reading = _Reading(crew, todo, seen, kept_s)
            yield from work_through(crew, todo, give=reading.give, take=reading.take)


class _Reading:
    """Where each file is on its way: hashed, read, or to be read again."""

    def __init__(self, crew: Crew[Job], todo: Todo[Job], seen: set[str], kept_s: Mapping[str, float]) -> None:
        self._crew, self._todo, self._seen, self._kept_s = crew, todo, seen, kept_s
        self._opened: set[Job] = set()
        self._ended: set[Job] = set()

    def give(self, actor: Any, job: Job) -> None:
        """Have a file hashed, or read if its content is known."""
        if job.video:
            pending = actor.read.options(num_returns="streaming").remote(job.found, job.options)
        else:
            pending = actor.hash.remote(job.found)
        self._crew.ask(actor, job, pending)

    def take(self, actor: Any, job: Job, answer: Any) -> Iterator[ReadEvent]:
        """What an answer about a file comes to."""
        match answer:
            case None:  # the end of a generator, whose last piece told the file's
                return
            case Lost(why):
                # A reader that is lost behind its last word has read the file.
                if job not in self._ended and not self._todo.try_again(job):
                    yield given_up(job.found.path, why)
            case _Hashed():
                yield from self._take_hash(actor, job, answer)
            case list():
                yield from self._take_events(job, answer)

    def _take_hash(self, actor: Any, job: Job, hashed: _Hashed) -> Iterator[ReadEvent]:
        job.video = hashed.video
        if hashed.error is not None:
            yield ReadFailed(hashed.error)
        elif not job.video:
            yield Changed()
        elif job.video in self._seen:
            yield Duplicate()
        else:
            self._seen.add(job.video)
            job.kept_s = self._kept_s.get(job.video, 0.0)
            job.options = replace(job.options, from_s=job.kept_s)
            self.give(actor, job)

    def _take_events(self, job: Job, events: list[ReadEvent]) -> Iterator[ReadEvent]:
        for event in events:
            match event:
                case Opened() if job in self._opened:
                    continue  # by a reader that was lost
                case Opened():
                    self._opened.add(job)
                case ClipEncoded():
                    job.options = replace(job.options, from_s=event.end_s)
                case LinesEncoded():
                    pass
                case _:
                    self._ended.add(job)
            yield event


@dataclass(frozen=True, slots=True)
class _Hashed:
    """Hash of a file's content, empty if it changes while it is read; or why it cannot be read."""

    video: str
    error: OSError | None = None


class _Reader:
    """Reads one file after another, on one CPU of a node."""

    def __init__(self, bundle: NodeBundle, limits: Limits, sample: Path | None) -> None:
        self._wanted, self._sample = bundle, sample
        self._stop = threading.Event()
        self._worker = DecodeWorker(limits, stop=self._stop)

    def prepare(self) -> None:
        """Load the bundle, and see whether this node has what it needs."""
        self._bundle = self._wanted.load()
        require_seen(self._sample)

    def hash(self, found: FoundVideo) -> _Hashed:
        """Name of the file's content."""
        try:
            return _Hashed(content_hash(found, self._stop) or "")
        except FileNotFoundError as error:
            return _Hashed("", error)
        except OSError as error:
            said = f"{error.strerror}, on node {platform.node()}"
            return _Hashed("", OSError(error.errno or errno.EIO, said))

    def read(self, found: FoundVideo, options: DecodeOptions) -> Iterator[list[ReadEvent]]:
        """What comes of a file, some clips at once; its lines come together with its end."""
        job = Job(found, options, video="known")
        decoded = ((job, event) for event in decode_events(job, self._worker))
        batch: list[ReadEvent] = []
        told_at = time.monotonic()
        for _, event in encode_events(decoded, self._bundle):
            batch.append(event)
            if isinstance(event, ClipEncoded) and time.monotonic() - told_at > _TELL_EVERY_S:
                yield batch
                batch, told_at = [], time.monotonic()
        yield batch
