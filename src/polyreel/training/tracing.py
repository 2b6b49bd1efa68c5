"""The towers as ONNX graphs, through PyTorch's exporter: for models without a graph writer in ``bundle``."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from polyreel.errors import UsageError
from polyreel.models.inputs import TextInputs
from polyreel.models.towers import TwoTowers

__all__ = ["trace_text", "trace_video"]

_OPSET = 20


class _Text(nn.Module):
    def __init__(self, model: TwoTowers) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return self.model.embed_text(TextInputs(ids=ids, mask=mask.bool()))


class _Video(nn.Module):
    def __init__(self, model: TwoTowers) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return self.model.embed_video(features, mask > 0)


def trace_text(model: TwoTowers, path: Path, *, int8: bool = False) -> None:
    """``ids`` and ``mask`` (texts, tokens) int64 -> ``embeddings`` (texts, dim).

    Args:
        model: on the CPU.
        path: of the graph.
        int8: matrices in 8 bits, activations rounded as they come (dynamic quantisation).
    """
    inputs = model.text.prepare(["a dog runs", "two people are talking"])
    assert inputs.ids is not None
    assert inputs.mask is not None
    _trace(_Text(model), (inputs.ids, inputs.mask.long()), ("ids", "mask"), path)
    if int8:
        _quantise(path)


def trace_video(model: TwoTowers, path: Path) -> None:
    """``features`` (clips, frames, inputs) and ``mask`` (clips, frames) float32 -> ``embeddings``."""
    assert model.video is not None
    features = torch.rand(2, 3, model.video.spec.features)
    _trace(_Video(model), (features, torch.ones(2, 3)), ("features", "mask"), path)


def _trace(module: nn.Module, inputs: tuple[Tensor, ...], names: tuple[str, str], path: Path) -> None:
    """Rows and the second axis of every input are dynamic."""
    rows, columns = torch.export.Dim("rows"), torch.export.Dim("columns", max=4096)
    shapes = tuple({0: rows, 1: columns} for _ in inputs)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the exporter warns of its own deprecations
            torch.onnx.export(
                module.eval(),
                inputs,
                path,
                input_names=list(names),
                output_names=["embeddings"],
                dynamic_shapes=shapes,
                opset_version=_OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise UsageError(
            "PyTorch's exporter cannot follow this model",
            item=path.name,
            value=str(error).strip().splitlines()[0],
            remedy="Choose another encoder or pooling",
        ) from error


def _quantise(path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole = path.with_suffix(".float.onnx")
    path.rename(whole)
    quantize_dynamic(whole, path, weight_type=QuantType.QInt8)
    whole.unlink()
