"""The modules of a model of sentence-transformers: what its ``modules.json`` puts behind a transformer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.errors import BundleError

__all__ = ["DenseLayer", "SentenceModules", "read_modules"]

_ACTIVATIONS = ("Identity", "Tanh")
_POOLING_FLAGS = "pooling_mode_"
_POOLINGS = {"mean": False, "mean_tokens": False, "cls": True, "cls_token": True}
_TYPES: dict[str, Any] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}


@dataclass(frozen=True, slots=True)
class DenseLayer:
    """A linear map with an activation: ``activation(weight @ x + bias)``.

    Attributes:
        weight: (out, in) float32.
        bias: (out,) float32; None for none.
        activation: ``Identity`` or ``Tanh``.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    activation: str


@dataclass(frozen=True, slots=True)
class SentenceModules:
    """What makes a vector of a text of the states of its tokens.

    Attributes:
        transformer: folder of the transformer.
        first_token: whether the first token's state is taken; else it is the mean over what is not filling.
        dense: layers after that, in order.
    """

    transformer: HubFolder
    first_token: bool
    dense: tuple[DenseLayer, ...]


def read_modules(hub: HubFolder) -> SentenceModules:
    """The modules that a folder lists.

    Raises:
        BundleError: one is of a kind that is not known, lies outside the folder, or its weights are missing,
            damaged, or not of the stated size.
    """
    transformer: HubFolder | None = None
    first_token, dense = False, []
    for module in _listed(hub):
        kind = str(module.get("type", "")).rpartition(".")[2]
        part = hub.part(str(module.get("path", "")))
        if kind == "Transformer":
            transformer = part
        elif kind == "Pooling":
            first_token = _takes_first_token(part)
        elif kind == "Dense":
            dense.append(_dense(part))
        elif kind != "Normalize":  # vectors are brought to length 1 anyway
            raise BundleError("a module of the model is not known", item=hub.label, value=kind)
    if transformer is None:
        raise BundleError("the model has no transformer", item=f"{hub.label}/modules.json")
    return SentenceModules(transformer, first_token, tuple(dense))


def _listed(hub: HubFolder) -> list[dict[str, object]]:
    path = hub.path / "modules.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(
            "the list of modules cannot be read", item=f"{hub.label}/modules.json", value=error
        ) from error
    if not isinstance(found, list) or not all(isinstance(module, dict) for module in found):
        raise BundleError("the list of modules is not one", item=f"{hub.label}/modules.json")
    return found


def _takes_first_token(part: HubFolder) -> bool:
    facts = part.json("config.json")
    flags = {
        name.removeprefix(_POOLING_FLAGS)
        for name, on in facts.items()
        if on is True and _POOLING_FLAGS in name
    }
    chosen = {str(facts["pooling_mode"])} if "pooling_mode" in facts else flags
    if len(chosen) != 1 or not chosen <= _POOLINGS.keys():
        raise BundleError(
            "this way of pooling tokens is not known",
            item=part.label,
            value=", ".join(sorted(chosen)) or "none",
            remedy="Known: the mean, or the first token",
        )
    return _POOLINGS[chosen.pop()]


def _dense(part: HubFolder) -> DenseLayer:
    facts = part.json("config.json")
    name = str(facts.get("activation_function", "Identity")).rpartition(".")[2]
    if name not in _ACTIVATIONS:
        raise BundleError("an activation of the model is not known", item=part.label, value=name)
    part.require_safetensors()
    arrays = _arrays(part)
    weight, bias = arrays.pop("linear.weight", None), arrays.pop("linear.bias", None)
    stated = (facts.get("out_features"), facts.get("in_features"))
    has_bias = bool(facts.get("bias", True))
    fits = weight is not None and weight.shape == stated and (bias is not None) == has_bias and not arrays
    if weight is None or not fits or (bias is not None and bias.shape != stated[:1]):
        raise BundleError(
            "config and weights of the model disagree",
            item=part.label,
            value=f"stated {stated}, {'with' if has_bias else 'without'} a bias",
            remedy="Copy both from one revision of the model",
        )
    return DenseLayer(weight, bias, name)


def _arrays(part: HubFolder) -> dict[str, NDArray[np.float32]]:
    """The tensors of a file that was found whole, without a package that a ready export does not need."""
    data = Path(part.path / "model.safetensors").read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    found: dict[str, NDArray[np.float32]] = {}
    for name, facts in header.items():
        if name == "__metadata__":
            continue
        kind, (first, end) = str(facts["dtype"]), facts["data_offsets"]
        try:
            values = np.frombuffer(data[start + first : start + end], _TYPES[kind]).reshape(facts["shape"])
        except (KeyError, ValueError) as error:
            raise BundleError(
                "a weight of the model cannot be read", item=f"{part.label}: {name}", value=kind
            ) from error
        if kind == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        found[name] = values.astype(np.float32)
    return found
