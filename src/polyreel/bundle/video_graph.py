"""The training-free video tower: frame features -> one vector in the space of the texts.

Each frame's ImageNet posterior weights the *text* embeddings of the class names (ConSE, Norouzi et al. 2014),
and a clip is the mean of its frames. A trained head replaces this graph behind the same inputs and output.
"""

from __future__ import annotations

from importlib import resources

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper, utils

from polyreel.bundle.graph import GraphWriter

__all__ = ["IMAGE_TOWER_DIM", "build_semantic_pooling", "class_layer", "frames_graph", "image_tower"]

IMAGE_TOWER_DIM = 1280
_FEATURES = "features"
_CLASS_WEIGHTS, _CLASS_BIAS = "network._fc.weight.f16", "network._fc.bias.f16"


def image_tower() -> bytes:
    """The shipped EfficientNet-Lite0 (scripts/export_image_tower.py), features and class logits."""
    return (resources.files("polyreel.bundle") / "assets" / "efficientnet_lite0.onnx").read_bytes()


def frames_graph(tower: onnx.ModelProto) -> onnx.ModelProto:
    """``tower`` without its class layer: ``frames`` (n, 224, 224, 3) uint8 -> ``features`` (n, 1280)."""
    return utils.Extractor(tower).extract_model(["frames"], [_FEATURES])


def class_layer(tower: onnx.ModelProto) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (classes, 1280) and bias (classes,) of the layer that ``frames_graph`` leaves out."""
    constants = {constant.name: constant for constant in tower.graph.initializer}
    weights, bias = (
        numpy_helper.to_array(constants[name]).astype(np.float32) for name in (_CLASS_WEIGHTS, _CLASS_BIAS)
    )
    return weights, bias


def build_semantic_pooling(
    weights: NDArray[np.float32],
    bias: NDArray[np.float32],
    class_embeddings: NDArray[np.float32],
    *,
    temperature: float,
) -> onnx.ModelProto:
    """Posterior-weighted class-name embeddings, averaged over the frames of a clip.

    Inputs: ``features`` (clips, frames, 1280) float32 and ``mask`` (clips, frames) float32, 1 for real
    frames. Output: ``embeddings`` (clips, dim) float32, rows of length 1.

    Args:
        weights: (classes, 1280) and ``bias`` (classes,): the class layer.
        bias: see ``weights``.
        class_embeddings: (classes, dim) text embeddings of the class names, centred.
        temperature: divides the logits; above 1 spreads the posterior over more classes.
    """
    graph = GraphWriter("video")
    dim = class_embeddings.shape[1]
    features = graph.input("features", TensorProto.FLOAT, ["clips", "frames", weights.shape[1]])
    mask = graph.input("mask", TensorProto.FLOAT, ["clips", "frames"])
    logits = graph.add(
        "Add",
        graph.add("MatMul", features, graph.constant("class_weights", weights.T / temperature)),
        graph.constant("class_bias", bias / temperature),
    )
    posterior = graph.add("Softmax", logits, axis=-1)
    weighted = graph.add("Mul", posterior, graph.add("Unsqueeze", mask, graph.integers(2)))
    # Dividing by the number of frames would not change the direction, so the sum will do.
    pooled = graph.add("ReduceSum", weighted, graph.integers(1), keepdims=0)
    embeddings = graph.add("MatMul", pooled, graph.constant("class_embeddings", class_embeddings))
    return graph.close(graph.l2_normalise(embeddings), "embeddings", ["clips", dim])
