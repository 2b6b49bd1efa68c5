"""ModelTowers as ONNX graphs, through PyTorch's tracing exporter.

Tracing takes a second a tower where the newer exporter takes six, and freezes nothing here: batch and length
stay free, which the proof at the end of each import holds against the model.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from polyreel.encoders.card import FrameInput, TextInput
from polyreel.encoders.importing.weights.towers import ModelTowers
from polyreel.errors import BundleError

__all__ = ["export_towers"]

_OPSET = 20
_LONG = 12


def export_towers(towers: ModelTowers, folder: Path, text: TextInput, frames: FrameInput) -> None:
    """Write ``frames.onnx`` and ``text.onnx``.

    Args:
        towers: in evaluation mode.
        folder: where to.
        text: how rows of ids are made, which a probe must follow.
        frames: size of the pictures.

    Raises:
        BundleError: the exporter cannot follow the model.
    """
    pictures = torch.randint(0, 256, (2, frames.height_px, frames.width_px, 3), dtype=torch.uint8)
    _export(towers.image, {"frames": pictures}, "features", folder / "frames.onnx", rows_only=True)
    length = text.pad_to or min(_LONG, text.max_tokens)
    ids = torch.full((2, length), text.pad_id)
    probe = {"ids": ids, "mask": torch.ones_like(ids)} if towers.masked else {"ids": ids}
    _export(towers.text, probe, "embeddings", folder / "text.onnx", rows_only=text.pad_to is not None)


def _export(module: nn.Module, probe: dict[str, Tensor], output: str, path: Path, *, rows_only: bool) -> None:
    axes = {0: "rows"} if rows_only else {0: "rows", 1: "tokens"}
    # The fused fast path of PyTorch's own transformer layers has no counterpart in ONNX.
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # of tracing itself, and of values it takes for constants
            torch.onnx.export(
                module.eval(),
                tuple(probe.values()),
                str(path),
                input_names=list(probe),
                output_names=[output],
                dynamic_axes=dict.fromkeys(probe, axes) | {output: {0: "rows"}},
                opset_version=_OPSET,
                dynamo=False,
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError, ValueError) as error:
        raise BundleError(
            "PyTorch's exporter cannot follow this model",
            item=path.name,
            value=str(error).strip().splitlines()[0],
            remedy="Please report it with the name of the model",
        ) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
