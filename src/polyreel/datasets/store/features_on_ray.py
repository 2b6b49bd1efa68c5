"""Make the features of a table on a Ray cluster; they are written here, in the order of the table.

A reader is an actor of one CPU: it reads a medium, has a video decoded by a limited worker, and encodes its
pictures. One whose reader is lost is read again, by another one.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from polyreel.datasets.store.media_features import ClipFeatures, MediaReader, MediumJob
from polyreel.encoders.on_node import NodeBundle
from polyreel.encoders.runtime import Bundle
from polyreel.media.limited import DecodeWorker
from polyreel.media.pictures import OpenArchives
from polyreel.scale.cluster import Cluster
from polyreel.scale.crew import Crew, Lost, Todo, given_up, work_through
from polyreel.scale.nodes import actor_of, require_seen

__all__ = ["RayFeatures"]

# What is made out of turn waits for those before it: so many media for each reader.
_AHEAD = 8
_MOST_SAMPLES = 10


@dataclass(frozen=True, slots=True)
class RayFeatures:
    """How features are made on a cluster.

    Attributes:
        cluster: joined if there is anything to do.
        bundle: as each node is to have it; unless its device is the CPU, readers share the GPUs of a cluster
            that has some.
        dim: width of its features.
        readers: media that are read at once; None takes as many as the cluster has CPUs.
    """

    cluster: Cluster
    bundle: NodeBundle
    dim: int
    readers: int | None = None

    def __call__(self, jobs: Iterator[MediumJob], *, count: int) -> Generator[list[ClipFeatures]]:
        """Make the features of ``jobs`` as ``EncodeMedia`` says.

        Raises:
            UsageError: the cluster cannot be joined, a node does not see the media or has another polyreel,
                or encoding fails.
            BundleError: a node has another bundle of that name, or none.
        """
        todo = Todo(jobs, count=count)
        if not todo:
            return
        with self.cluster:
            self.cluster.join()
            reader = actor_of(_FeatureReader, uses_gpu=self.bundle.uses_gpu)

            def make() -> Any:
                some = (job.path for job in todo.peek(_MOST_SAMPLES))
                sample = next((path for path in some if path is not None and path.exists()), None)
                return reader.remote(self.bundle, sample)

            crew: Crew[MediumJob] = Crew(make, wanted=self.readers)
            order = _InOrder(crew, todo, self.dim)
            done = work_through(crew, todo, give=order.give, take=order.take, may_give=order.is_near)
            with closing(done):  # before the cluster is left
                for job, clips in done:
                    yield from order.release(job, clips)


class _InOrder:
    """Hands out media, and puts what comes back into their order."""

    def __init__(self, crew: Crew[MediumJob], todo: Todo[MediumJob], dim: int) -> None:
        self._crew, self._todo, self._dim = crew, todo, dim
        self._waiting: dict[int, list[ClipFeatures]] = {}
        self._next = 0

    def is_near(self, job: MediumJob) -> bool:
        """Whether what it comes to need not wait for many others."""
        return job.number < self._next + _AHEAD * max(1, self._crew.size)

    def give(self, actor: Any, job: MediumJob) -> None:
        """Have a medium read."""
        self._crew.ask(actor, job, actor.encode.remote(job))

    def take(self, actor: Any, job: MediumJob, answer: Any) -> Iterator[list[ClipFeatures]]:
        """What an answer about a medium comes to."""
        del actor
        if not isinstance(answer, Lost):
            yield answer
            return
        if self._todo.try_again(job):
            return
        said = str(given_up(job.path or Path(job.clips[0].video), answer.why))
        none = np.zeros((0, self._dim), np.float16)
        yield [ClipFeatures(clip.clip_id, none, said) for clip in job.clips]

    def release(self, job: MediumJob, clips: list[ClipFeatures]) -> Iterator[list[ClipFeatures]]:
        """What has its turn by now."""
        self._waiting[job.number] = clips
        while self._next in self._waiting:
            yield self._waiting.pop(self._next)
            self._next += 1


class _FeatureReader:
    """Reads one medium after another, on one CPU of a node."""

    def __init__(self, bundle: NodeBundle, sample: Path | None) -> None:
        self._wanted, self._sample = bundle, sample

    def prepare(self) -> None:
        """Load the bundle, and see whether this node has what it needs."""
        loaded: Bundle = self._wanted.load()
        require_seen(self._sample)
        self._reader = MediaReader(loaded, DecodeWorker(), OpenArchives())

    def encode(self, job: MediumJob) -> list[ClipFeatures]:
        """The features of a medium's clips."""
        return self._reader.encode(job)
