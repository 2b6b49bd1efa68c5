"""Frames -> clip, where the image tower's vectors are already in the space of the texts."""

from __future__ import annotations

import onnx
from onnx import TensorProto

from polyreel.encoders.build.graph import GraphWriter

__all__ = ["mean_of_frames"]


def mean_of_frames(dim: int) -> onnx.ModelProto:
    """The mean of un-normalised frame vectors, brought to length 1.

    Inputs: ``features`` (clips, frames, dim) float32 and ``mask`` (clips, frames) float32, 1 for real
    frames. Output: ``embeddings`` (clips, dim) float32.
    """
    graph = GraphWriter("video")
    features = graph.input("features", TensorProto.FLOAT, ["clips", "frames", dim])
    mask = graph.input("mask", TensorProto.FLOAT, ["clips", "frames"])
    weighted = graph.add("Mul", features, graph.add("Unsqueeze", mask, graph.integers(2)))
    # Dividing by the number of frames would not change the direction, so the sum will do.
    total = graph.add("ReduceSum", weighted, graph.integers(1), keepdims=0)
    return graph.close(graph.l2_normalise(total), "embeddings", ["clips", dim])
