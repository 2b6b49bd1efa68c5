"""A Ray cluster of several nodes on this machine, and a look at the processes on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psutil

from polyreel.scale import cluster as local


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
    with local._environment({**local._ALONE, "RAY_AUTH_TOKEN": local._token()}):
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **_ALONE})
        try:
            yield Nodes(cluster)
        finally:
            cluster.shutdown()


def readers() -> list[psutil.Process]:
    """Processes of this one that read files."""
    found = psutil.Process().children(recursive=True)
    return [process for process in found if _title(process).startswith("ray::_Reader")]


def _title(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""
