"""The trained parts as nodes of a graph."""

from __future__ import annotations

from typing import Literal

import numpy as np

from polyreel.encoders.build.graph import GraphWriter
from polyreel.encoders.build.trained_heads import Arrays
from polyreel.errors import BundleError

__all__ = ["add_head", "beside_prior"]

_HEADS = (
    {"head.weight", "head.bias"},
    {"head.hidden.weight", "head.hidden.bias", "head.out.weight", "head.out.bias"},
)


def add_head(
    graph: GraphWriter, vectors: str, arrays: Arrays, *, skip: Literal["given", "none"] = "given"
) -> str:
    """Nodes of the head in ``arrays`` behind ``vectors`` (rows, inputs); the output is not normalised.

    Args:
        graph: that is written.
        vectors: of length 1.
        arrays: of the tower.
        skip: "none" for the perceptron of a branch, which is added to something else.

    Raises:
        BundleError: there is no head of a known kind.
    """
    names = {name for name in arrays if name.startswith("head.") and not name.startswith("head.skip.")}
    if names == _HEADS[0]:
        return _linear(graph, vectors, arrays, "head")
    if names != _HEADS[1]:
        raise BundleError("a tower has no head of a known kind", value=", ".join(sorted(names)) or "none")
    hidden = graph.add("Gelu", _linear(graph, vectors, arrays, "head.hidden"))
    added = _linear(graph, hidden, arrays, "head.out")
    if skip == "none":
        return added
    if "head.skip.weight" in arrays:
        weight = graph.constant("head.skip.weight", arrays["head.skip.weight"].T.astype(np.float32))
        vectors = graph.add("MatMul", vectors, weight)
    return graph.add("Add", vectors, added)


def beside_prior(graph: GraphWriter, prior: str, trained: str, *, weight: float) -> str:
    """``[sqrt(1 - w) prior, sqrt(w) trained]``: the cosine of two rows is the weighted mean of theirs.

    Args:
        graph: Graph that is being written.
        prior: Unit rows of the encoder without training, (batch, dim).
        trained: Unit rows of the trained head, (batch, other dim).
        weight: w, 0 to 1; at 1 the rows are ``trained`` alone.

    Returns:
        The rows, (batch, dim + other dim), of length 1.
    """
    if weight == 1:
        return trained
    scaled = [
        graph.add("Mul", prior, graph.scalar(float(np.sqrt(1 - weight)))),
        graph.add("Mul", trained, graph.scalar(float(np.sqrt(weight)))),
    ]
    return graph.add("Concat", *scaled, axis=-1)


def _linear(graph: GraphWriter, vectors: str, arrays: Arrays, name: str) -> str:
    product = graph.add(
        "MatMul", vectors, graph.constant(f"{name}.weight", arrays[f"{name}.weight"].T.astype(np.float32))
    )
    return graph.add("Add", product, graph.constant(f"{name}.bias", arrays[f"{name}.bias"]))
