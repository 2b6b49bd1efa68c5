"""What a node of a cluster has to have before it works on a run: the driver's polyreel, and its bundle."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from polyreel._version import __version__
from polyreel.encoders.card import read_card
from polyreel.encoders.devices import CPU
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.errors import BundleError
from polyreel.scale.nodes import require_version

__all__ = ["NodeBundle"]


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

    @property
    def uses_gpu(self) -> bool:
        """Whether it encodes on something else than the CPU."""
        return self.device not in {None, CPU}

    def load(self) -> Bundle:
        """The bundle of this node, for a process that has one CPU.

        Raises:
            UsageError: the node has another version of polyreel.
            BundleError: it has another bundle of that name, or none.
        """
        require_version(self.version)
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
