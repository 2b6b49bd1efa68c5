"""Text towers that were taught the space of somebody else's image tower: M-CLIP, sentence-transformers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, XLMRobertaConfig, XLMRobertaModel

from polyreel.encoders.card import TextInput
from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.encoders.importing.proof import Reference
from polyreel.encoders.importing.sentence_modules import DenseLayer, read_modules
from polyreel.encoders.importing.weights.transformers_models import (
    disagreement,
    load_transformers_model,
    quietly,
)

__all__ = ["PooledReference", "load_m_clip_text", "load_sentence_transformers_text"]

_ACTIVATIONS = {"Identity": nn.Identity, "Tanh": nn.Tanh}
_HEAD_WIDTH = 64


class _Pooled(nn.Module):
    """Token states -> their mean over what is not filling, or the first, -> layers."""

    transformer: Any

    def __init__(self, transformer: nn.Module, layers: nn.Module, *, first_token: bool) -> None:
        super().__init__()
        self.transformer, self.layers, self.first_token = transformer, layers, first_token

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        states = self.transformer(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask[..., None].to(states.dtype)
        pooled = states[:, 0] if self.first_token else (states * weight).sum(1) / weight.sum(1)
        vectors: Tensor = self.layers(pooled)
        return vectors


def load_sentence_transformers_text(hub: HubFolder) -> nn.Module:
    """A transformer with its pooling and dense layers, as ``modules.json`` lists them.

    Raises:
        BundleError: a module is of a kind that is not known, or its weights are not those of its config.
    """
    found = read_modules(hub)
    transformer = load_transformers_model(found.transformer, AutoModel)
    layers = nn.Sequential(*map(_dense, found.dense))
    return _Pooled(transformer, layers, first_token=found.first_token)


def _dense(found: DenseLayer) -> nn.Module:
    rows, columns = found.weight.shape
    layer = nn.Linear(columns, rows, bias=found.bias is not None)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(found.weight))
        if found.bias is not None:
            layer.bias.copy_(torch.from_numpy(found.bias))
    return nn.Sequential(layer, _ACTIVATIONS[found.activation]())


def load_m_clip_text(hub: HubFolder) -> nn.Module:
    """XLM-R, the mean of its states, and a linear map.

    Raises:
        BundleError: the weights are missing, or are not those of the config.
    """
    hub.require_safetensors()
    state = load_file(hub.path / "model.safetensors")
    words = state.get("transformer.embeddings.word_embeddings.weight")
    out = state.get("LinearTransformation.weight")
    if words is None or out is None:
        raise disagreement(hub, "the weights are not those of XLM-R with a linear map")
    width = words.shape[1]
    config = {
        "model_type": "xlm-roberta",
        "vocab_size": words.shape[0],
        "hidden_size": width,
        "num_attention_heads": max(1, width // _HEAD_WIDTH),
        "num_hidden_layers": 1 + max(int(key.split(".")[3]) for key in state if ".encoder.layer." in key),
        "intermediate_size": state["transformer.encoder.layer.0.intermediate.dense.weight"].shape[0],
        "max_position_embeddings": state["transformer.embeddings.position_embeddings.weight"].shape[0],
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "pad_token_id": 1,
    }
    with tempfile.TemporaryDirectory() as scratch, quietly():
        (Path(scratch) / "config.json").write_text(json.dumps(config))
        transformer: Any = XLMRobertaModel(XLMRobertaConfig.from_pretrained(scratch), add_pooling_layer=False)
    unused = ("position_ids", "pooler.dense.weight", "pooler.dense.bias")
    inner = {
        key.removeprefix("transformer."): value
        for key, value in state.items()
        if key.startswith("transformer.")
    }
    _load(transformer, {key: value for key, value in inner.items() if not key.endswith(unused)}, hub)
    layer = nn.Linear(out.shape[1], out.shape[0], bias="LinearTransformation.bias" in state)
    _load(layer, _below("LinearTransformation.", state), hub)
    transformer.train(mode=False)
    return _Pooled(transformer.float(), layer.float(), first_token=False)


def _below(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _load(module: nn.Module, state: dict[str, Tensor], hub: HubFolder) -> None:
    try:
        module.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise disagreement(hub, str(error).strip().splitlines()[-1].strip()[:200]) from error


class PooledReference:
    """Such a text tower behind its own tokenizer, beside the image tower's own reference.

    Args:
        hub: folder of the tokenizer.
        text: the tower.
        spec: how long its texts may be.
        images: reference of the image tower.
    """

    def __init__(self, hub: HubFolder, text: nn.Module, spec: TextInput, images: Reference) -> None:
        with quietly():
            self._tokenizer = AutoTokenizer.from_pretrained(
                hub.path, local_files_only=True, trust_remote_code=False
            )
        self._text, self._spec, self._images = text, spec, images

    def texts(self, texts: Sequence[str], languages: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts, (texts, dim)."""
        rows = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=self._spec.max_tokens, return_tensors="pt"
        )
        with torch.inference_mode():
            return np.asarray(self._text(rows["input_ids"], rows["attention_mask"]), np.float32)

    def pixels(self, picture: Image.Image) -> NDArray[np.uint8]:
        """A picture as the image tower's own preparation scales it, (height, width, 3)."""
        return self._images.pixels(picture)

    def pictures(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Vectors of pictures, (pictures, dim)."""
        return self._images.pictures(pictures)
