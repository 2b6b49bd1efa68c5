"""The video tower as an ONNX graph: frame features -> one vector in the space of the texts.

Without training, each frame's ImageNet posterior weights the *text* embeddings of the class names (ConSE,
Norouzi et al. 2014), and a clip is the mean of its frames. What training adds stands beside that: a head on
the mean of the features, of whose values a power may be taken first. What captions say of such features
(``caption_map``) is added to the training-free vector.
"""

from __future__ import annotations

import onnx
from onnx import TensorProto

from polyreel.encoders.build.caption_map import CaptionMap
from polyreel.encoders.build.graph import GraphWriter
from polyreel.encoders.build.head_graph import add_head, beside_prior
from polyreel.encoders.build.semantic_pooling import SemanticPooling
from polyreel.encoders.build.trained_heads import TrainedHeads

__all__ = ["build_video_graph"]


def build_video_graph(
    semantic: SemanticPooling, *, heads: TrainedHeads | None = None, captions: CaptionMap | None = None
) -> onnx.ModelProto:
    """Posterior-weighted class-name embeddings, averaged over the frames of a clip, and what was trained.

    Inputs: ``features`` (clips, frames, features) float32 and ``mask`` (clips, frames) float32, 1 for real
    frames. Output: ``embeddings`` (clips, dim) float32, rows of length 1.

    Args:
        semantic: The class layer, and the class names in the language-free text space.
        heads: The head of the mean features, which stands beside the training-free vector.
        captions: What is added to the training-free vector.

    Returns:
        The graph, checked.
    """
    graph = GraphWriter("video")
    inputs, dim = len(semantic.class_weights), semantic.class_embeddings.shape[1]
    features = graph.input("features", TensorProto.FLOAT, ["clips", "frames", inputs])
    real = graph.input("mask", TensorProto.FLOAT, ["clips", "frames"])
    mask = graph.add("Unsqueeze", real, graph.integers(2))
    logits = graph.add(
        "Add",
        graph.add("MatMul", features, graph.constant("class_weights", semantic.class_weights)),
        graph.constant("class_bias", semantic.class_bias),
    )
    pooled = _sum_of_frames(graph, graph.add("Softmax", logits, axis=-1), mask)
    prior = graph.l2_normalise(
        graph.add("MatMul", pooled, graph.constant("class_embeddings", semantic.class_embeddings))
    )
    summed = _sum_of_frames(graph, features, mask)
    # What is added has a bias, but a clip without frames is still nowhere.
    seen = graph.add("Min", graph.add("ReduceSum", real, graph.integers(1), keepdims=1), graph.scalar(1.0))
    if captions is not None:
        added = graph.add("Mul", _said(graph, summed, captions), seen)
        prior = graph.l2_normalise(graph.add("Add", prior, added))
    if heads is None:
        return graph.close(prior, "embeddings", ["clips", dim])
    mean = graph.l2_normalise(_powered(graph, summed, heads.power))
    mapped = add_head(graph, mean, heads.video, skip="none" if heads.starts_semantic else "given")
    if heads.starts_semantic:
        mapped = graph.add("Add", prior, mapped)
    mapped = graph.add("Mul", graph.l2_normalise(mapped), seen)
    mixed = beside_prior(graph, prior, mapped, weight=heads.prior_weight)
    return graph.close(mixed, "embeddings", ["clips", heads.dim_beside(dim)])


def _said(graph: GraphWriter, summed: str, captions: CaptionMap) -> str:
    """What ``captions`` adds to the vectors of clips with such sums of features: (clips, dim)."""
    mean = graph.l2_normalise(_powered(graph, summed, captions.power))
    down = graph.add("MatMul", mean, graph.constant("captions.down", captions.down))
    scores = graph.add("Add", down, graph.constant("captions.bias", captions.bias))
    vectors = graph.add("MatMul", scores, graph.constant("captions.up", captions.up))
    return graph.add("Mul", graph.l2_normalise(vectors), graph.scalar(captions.weight))


def _sum_of_frames(graph: GraphWriter, rows: str, mask: str) -> str:
    """Dividing by the number of frames would not change the direction, so the sum will do."""
    return graph.add("ReduceSum", graph.add("Mul", rows, mask), graph.integers(1), keepdims=0)


def _powered(graph: GraphWriter, rows: str, power: float) -> str:
    """``sign(x) |x|^power`` of each value."""
    if power == 1:
        return rows
    size = graph.add("Pow", graph.add("Abs", rows), graph.scalar(power))
    return graph.add("Mul", graph.add("Sign", rows), size)
