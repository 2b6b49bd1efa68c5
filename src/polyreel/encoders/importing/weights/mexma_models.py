"""MEXMA-SigLIP: the text encoder MEXMA (XLM-R, its first token) mapped to the space of SigLIP's image tower.

Its makers publish weights beside code of their own, which is never run: the towers are the classes of
``transformers``, and what its config does not say is in the shapes of the weights. The code and its names
could not be looked at where this was written, so nothing here depends on what the parts are called: an
embedding of words begins the one tower, one of patches the other, a matrix from the one's width to the
other's joins them, and a weight that is in none of these is refused.
"""

from __future__ import annotations

from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import SiglipVisionConfig, SiglipVisionModel, XLMRobertaConfig, XLMRobertaModel

from polyreel.encoders.card import FrameInput
from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.encoders.importing.weights.towers import ImageTower, ModelTowers
from polyreel.encoders.importing.weights.transformers_models import disagreement, quietly

__all__ = ["load_mexma_towers"]

_WORDS, _PATCHES = "embeddings.word_embeddings.weight", "embeddings.patch_embedding.weight"
# A number of heads leaves no trace in the weights; these are the published widths that have not 64 a head.
_HEADS = {1152: 16, 1536: 16}
_HEAD_WIDTH = 64
# Counted positions are made anew; MEXMA's pooler was trained for another end and is not read.
_UNREAD = ("position_ids", "token_type_ids", "pooler.dense.weight", "pooler.dense.bias")

State = dict[str, Tensor]


class _Image(ImageTower):
    vision: Any

    def __init__(self, vision: nn.Module, frames: FrameInput) -> None:
        super().__init__(frames)
        self.vision = vision

    def features(self, pixels: Tensor) -> Tensor:
        vectors: Tensor = self.vision(pixel_values=pixels).pooler_output
        return vectors


class _Text(nn.Module):
    transformer: Any

    def __init__(self, transformer: nn.Module, projection: nn.Module) -> None:
        super().__init__()
        self.transformer, self.projection = transformer, projection

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        states = self.transformer(input_ids=ids, attention_mask=mask).last_hidden_state
        vectors: Tensor = self.projection(states[:, 0])
        return vectors


def load_mexma_towers(hub: HubFolder, frames: FrameInput) -> ModelTowers:
    """The two towers of a folder.

    Args:
        hub: its folder.
        frames: how its pictures are prepared.

    Raises:
        BundleError: the weights are missing, damaged, or are not those of such a model.
    """
    state = _read(hub)
    text, vision = _below(hub, state, _WORDS), _below(hub, state, _PATCHES)
    with quietly():
        transformer = XLMRobertaModel(_text_config(hub, text), add_pooling_layer=False)
        pictures = SiglipVisionModel(_vision_config(hub, vision))
    _fill(hub, transformer, text)
    _fill(hub, pictures, vision)
    projection = _projection(hub, state, transformer.config.hidden_size, pictures.config.hidden_size)
    scale, bias = (_scalar(state, name) for name in ("logit_scale", "logit_bias"))
    if state:
        raise disagreement(hub, f"{len(state)} weights have no place, {min(state)} among them")
    return ModelTowers(
        image=_Image(pictures, frames).eval(),
        text=_Text(transformer, projection).eval(),
        masked=True,
        scale=1.0 if scale is None else float(scale.exp()),
        bias=0.0 if bias is None else float(bias),
    )


def _read(hub: HubFolder) -> State:
    hub.require_safetensors()
    state: State = {}
    for part in hub.weight_files():
        state |= {key: value.float() for key, value in load_file(hub.path / part).items()}
    return {key: value for key, value in state.items() if not key.endswith(_UNREAD)}


def _below(hub: HubFolder, state: State, first: str) -> State:
    """Take the weights of one tower out of ``state``, by the embedding that it begins with."""
    found = [key for key in state if key.endswith(first)]
    if len(found) != 1:
        raise disagreement(hub, f"{len(found)} weights are called {first}, and one is wanted")
    prefix = found[0].removesuffix(first)
    return {key.removeprefix(prefix): state.pop(key) for key in list(state) if key.startswith(prefix)}


def _text_config(hub: HubFolder, state: State) -> XLMRobertaConfig:
    words, width = _shape(hub, state, _WORDS)
    return XLMRobertaConfig(
        vocab_size=words,
        hidden_size=width,
        num_hidden_layers=_layers(hub, state, "encoder.layer."),
        num_attention_heads=_heads(width),
        intermediate_size=_shape(hub, state, "encoder.layer.0.intermediate.dense.weight")[0],
        max_position_embeddings=_shape(hub, state, "embeddings.position_embeddings.weight")[0],
        type_vocab_size=_shape(hub, state, "embeddings.token_type_embeddings.weight")[0],
        layer_norm_eps=1e-5,
        pad_token_id=1,
    )


def _vision_config(hub: HubFolder, state: State) -> SiglipVisionConfig:
    width, _, side, _ = _shape(hub, state, _PATCHES)
    patches = _shape(hub, state, "embeddings.position_embedding.weight")[0]
    return SiglipVisionConfig(
        hidden_size=width,
        num_hidden_layers=_layers(hub, state, "encoder.layers."),
        num_attention_heads=_heads(width),
        intermediate_size=_shape(hub, state, "encoder.layers.0.mlp.fc1.weight")[0],
        image_size=round(patches**0.5) * side,
        patch_size=side,
    )


def _heads(width: int) -> int:
    return _HEADS.get(width, max(1, width // _HEAD_WIDTH))


def _shape(hub: HubFolder, state: State, name: str) -> tuple[int, ...]:
    if name not in state:
        raise disagreement(hub, f"the weights have no {name}")
    return tuple(state[name].shape)


def _layers(hub: HubFolder, state: State, prefix: str) -> int:
    places = {int(key.removeprefix(prefix).split(".")[0]) for key in state if key.startswith(prefix)}
    if not places:
        raise disagreement(hub, f"the weights have no {prefix}0")
    return 1 + max(places)


def _fill(hub: HubFolder, module: nn.Module, state: State) -> None:
    try:
        module.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise disagreement(hub, str(error).strip().splitlines()[-1].strip()[:200]) from error


def _projection(hub: HubFolder, state: State, text: int, pictures: int) -> nn.Module:
    """The matrix from the one width to the other, whatever it is called, with its bias if it has one."""
    found = [key for key, value in state.items() if tuple(value.shape) == (pictures, text)]
    if len(found) != 1:
        raise disagreement(
            hub, f"{len(found)} matrices lead from {text} to {pictures} numbers, and one is wanted"
        )
    bias = state.pop(found[0].removesuffix("weight") + "bias", None) if found[0].endswith("weight") else None
    layer = nn.Linear(text, pictures, bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(state.pop(found[0]))
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


def _scalar(state: State, name: str) -> Tensor | None:
    key = next((key for key in state if key.rpartition(".")[2] == name), None)
    return None if key is None else state.pop(key).reshape(())
