"""Read the files of an index run on a Ray cluster; what comes back is committed here, by the one writer.

A reader is an actor of one CPU: it hashes a file, has it decoded by a limited worker, as a run without Ray
does, and encodes its clips and lines, on its share of a GPU if a device is asked for. Pictures never leave
the node: a second of them weighs a hundred times what becomes of it. Nothing that a reader does leaves a
trace: a file whose reader is lost goes on, at another one, after the last clip that has arrived.
"""

from __future__ import annotations

import errno
import itertools
import math
import platform
import threading
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from polyreel._version import __version__
from polyreel.encoders.card import read_card
from polyreel.encoders.devices import CPU
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.errors import BundleError, UsageError, WorkerKilledError
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
from polyreel.scale.cluster import joined
from polyreel.scale.crew import Crew, Lost

__all__ = ["RayReading", "read_on_ray"]

# Clips travel together: the driver deals with some hundred answers a second.
_TELL_EVERY_S = 1.0
# So many readers may end while they read a file before it is the file that is blamed.
_READERS_FOR_A_FILE = 3
_MOST_SAMPLES = 10


@dataclass(frozen=True, slots=True)
class RayReading:
    """How files are read on a cluster.

    Attributes:
        address: of the cluster, as ``scale.cluster.require_address`` takes it.
        location: name or folder of the bundle, which each node finds by it.
        identity: of the bundle, which each node's is checked against.
        device: what encodes, as ``Bundle`` takes it; unless it is the CPU, readers share the GPUs of a
            cluster that has some.
        readers: files that are read at once; None takes as many as the cluster has CPUs.
        local_cpus: of a cluster that is started for the run.
        limits: what one file may take.
        version: of polyreel, which every node has to have.
    """

    address: str
    location: str
    identity: str
    device: str | None = None
    readers: int | None = None
    local_cpus: int = 2
    limits: Limits = field(default_factory=Limits)
    version: str = __version__

    def __call__(
        self, jobs: Iterable[Job], *, seen: set[str], kept_s: Mapping[str, float]
    ) -> Generator[tuple[Job, ReadEvent]]:
        """Read ``jobs`` as ``ReadFiles`` says; a cluster is joined if there are any, and left at the end.

        Raises:
            UsageError: the cluster cannot be joined, a node does not see the files or has another polyreel,
                or encoding fails.
            BundleError: a node has another bundle of that name, or none.
        """
        todo = list(jobs)
        if not todo:
            return
        with joined(self.address, cpus=self.local_cpus):
            yield from read_on_ray(todo, self, seen=seen, kept_s=kept_s)


def read_on_ray(
    jobs: Iterable[Job], plan: RayReading, *, seen: set[str], kept_s: Mapping[str, float]
) -> Generator[tuple[Job, ReadEvent]]:
    """As ``RayReading.__call__``, on the cluster that this process has joined.

    Args:
        jobs: as in ``ReadFiles``.
        plan: how.
        seen: as in ``ReadFiles``.
        kept_s: as in ``ReadFiles``.
    """
    todo = deque(jobs)
    crew = _crew_for(plan, todo)
    reading = _Reading(crew, todo, seen, kept_s)
    try:
        while todo or len(crew):
            crew.grow(len(todo) + len(crew))
            while todo and (actor := crew.take_idle()) is not None:
                reading.give(actor, todo.popleft())
            for call, answer in crew.answers():
                assert call.item is not None
                for event in reading.take(call.actor, call.item, answer):
                    yield call.item, event
    finally:
        crew.close()


class _Reading:
    """Where each file is on its way: hashed, read, or to be read again."""

    def __init__(
        self, crew: Crew[Job], todo: deque[Job], seen: set[str], kept_s: Mapping[str, float]
    ) -> None:
        self._crew, self._todo, self._seen, self._kept_s = crew, todo, seen, kept_s
        self._lost: Counter[Job] = Counter()
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
                if job not in self._ended:
                    yield from self._again(job, why)
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

    def _again(self, job: Job, why: str) -> Iterator[ReadEvent]:
        self._lost[job] += 1
        if self._lost[job] < _READERS_FOR_A_FILE:
            self._todo.appendleft(job)
        else:
            yield WorkerKilledError(
                f"{_READERS_FOR_A_FILE} readers ended while they read this file",
                item=job.found.path,
                value=why,
                remedy="Check the memory of the nodes; the file is tried again at every run",
            )


@dataclass(frozen=True, slots=True)
class _Hashed:
    """Hash of a file's content, empty if it changes while it is read; or why it cannot be read."""

    video: str
    error: OSError | None = None


class _Reader:
    """Reads one file after another, on one CPU of a node."""

    def __init__(self, plan: RayReading, sample: Path | None) -> None:
        self._plan, self._sample = plan, sample
        self._stop = threading.Event()
        self._worker = DecodeWorker(plan.limits, stop=self._stop)

    def prepare(self) -> None:
        """Load the bundle, and see whether this node has what it needs."""
        if self._plan.version != __version__:
            raise UsageError(
                f"node {platform.node()} has another version of polyreel",
                value=f"{__version__}, not {self._plan.version}",
                remedy="Install the same on every node",
            )
        if self._sample is not None and not self._sample.exists():
            raise UsageError(
                f"node {platform.node()} does not see the videos",
                item=self._sample,
                remedy="Mount their folder at the same place on every node",
            )
        # As many threads as the reader has CPUs.
        self._bundle = Bundle(_bundle_folder(self._plan), threads=1, device=self._plan.device or CPU)

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


def _bundle_folder(plan: RayReading) -> Path:
    """Where this node has the bundle."""
    folder = locate_bundle(plan.location)
    found = read_card(folder)
    if found.identity != plan.identity:
        raise BundleError(
            f"node {platform.node()} has another bundle of that name",
            item=folder,
            value=found.label,
            remedy="Copy the bundle's folder to every node, or name one on the shared mount with --bundle",
        )
    return folder


def _crew_for(plan: RayReading, todo: deque[Job]) -> Crew[Job]:
    import ray

    reader = ray.remote(_Reader).options(
        num_cpus=1, num_gpus=_gpu_share(plan.device), max_restarts=0, max_task_retries=0
    )

    def make() -> Any:
        # Of what is still to be read: what was read may be gone by now.
        some = (job.found.path for job in itertools.islice(todo, _MOST_SAMPLES))
        return reader.remote(plan, next((path for path in some if path.exists()), None))

    return Crew(make, wanted=plan.readers)


def _gpu_share(device: str | None) -> float:
    """What each reader has of a GPU: all readers that the nodes with GPUs have CPUs for find room."""
    import ray

    if device in {None, CPU}:
        return 0.0
    having = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU")]
    cpus = sum(node.get("CPU", 0) for node in having)
    # Ray counts in ten thousandths.
    return math.floor(min(1.0, sum(node["GPU"] for node in having) / cpus) * 10_000) / 10_000 if cpus else 0.0
