"""What a node of a cluster has to have before it works on a run: the driver's polyreel, and its bundle."""

from __future__ import annotations

import math
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyreel._version import __version__
from polyreel.encoders.card import read_card
from polyreel.encoders.devices import CPU
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.errors import BundleError, UsageError
from polyreel.remote.address import in_bucket

__all__ = ["NodeBundle", "actor_of", "require_seen"]


@dataclass(frozen=True, slots=True)
class NodeBundle:
    """The bundle of a run, as its driver has it.

    Attributes:
        location: name or folder of the bundle, which each node finds by it.
        identity: of the bundle, which each node's is checked against.
        device: what encodes, as ``Bundle`` takes it; None is the CPU.
        version: of polyreel, which every node has to have.
    """

    location: str
    identity: str
    device: str | None = None
    version: str = __version__

    def load(self) -> Bundle:
        """The bundle of this node, for a process that has one CPU.

        Raises:
            UsageError: the node has another version of polyreel.
            BundleError: it has another bundle of that name, or none.
        """
        if self.version != __version__:
            raise UsageError(
                f"node {platform.node()} has another version of polyreel",
                value=f"{__version__}, not {self.version}",
                remedy="Install the same on every node",
            )
        folder = locate_bundle(self.location)
        found = read_card(folder)
        if found.identity != self.identity:
            raise BundleError(
                f"node {platform.node()} has another bundle of that name",
                item=folder,
                value=found.label,
                remedy="Copy the bundle's folder to every node, or name one on the shared mount",
            )
        return Bundle(folder, threads=1, device=self.device or CPU)


def actor_of(kind: type, *, device: str | None) -> Any:
    """A Ray actor of one CPU that is not started again: a crew does that.

    Args:
        kind: its class.
        device: what encodes there; unless it is the CPU, all actors that the nodes with GPUs have CPUs for
            share these GPUs.
    """
    import ray

    return ray.remote(kind).options(
        num_cpus=1, num_gpus=_gpu_share(device), max_restarts=0, max_task_retries=0
    )


def _gpu_share(device: str | None) -> float:
    import ray

    if device in {None, CPU}:
        return 0.0
    having = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU")]
    cpus = sum(node.get("CPU", 0) for node in having)
    # Ray counts in ten thousandths.
    return math.floor(min(1.0, sum(node["GPU"] for node in having) / cpus) * 10_000) / 10_000 if cpus else 0.0


def require_seen(sample: Path | None) -> None:
    """See whether this node has the mount that the videos lie on.

    Args:
        sample: a file that the driver sees; None asks for nothing.

    Raises:
        UsageError: it does not see it.
    """
    if sample is None:
        return
    try:
        sample.stat()
    except OSError as error:
        raise UsageError(
            f"node {platform.node()} does not see the videos",
            item=sample,
            value=error.strerror,
            remedy="Give every node the extra 'bucket', credentials in its environment and the network"
            if in_bucket(str(sample))
            else "Mount their folder at the same place on every node",
        ) from error
