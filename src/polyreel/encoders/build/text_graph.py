"""The text tower as an ONNX graph: token ids -> one unit vector per text.

The 4-bit blocks of the packed weights are kept as they are: ``MatMulNBits`` and ``GatherBlockQuantized`` of
ONNX Runtime read the same levels and scales, so the graph is exact and a sixth of the float size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from polyreel.encoders.build.e5 import BLOCK, E5Weights
from polyreel.encoders.build.graph import GraphWriter
from polyreel.encoders.build.head_graph import add_head, beside_prior
from polyreel.encoders.build.language_neutral import LanguageNeutralProjection
from polyreel.encoders.build.trained_heads import TrainedHeads

__all__ = ["build_text_graph"]

# 0 keeps activations in float32; 4 rounds them to int8 per block, which is faster and moves the embedding by
# less than the 4-bit weights already did (docs/performance.md).
_INT8_ACTIVATIONS = 4


def build_text_graph(
    weights: E5Weights,
    *,
    space: LanguageNeutralProjection | None = None,
    heads: TrainedHeads | None = None,
    accuracy_level: int = _INT8_ACTIVATIONS,
) -> onnx.ModelProto:
    """A BERT encoder with mean pooling and L2 normalisation.

    Inputs: ``ids`` (batch, tokens) int64 and ``mask`` (batch, tokens) int64, 1 for real tokens.
    Output: ``embeddings`` (batch, dim) float32, rows of length 1.

    Args:
        weights: Weights of the encoder.
        space: Projection of the pooled states; None leaves them as they are.
        heads: Trained head behind them, mixed with what is before it as it says; None for no head.
        accuracy_level: ONNX Runtime's, of products with 4-bit weights: 0 computes in float32, 4 in int8.
    """
    encoder = _Encoder(weights, accuracy_level)
    graph = encoder.graph
    ids = graph.input("ids", TensorProto.INT64, ["batch", "tokens"])
    mask = graph.input("mask", TensorProto.INT64, ["batch", "tokens"])
    states = encoder.embed(ids)
    weight = graph.add("Cast", graph.add("Unsqueeze", mask, graph.integers(2)), to=TensorProto.FLOAT)
    bias = encoder.attention_bias(mask)
    for layer in range(weights.layers):
        states = encoder.transformer_layer(layer, states, bias)
    total = graph.add("ReduceSum", graph.add("Mul", states, weight), graph.integers(1), keepdims=0)
    count = graph.add("ReduceSum", weight, graph.integers(1), keepdims=0)
    embeddings = graph.l2_normalise(graph.add("Div", total, count))
    if space is not None:
        centred = graph.add("Sub", embeddings, graph.constant("space.mean", space.mean))
        freed = graph.add("MatMul", centred, graph.constant("space.projection", space.projection))
        embeddings = graph.l2_normalise(freed)
    if heads is None:
        return graph.close(embeddings, "embeddings", ["batch", weights.width])
    mapped = graph.l2_normalise(add_head(graph, embeddings, heads.text))
    mixed = beside_prior(graph, embeddings, mapped, weight=heads.prior_weight)
    return graph.close(mixed, "embeddings", ["batch", heads.dim_beside(weights.width)])


class _Encoder:
    def __init__(self, weights: E5Weights, accuracy_level: int) -> None:
        self.weights = weights
        self.graph = GraphWriter("text")
        self._accuracy_level = accuracy_level

    def embed(self, ids: str) -> str:
        """Word + position + type embeddings, normalised: (batch, tokens, width)."""
        graph, floats, width = self.graph, self.weights.floats, self.weights.width
        matrix = self.weights.quantised["emb.word"]
        # GatherBlockQuantized reads signed nibbles: level - 8 in two's complement is level XOR 8.
        packed = _pack(matrix.levels ^ np.uint8(8))
        table = graph.raw_constant("emb.word", TensorProto.INT4, matrix.levels.shape, packed.tobytes())
        scales = graph.constant("emb.word.scales", matrix.scales)
        words = graph.microsoft(
            "GatherBlockQuantized", table, ids, scales, gather_axis=0, quantize_axis=1, block_size=BLOCK
        )
        # Every token has type 0, so the type embedding is part of the position's.
        positions = floats["emb.pos"].reshape(-1, width) + floats["emb.type"][:width]
        length = graph.add("Shape", ids, start=1, end=2)
        upto = graph.add(
            "Slice", graph.constant("emb.pos", positions), graph.integers(0), length, graph.integers(0)
        )
        return self._layer_norm(graph.add("Add", words, upto), "emb.ln")

    def attention_bias(self, mask: str) -> str:
        """0 for real tokens and a large negative number for padding, (batch, 1, 1, tokens)."""
        graph = self.graph
        keep = graph.add("Cast", graph.add("Unsqueeze", mask, graph.integers(1, 2)), to=TensorProto.FLOAT)
        return graph.add("Mul", graph.add("Sub", keep, graph.scalar(1.0)), graph.scalar(1e9))

    def transformer_layer(self, layer: int, states: str, bias: str) -> str:
        """Self-attention and feed-forward, each followed by residual and layer norm."""
        graph, prefix = self.graph, f"l{layer}"
        # One product for all three: it rounds the states to int8 once.
        joined = self._linear([f"{prefix}.{part}" for part in "qkv"], states)
        queries, keys, values = (self._heads(joined, place) for place in range(3))
        scores = graph.add("MatMul", queries, keys)
        root = float(np.sqrt(self.weights.width / self.weights.heads))
        scaled = graph.add("Add", graph.add("Div", scores, graph.scalar(root)), bias)
        context = graph.add("MatMul", graph.add("Softmax", scaled, axis=-1), values)
        merged = graph.add(
            "Reshape",
            graph.add("Transpose", context, perm=[0, 2, 1, 3]),
            graph.integers(0, 0, self.weights.width),
        )
        attended = self._linear([f"{prefix}.ao"], merged)
        states = self._layer_norm(graph.add("Add", states, attended), f"{prefix}.aln")
        hidden = graph.add("Gelu", self._linear([f"{prefix}.fi"], states))
        forward = self._linear([f"{prefix}.fo"], hidden)
        return self._layer_norm(graph.add("Add", states, forward), f"{prefix}.oln")

    def _heads(self, joined: str, place: int) -> str:
        """Queries (0), keys (1) or values (2) out of all three side by side, by heads."""
        graph, width, heads = self.graph, self.weights.width, self.weights.heads
        first, end = graph.integers(place * width), graph.integers((place + 1) * width)
        part = graph.add("Slice", joined, first, end, graph.integers(2))
        split = graph.add("Reshape", part, graph.integers(0, 0, heads, width // heads))
        # Keys are laid out transposed, ready for the product with the queries.
        return graph.add("Transpose", split, perm=[0, 2, 3, 1] if place == 1 else [0, 2, 1, 3])

    def _linear(self, names: Sequence[str], states: str) -> str:
        """Linear layers of the same states, their outputs side by side."""
        graph, weights, name = self.graph, self.weights, "+".join(names)
        matrices = [weights.quantised[f"{one}.w"] for one in names]
        levels = np.concatenate([matrix.levels for matrix in matrices])
        scales = np.concatenate([matrix.scales for matrix in matrices])
        outputs, inputs = levels.shape
        return graph.microsoft(
            "MatMulNBits",
            states,
            graph.constant(f"{name}.w", _pack(levels).reshape(outputs, inputs // BLOCK, BLOCK // 2)),
            graph.constant(f"{name}.scales", scales.reshape(-1)),
            "",  # zero points: 8, as they are without
            "",
            graph.constant(f"{name}.b", np.concatenate([weights.floats[f"{one}.b"] for one in names])),
            K=inputs,
            N=outputs,
            bits=4,
            block_size=BLOCK,
            accuracy_level=self._accuracy_level,
        )

    def _layer_norm(self, states: str, name: str) -> str:
        graph, floats = self.graph, self.weights.floats
        return graph.add(
            "LayerNormalization",
            states,
            graph.constant(f"{name}.w", floats[f"{name}.w"]),
            graph.constant(f"{name}.b", floats[f"{name}.b"]),
            axis=-1,
            epsilon=self.weights.epsilon,
        )


def _pack(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two levels a byte, the even column in the low nibble: (rows, columns / 2)."""
    return levels[:, 0::2] | np.left_shift(levels[:, 1::2], np.uint8(4))
