"""A Ray cluster of several nodes on this machine, the processes on it, and what came of a run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest

from films import holdings, orphans
from polyreel.library.store.store import open_snapshot
from polyreel.library.store.tables import CLIPS, FILES, RECOGNISED, SUBTITLES
from polyreel.scale import cluster as local

needs_ray = [
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: the extra polyreel[scale]"),
    # Ray's own, of files and processes that it leaves to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
"""Marks of a test that starts a cluster."""


class Nodes:
    """A cluster of three nodes of one CPU each, which listens on this machine alone.

    Attributes:
        address: HOST:PORT.
    """

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self.address = str(cluster.address)
        self._spare = [cluster.add_node(num_cpus=1, **_ALONE) for _ in range(2)]

    def kill_node(self) -> None:
        """End one of the nodes, without a word, and all that runs on it."""
        self._cluster.remove_node(self._spare.pop(), allow_graceful=False)

    def add_node(self, *, num_gpus: int = 0) -> None:
        """Let another one join."""
        self._spare.append(self._cluster.add_node(num_cpus=1, num_gpus=num_gpus, **_ALONE))


_ALONE = {"node_ip_address": "127.0.0.1", "object_store_memory": 100 << 20}


@contextlib.contextmanager
def three_nodes() -> Iterator[Nodes]:
    """A cluster for as long as it is needed."""
    # Its processes find the recognisers and readers that tests have.
    found = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    given = {**local._ALONE, "RAY_AUTH_TOKEN": local._token(), "PYTHONPATH": found}
    with local._environment(given):
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **_ALONE})
        try:
            yield Nodes(cluster)
        finally:
            cluster.shutdown()


def readers(kind: str = "_Reader") -> list[psutil.Process]:
    """Processes of this one that read files: actors of this class."""
    found = psutil.Process().children(recursive=True)
    return [process for process in found if _title(process).startswith(f"ray::{kind}")]


def _title(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def rows(library: Path) -> dict[str, pa.Table]:
    """Everything in a library but when it came there, each row where its key puts it."""
    snapshot = open_snapshot(library)
    keys = {FILES: ["path"], CLIPS: ["clip_id"], SUBTITLES: ["subtitle_id"], snapshot.embeddings: ["id"]}
    if RECOGNISED in snapshot.state.tables:
        keys[RECOGNISED] = ["video", "source"]
    read = {
        name: snapshot.read(name).sort_by([(key, "ascending") for key in by]) for name, by in keys.items()
    }
    for name, column in ((FILES, "indexed_at"), (RECOGNISED, "recognised_at")):
        if name in read:
            read[name] = read[name].drop_columns(column)
    return read


def assert_equal(library: Path, expected: Path) -> None:
    """Row by row, types included, each file and clip once; and the pictures of the clips, too."""
    holdings(library)
    assert not orphans(library)
    ours, theirs = rows(library), rows(expected)
    assert ours.keys() == theirs.keys()
    for name, table in theirs.items():
        assert ours[name].schema == table.schema
        assert ours[name].to_pylist() == table.to_pylist(), name
    for name in theirs[CLIPS]["thumbnail"].to_pylist():
        assert (library / name).read_bytes() == (expected / name).read_bytes()
