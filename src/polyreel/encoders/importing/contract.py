"""What a family of models asks of whoever runs it, and how its pictures are said to be prepared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from polyreel.encoders.card import FrameInput, Scoring, TextInput
from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.errors import BundleError

__all__ = ["Contract", "open_clip_pictures", "pictures_of"]

# Pillow's numbers, as preprocessor_config.json has them; 0, 4 and 5 are not used by any family here.
_KERNELS = {1: "lanczos", 2: "bilinear", 3: "bicubic"}
_FPS = 1.0


@dataclass(frozen=True, slots=True)
class Contract:
    """How texts and pictures are prepared, and what a cosine means.

    Attributes:
        text, frames: as the card says it; the width of a frame's vector is not known yet and is 1.
        scoring: of cosines.
        tokenizer: contents of ``tokenizer.json``, which neither cuts nor fills.
        remarks: one sentence for each thing that its user should know.
    """

    text: TextInput
    frames: FrameInput
    scoring: Scoring
    tokenizer: str
    remarks: tuple[str, ...] = ()


def pictures_of(hub: HubFolder) -> FrameInput:
    """How ``transformers`` would prepare pictures, by ``preprocessor_config.json``.

    Raises:
        BundleError: it asks for something that our decoder does not do.
    """
    facts = hub.json("preprocessor_config.json", needed=not hub.has("processor_config.json"))
    facts = facts or hub.json("processor_config.json").get("image_processor", {})
    size, crop = facts.get("size", {}), facts.get("crop_size", {})
    size = {"shortest_edge": size} if isinstance(size, int) else size
    crop = {"height": crop, "width": crop} if isinstance(crop, int) else crop
    kernel = _KERNELS.get(facts.get("resample", 3))
    crops = bool(facts.get("do_center_crop", "shortest_edge" in size))
    shortest = size.get("shortest_edge")
    wanted = crop if crops and shortest is not None else size
    if kernel is None or "height" not in wanted or "width" not in wanted or not facts.get("do_resize", True):
        raise BundleError(
            "this way of preparing pictures is not known",
            item=f"{hub.label}/preprocessor_config.json",
            value=f"size {size}, crop {crop if crops else None}, resample {facts.get('resample')}",
            remedy="Known: the whole picture squashed, or its shorter side scaled and the middle cut out",
        )
    return FrameInput.model_validate(
        {
            "width_px": wanted["width"],
            "height_px": wanted["height"],
            "fps": _FPS,
            "dim": 1,
            "resize": "crop" if wanted is crop else "squash",
            "shortest_px": shortest if wanted is crop else None,
            "kernel": kernel,
            "mean": _channels(facts, "image_mean"),
            "std": _channels(facts, "image_std"),
        }
    )


def open_clip_pictures(preprocess: Mapping[str, Any], *, side_px: int, label: str) -> FrameInput:
    """How ``open_clip`` would prepare pictures, by its ``preprocess_cfg``.

    Args:
        preprocess: the section of ``open_clip_config.json``, or the file of Immich's exports.
        side_px: of the pictures, where the section does not say it.
        label: what messages call it.

    Raises:
        BundleError: it asks for something that our decoder does not do.
    """
    size = preprocess.get("size", side_px)
    height, width = (size, size) if isinstance(size, int) else (size[-2], size[-1])
    mode, kernel = preprocess.get("resize_mode", "shortest"), preprocess.get("interpolation", "bicubic")
    if mode not in {"shortest", "squash"} or kernel not in _KERNELS.values():
        raise BundleError(
            "this way of preparing pictures is not known",
            item=label,
            value=f"resize_mode {mode}, interpolation {kernel}",
            remedy="Known: shortest and squash, bicubic and bilinear",
        )
    return FrameInput.model_validate(
        {
            "width_px": width,
            "height_px": height,
            "fps": _FPS,
            "dim": 1,
            "resize": "crop" if mode == "shortest" else "squash",
            "kernel": kernel,
            "mean": preprocess.get("mean", (0.48145466, 0.4578275, 0.40821073)),
            "std": preprocess.get("std", (0.26862954, 0.26130258, 0.27577711)),
        }
    )


def _channels(facts: Mapping[str, Any], name: str) -> tuple[float, ...]:
    given = facts.get(name)
    if not facts.get("do_normalize", True):
        return (0.0, 0.0, 0.0) if name == "image_mean" else (1.0, 1.0, 1.0)
    return tuple(given) if given is not None else (0.5, 0.5, 0.5)
