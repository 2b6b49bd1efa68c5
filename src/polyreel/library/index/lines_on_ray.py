"""Have the lines of a library's videos found on a Ray cluster; they are committed here, by the one writer.

A reader is an actor of one CPU, as for pictures: it decodes the sound or the pictures of a video in a limited
worker, recognises what is said or written there, and encodes the lines. A video whose reader is lost goes on,
at another one, after the last stretch that has arrived.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyreel.encoders.devices import CPU
from polyreel.encoders.on_node import NodeBundle
from polyreel.errors import UsageError
from polyreel.library.index.found_lines import LineEvent, LineJob, LinesFound, NotRead, find_lines
from polyreel.recognition.protocol import LineRecogniser
from polyreel.remote.reach import first_there
from polyreel.scale.cluster import Cluster
from polyreel.scale.crew import Crew, Lost, Todo, given_up, work_through
from polyreel.scale.nodes import actor_of, require_seen

__all__ = ["RayLines"]

# Stretches travel together where they are made faster than this.
_TELL_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class RayLines:
    """How lines are found on a cluster.

    Attributes:
        cluster: joined if there are any videos.
        bundle: whose text tower encodes the lines, as each node is to have it.
        load: makes the recogniser of a node; what it lacks for that is raised with the node's name.
        engine: of the driver's recogniser; each node's has to be the same.
        languages: BCP-47 tags that are likely.
        device: what recognises; unless it is the CPU, readers share the GPUs of a cluster that has some.
        readers: videos that are recognised at once; None takes as many as the cluster has CPUs.
    """

    cluster: Cluster
    bundle: NodeBundle
    load: Callable[[], LineRecogniser]
    engine: str
    languages: Sequence[str] = ()
    device: str = CPU
    readers: int | None = None

    def __call__(self, jobs: Iterator[LineJob], *, count: int) -> Generator[tuple[LineJob, LineEvent]]:
        """Find the lines of ``jobs`` as ``FindLines`` says.

        Raises:
            UsageError: the cluster cannot be joined, or a node lacks something, or recognising fails.
            BundleError: a node has another bundle of that name, or none.
        """
        todo = Todo(jobs, count=count)
        if not todo:
            return
        with self.cluster:
            self.cluster.join()
            reader = actor_of(_LineReader, uses_gpu=self.device != CPU)
            (first,) = todo.peek(1)

            def make() -> Any:
                sample = first_there(job.path for job in (*todo.peek(1), first))
                return reader.remote(self.bundle, self.load, self.engine, tuple(self.languages), sample)

            crew: Crew[LineJob] = Crew(make, wanted=self.readers)
            finding = _Finding(crew, todo)
            yield from work_through(crew, todo, give=finding.give, take=finding.take)


class _Finding:
    """How far each video has come."""

    def __init__(self, crew: Crew[LineJob], todo: Todo[LineJob]) -> None:
        self._crew, self._todo = crew, todo
        self._rest: dict[LineJob, LineJob | None] = {}

    def give(self, actor: Any, job: LineJob) -> None:
        """Have the lines found of what is left of a video."""
        rest = self._rest.setdefault(job, job)
        self._crew.ask(actor, job, actor.find.options(num_returns="streaming").remote(rest))

    def take(self, actor: Any, job: LineJob, answer: Any) -> Iterator[LineEvent]:
        """What an answer about a video comes to."""
        del actor
        if isinstance(answer, Lost):
            # A reader that is lost behind its last word has read the video.
            if self._rest[job] is not None and not self._todo.try_again(job):
                yield NotRead(given_up(job.path, answer.why))
            return
        for event in answer or ():  # None is the end of a generator, whose last piece told the video's
            self._rest[job] = event.rest if isinstance(event, LinesFound) else None
            yield event


class _LineReader:
    """Finds the lines of one video after another, on one CPU of a node."""

    def __init__(
        self,
        bundle: NodeBundle,
        load: Callable[[], LineRecogniser],
        engine: str,
        languages: Sequence[str],
        sample: Path | None,
    ) -> None:
        self._wanted, self._load, self._engine = bundle, load, engine
        self._languages, self._sample = languages, sample

    def prepare(self) -> None:
        """Load bundle and recogniser, and see whether this node has what it needs."""
        self._encoder = self._wanted.load()
        require_seen(self._sample)
        self._recogniser = self._load()
        if self._recogniser.engine != self._engine:
            raise UsageError(
                f"node {platform.node()} recognises otherwise",
                value=f"{self._recogniser.engine}, not {self._engine}",
                remedy="Have the same model on every node",
            )

    def find(self, job: LineJob) -> Iterator[list[LineEvent]]:
        """The lines of a video, some stretches at once."""
        batch: list[LineEvent] = []
        told_at = time.monotonic()
        for event in find_lines(job, self._recogniser, self._encoder, self._languages):
            batch.append(event)
            if isinstance(event, LinesFound) and time.monotonic() - told_at > _TELL_EVERY_S:
                yield batch
                batch, told_at = [], time.monotonic()
        yield batch
