"""Token states of a ready text graph -> vectors, in the graph itself: pooling and dense layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polyreel.encoders.importing.sentence_modules import SentenceModules
from polyreel.errors import BundleError

if TYPE_CHECKING:
    import onnx

__all__ = ["pool_states"]

_STATES = ("last_hidden_state", "token_embeddings")
# Up to this version of the operators, a sum has its axes as an attribute.
_AXES_INSIDE = 12


def pool_states(model: onnx.ModelProto, name: str, behind: SentenceModules) -> str:
    """Add pooling and dense layers to a graph, which has to take ``mask``, (texts, tokens) int64.

    Args:
        model: changed in place; its outputs are replaced by one.
        name: of its file, for messages.
        behind: what is added.

    Returns:
        Name of the output, (texts, dim) float32.

    Raises:
        BundleError: the graph gives no states of tokens.
    """
    from onnx import TensorProto, helper, numpy_helper

    own = model.graph
    states = next((value.name for value in own.output if value.name in _STATES), None)
    if states is None:
        raise BundleError(
            "a ready graph does not give the states of tokens",
            item=name,
            value=", ".join(value.name for value in own.output),
            remedy=f"One of {', '.join(_STATES)} is wanted: pooling and dense layers come behind it",
        )
    old = next((each.version for each in model.opset_import if not each.domain), 1) <= _AXES_INSIDE
    made = 0

    def add(kind: str, *inputs: str, **attributes: Any) -> str:
        nonlocal made
        made += 1
        output = f"polyreel.pooled.{made}"
        own.node.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(value: object, kind: type[np.generic]) -> str:
        nonlocal made
        made += 1
        array = np.asarray(value, kind)
        own.initializer.append(numpy_helper.from_array(array, f"polyreel.weight.{made}"))
        return f"polyreel.weight.{made}"

    def over_tokens(given: str) -> str:
        if old:
            return add("ReduceSum", given, axes=[1], keepdims=0)
        return add("ReduceSum", given, constant([1], np.int64), keepdims=0)

    vectors = add("Cast", states, to=TensorProto.FLOAT)
    if behind.first_token:
        vectors = add("Gather", vectors, constant(0, np.int64), axis=1)
    else:
        counted = add("Cast", "mask", to=TensorProto.FLOAT)
        counted = add("Reshape", counted, constant([0, -1, 1], np.int64))
        vectors = add("Div", over_tokens(add("Mul", vectors, counted)), over_tokens(counted))
    for layer in behind.dense:
        vectors = add("MatMul", vectors, constant(layer.weight.T, np.float32))
        if layer.bias is not None:
            vectors = add("Add", vectors, constant(layer.bias, np.float32))
        if layer.activation == "Tanh":
            vectors = add("Tanh", vectors)
    width = len(behind.dense[-1].weight) if behind.dense else "dim"
    del own.output[:]
    own.output.append(helper.make_tensor_value_info(vectors, TensorProto.FLOAT, ["rows", width]))
    return vectors
