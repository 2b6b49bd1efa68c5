"""What the nodes of a cluster have to have, and the actors that work on them."""

from __future__ import annotations

import math
import platform
from pathlib import Path
from typing import Any

from polyreel._version import __version__
from polyreel.errors import UsageError
from polyreel.remote.address import in_bucket

__all__ = ["actor_of", "require_seen", "require_version"]


def actor_of(kind: type, *, uses_gpu: bool = False) -> Any:
    """A Ray actor of one CPU that is not started again: a crew does that.

    Args:
        kind: its class.
        uses_gpu: whether all actors that the nodes with GPUs have CPUs for share these GPUs.
    """
    import ray

    gpus = _gpu_share() if uses_gpu else 0.0
    return ray.remote(kind).options(num_cpus=1, num_gpus=gpus, max_restarts=0, max_task_retries=0)


def _gpu_share() -> float:
    import ray

    having = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU")]
    cpus = sum(node.get("CPU", 0) for node in having)
    # Ray counts in ten thousandths.
    return math.floor(min(1.0, sum(node["GPU"] for node in having) / cpus) * 10_000) / 10_000 if cpus else 0.0


def require_version(version: str) -> None:
    """See whether this node has the polyreel of the driver.

    Args:
        version: the driver's.

    Raises:
        UsageError: it has another one.
    """
    if version != __version__:
        raise UsageError(
            f"node {platform.node()} has another version of polyreel",
            value=f"{__version__}, not {version}",
            remedy="Install the same on every node",
        )


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
