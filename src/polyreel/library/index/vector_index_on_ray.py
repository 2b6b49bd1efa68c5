"""Have the index of a library's vectors built on a Ray cluster; it is published here, by the one writer.

This machine trains the partitions and draws the rotation, so that all parts are alike; each reader makes the
part of some fragments of the table, and this machine joins them. It needs pylance on every node, which
LanceDB does not bring, and the library on a mount that all of them see. Where a node lacks that, nothing is
lost: this machine builds the index alone.
"""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from polyreel._version import __version__
from polyreel.errors import UsageError
from polyreel.library.store.vector_index import TRAINING_ROUNDS, TRAINING_ROWS_A_PARTITION
from polyreel.scale.cluster import Cluster
from polyreel.scale.crew import ACTORS_FOR_A_FILE, Crew, Lost, Todo, work_through
from polyreel.scale.nodes import actor_of, require_version

__all__ = ["RayVectorIndex"]

# They are joined one after the other; fewer than readers would keep some waiting.
_MOST_PARTS = 16
_log = logging.getLogger("polyreel")


@dataclass(frozen=True, slots=True)
class _Part:
    """Some fragments of a table."""

    fragments: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What all parts of an index have in common.

    Attributes:
        place: folder of the table.
        version: of it.
        options: of Lance's build.
        polyreel: version that every node has to have.
    """

    place: Path
    version: int
    options: dict[str, Any]
    polyreel: str = __version__


@dataclass(frozen=True, slots=True)
class RayVectorIndex:
    """How an index is built on a cluster.

    Attributes:
        cluster: joined if an index is built.
        readers: actors that build at once; None takes as many as the cluster has CPUs.
    """

    cluster: Cluster
    readers: int | None = None

    def __call__(self, place: Path, column: str, name: str, partitions: int) -> bool:
        """Build an index over a table, as a version of it; return whether that could be done.

        Args:
            place: folder of the table.
            column: its vectors.
            name: of the index.
            partitions: how many it is to have.
        """
        if find_spec("lance") is None:
            _log.warning("this machine builds the index of vectors alone: the cluster does with pylance")
            return False
        import lance

        dataset = lance.dataset(str(place))
        plan = _Plan(place, dataset.version, _options(dataset, column, name, partitions))
        numbers = [fragment.fragment_id for fragment in dataset.get_fragments()]
        groups = np.array_split(numbers, min(len(numbers), _MOST_PARTS))
        parts = [_Part(tuple(int(number) for number in group)) for group in groups]
        try:
            made = self._built(plan, parts)
        except (UsageError, OSError, RuntimeError, ValueError) as error:  # the last three are Lance's
            _log.warning("this machine builds the index of vectors alone: %s", error)
            return False
        dataset.commit_existing_index_segments(name, column, made)
        _join(place, name, len(made))
        return True

    def _built(self, plan: _Plan, parts: Sequence[_Part]) -> list[Any]:
        todo = Todo(iter(parts), count=len(parts))
        with self.cluster:
            self.cluster.join()
            builder = actor_of(_Builder)
            crew: Crew[_Part] = Crew(lambda: builder.remote(plan), wanted=self.readers)

            def give(actor: Any, part: _Part) -> None:
                crew.ask(actor, part, actor.build.remote(part.fragments))

            def take(actor: Any, part: _Part, answer: Any) -> Iterator[Any]:
                del actor
                if not isinstance(answer, Lost):
                    yield answer
                    return
                if not todo.try_again(part):
                    raise UsageError(
                        f"{ACTORS_FOR_A_FILE} readers ended while they built a part of it", value=answer.why
                    )

            return [made for _, made in work_through(crew, todo, give=give, take=take)]


def _join(place: Path, name: str, parts: int) -> None:
    """Make one index of its parts, each of which every search would ask."""
    import lance

    try:
        # Without the number, Lance joins them only where partitions are small.
        lance.dataset(str(place)).optimize.optimize_indices(index_names=[name], num_indices_to_merge=parts)
    except (OSError, RuntimeError, ValueError) as error:
        _log.warning("the index of vectors stays in parts, which makes searches slower: %s", error)


def _options(dataset: Any, column: str, name: str, partitions: int) -> dict[str, Any]:
    """What every part is built with: partitions trained by the metric of the build, and one rotation."""
    from lance.indices import IndicesBuilder
    from lance.lance import indices  # what its documentation names, of Lance's compiled half

    trained = IndicesBuilder(dataset, column).train_ivf(
        partitions,
        distance_type="cosine",
        sample_rate=TRAINING_ROWS_A_PARTITION,
        max_iters=TRAINING_ROUNDS,
    )
    return {
        "column": column,
        "index_type": "IVF_RQ",
        "name": name,
        "metric": "cosine",
        "num_partitions": partitions,
        "num_bits": 1,
        "ivf_centroids": trained.centroids,
        "rabitq_model": indices.build_rq_model(dataset.schema.field(column).type.list_size, 1),
    }


class _Builder:
    """Makes parts of an index, on one CPU of a node."""

    def __init__(self, plan: _Plan) -> None:
        self._plan = plan

    def prepare(self) -> None:
        """See whether this node has what it needs."""
        # Lance would take all CPUs of the node for each reader; it reads this when it is first imported.
        os.environ.update(LANCE_CPU_THREADS="1", RAYON_NUM_THREADS="1")
        require_version(self._plan.polyreel)
        if find_spec("lance") is None:
            raise UsageError(f"node {platform.node()} lacks pylance", remedy="Install it on every node")
        if not self._plan.place.is_dir():
            raise UsageError(
                f"node {platform.node()} does not see the library",
                item=self._plan.place,
                remedy="Keep it on a mount that every node has",
            )

    def build(self, fragments: Sequence[int]) -> Any:
        """The part of some fragments; what it is, once it is written."""
        import lance

        dataset = lance.dataset(str(self._plan.place), version=self._plan.version)
        return dataset.create_index_uncommitted(fragment_ids=list(fragments), **self._plan.options)
