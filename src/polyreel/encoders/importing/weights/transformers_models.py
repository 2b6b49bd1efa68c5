"""Models that ``transformers`` has classes of."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from logging import ERROR
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoModel, ChineseCLIPModel, CLIPModel, MetaClip2Model, PreTrainedModel, SiglipModel
from transformers.utils import logging

from polyreel.encoders.card import FrameInput
from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.encoders.importing.weights.towers import ImageTower, ModelTowers
from polyreel.errors import BundleError

__all__ = [
    "TRANSFORMERS_CLASSES",
    "disagreement",
    "load_transformers_model",
    "load_transformers_towers",
    "quietly",
]

TRANSFORMERS_CLASSES: dict[str, type[PreTrainedModel]] = {
    "siglip2": SiglipModel,
    "siglip": SiglipModel,
    "clip": CLIPModel,
    "metaclip2": MetaClip2Model,
    "chinese-clip": ChineseCLIPModel,
}


class _Image(ImageTower):
    model: Any

    def __init__(self, model: PreTrainedModel, frames: FrameInput) -> None:
        super().__init__(frames)
        self.model = model

    def features(self, pixels: Tensor) -> Tensor:
        vectors: Tensor = self.model.get_image_features(pixel_values=pixels).pooler_output
        return vectors


class _Text(nn.Module):
    model: Any

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        features: Tensor = self.model.get_text_features(input_ids=ids, attention_mask=mask).pooler_output
        return features


def load_transformers_towers(hub: HubFolder, family: str, frames: FrameInput, *, masked: bool) -> ModelTowers:
    """The towers of a model in the layout of ``transformers``.

    Args:
        hub: its folder.
        family: one of those that ``transformers`` has a class of.
        frames: how its pictures are prepared.
        masked: whether its text tower is told what is filling.

    Raises:
        BundleError: the weights are missing, or are not those of the config.
    """
    model: Any = load_transformers_model(hub, TRANSFORMERS_CLASSES[family])
    bias = getattr(model, "logit_bias", None)
    return ModelTowers(
        image=_Image(model, frames),
        text=_Text(model),
        masked=masked,
        scale=float(model.logit_scale.detach().exp()),
        bias=0.0 if bias is None else float(bias.detach()),
    )


def load_transformers_model(hub: HubFolder, kind: type[PreTrainedModel] | type[AutoModel]) -> PreTrainedModel:
    """A model in evaluation mode and single precision; only safetensors are read, no code of theirs is run.

    Raises:
        BundleError: the weights are missing, or are not those of the config.
    """
    hub.require_safetensors()
    options: dict[str, Any] = {"dtype": torch.float32, "use_safetensors": True, "local_files_only": True}
    try:
        with quietly():
            # from_pretrained is typed for a model alone; asked for its report, too, it returns both.
            both: Any = kind.from_pretrained(str(hub.path), output_loading_info=True, **options)
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise disagreement(hub, str(error).strip().splitlines()[0]) from error
    model: PreTrainedModel = both[0]
    loaded: dict[str, Any] = both[1]
    unfit = [*loaded["missing_keys"], *(row[0] for row in loaded.get("mismatched_keys", ()))]
    # Counted positions are made anew and were never weights.
    if unfit := [key for key in unfit if not key.endswith("position_ids")]:
        raise disagreement(hub, f"{len(unfit)} weights do not fit, {min(unfit)} among them")
    model.train(mode=False)
    return model


def disagreement(hub: HubFolder, why: str) -> BundleError:
    """The error that says that config and weights are not of one model."""
    return BundleError(
        "config and weights of the model disagree",
        item=hub.label,
        value=why,
        remedy="Copy both from one revision of the model",
    )


@contextmanager
def quietly() -> Iterator[None]:
    """Without the progress bars and warnings of ``transformers``, whose reports are ours to judge."""
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity(ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
