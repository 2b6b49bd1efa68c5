"""One way to load the towers of any family that is exported here, and the model as its makers run it."""

from __future__ import annotations

from polyreel.encoders.importing.contract import Contract
from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.encoders.importing.proof import Reference
from polyreel.encoders.importing.weights.mexma_models import load_mexma_towers
from polyreel.encoders.importing.weights.open_clip_models import OpenClipReference, load_open_clip_towers
from polyreel.encoders.importing.weights.pooled_texts import (
    PooledReference,
    load_m_clip_text,
    load_sentence_transformers_text,
)
from polyreel.encoders.importing.weights.references import TransformersReference
from polyreel.encoders.importing.weights.towers import ModelTowers
from polyreel.encoders.importing.weights.transformers_models import (
    TRANSFORMERS_CLASSES,
    load_transformers_towers,
)

__all__ = ["ImagesOf", "load_towers", "reference_of"]

ImagesOf = tuple[HubFolder, str]
"""Folder and family of the image tower, where a model is a text tower alone."""
_TEXTS = {"m-clip": load_m_clip_text, "sentence-transformers": load_sentence_transformers_text}


def load_towers(
    hub: HubFolder, family: str, contract: Contract, *, images: ImagesOf | None = None
) -> ModelTowers:
    """The towers of a model.

    Args:
        hub: its folder.
        family: its family's name.
        contract: how texts and pictures are prepared.
        images: the image tower of a text tower that has none.

    Raises:
        BundleError: the weights are missing, damaged, or are not those of the config.
    """
    if images is not None:
        beside = load_towers(*images, contract)
        return ModelTowers(beside.image, _TEXTS[family](hub), masked=True, scale=beside.scale, bias=0.0)
    if family in TRANSFORMERS_CLASSES:
        return load_transformers_towers(hub, family, contract.frames, masked=contract.text.masked)
    if family == "mexma-siglip":
        return load_mexma_towers(hub, contract.frames)
    return load_open_clip_towers(hub, contract.frames)


def reference_of(
    hub: HubFolder, family: str, towers: ModelTowers, contract: Contract, *, images: ImagesOf | None = None
) -> Reference:
    """The model as its makers run it.

    Args:
        hub: its folder.
        family: its family's name.
        towers: the model.
        contract: what its makers state on rows.
        images: the image tower of a text tower that has none.
    """
    if images is not None:
        pictures = reference_of(*images, towers, contract)
        return PooledReference(hub, towers.text, contract.text, pictures)
    if family in TRANSFORMERS_CLASSES or family == "mexma-siglip":
        return TransformersReference(hub, towers, contract.text, family)
    return OpenClipReference(hub, towers)
