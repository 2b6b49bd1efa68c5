"""One way to load the towers of any family that is exported here, and the model as its makers run it."""

from __future__ import annotations

from polyreel.encoders.importing.contract import Contract
from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.encoders.importing.proof import Reference
from polyreel.encoders.importing.weights.references import TransformersReference
from polyreel.encoders.importing.weights.towers import ModelTowers
from polyreel.encoders.importing.weights.transformers_models import load_transformers_towers

__all__ = ["load_towers", "reference_of"]


def load_towers(hub: HubFolder, family: str, contract: Contract) -> ModelTowers:
    """The towers of a model.

    Args:
        hub: its folder.
        family: its family's name.
        contract: how texts and pictures are prepared.

    Raises:
        BundleError: the weights are missing, damaged, or are not those of the config.
    """
    return load_transformers_towers(hub, family, contract.frames, masked=contract.text.masked)


def reference_of(hub: HubFolder, family: str, towers: ModelTowers, contract: Contract) -> Reference:
    """The model as its makers run it.

    Args:
        hub: its folder.
        family: its family's name.
        towers: the model.
        contract: what its makers state on rows.
    """
    return TransformersReference(hub, towers, contract.text, family)
