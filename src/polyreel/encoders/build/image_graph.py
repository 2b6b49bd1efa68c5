"""The image networks that ship with polyreel, read as graphs, alone or side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import compose, helper, numpy_helper, utils

from polyreel.encoders.build.image_networks import ImageNetwork

__all__ = ["class_layer", "frames_graph"]

_FRAMES, _FEATURES = "frames", "features"


def frames_graph(networks: Sequence[ImageNetwork]) -> onnx.ModelProto:
    """``frames`` (n, 224, 224, 3) uint8 -> ``features`` (n, sum of dims): side by side, no class layers."""
    bodies = [
        utils.Extractor(onnx.load_model_from_string(network.read())).extract_model([_FRAMES], [_FEATURES])
        for network in networks
    ]
    if len(bodies) == 1:
        return bodies[0]
    first = bodies[0]
    nodes, constants, outputs = [], [], []
    for network, body in zip(networks, bodies, strict=True):
        graph = compose.add_prefix(body, f"{network.name}.").graph
        for node in graph.node:
            taken = [_FRAMES if name == f"{network.name}.{_FRAMES}" else name for name in node.input]
            node.ClearField("input")
            node.input.extend(taken)
        nodes += graph.node
        constants += graph.initializer
        outputs.append(f"{network.name}.{_FEATURES}")
    nodes.append(helper.make_node("Concat", outputs, [_FEATURES], axis=1))
    width = sum(network.dim for network in networks)
    made = helper.make_model(
        helper.make_graph(
            nodes,
            _FRAMES,
            first.graph.input,
            [helper.make_tensor_value_info(_FEATURES, onnx.TensorProto.FLOAT, [_FRAMES, width])],
            constants,
        ),
        opset_imports=first.opset_import,
        ir_version=first.ir_version,
        producer_name="polyreel",
    )
    onnx.checker.check_model(made)
    return made


def class_layer(networks: Sequence[ImageNetwork]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (classes, sum of dims) and bias (classes,) that give the mean of the networks' logits."""
    weights: list[NDArray[np.float32]] = []
    biases: list[NDArray[np.float32]] = []
    for network in networks:
        graph = onnx.load_model_from_string(network.read()).graph
        constants = {constant.name: constant for constant in graph.initializer}
        found = (
            numpy_helper.to_array(constants[name]).astype(np.float32)
            for name in (network.class_weights, network.class_bias)
        )
        for kept, array in zip((weights, biases), found, strict=True):
            kept.append(array / np.float32(len(networks)))
    return np.concatenate(weights, axis=1), np.stack(biases).sum(axis=0)
