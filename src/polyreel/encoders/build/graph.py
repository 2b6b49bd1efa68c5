"""A small writer of ONNX graphs: every call adds one node and returns the name of its output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

__all__ = ["GraphWriter"]

_OPSET = 20
_MICROSOFT = "com.microsoft"
_IR_VERSION = 10


class GraphWriter:
    """Collects nodes and constants, then closes into a checked model.

    Args:
        name: name of the graph.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, dtype: int, shape: Iterable[str | int]) -> str:
        """Declare a graph input.

        Args:
            name: Name of the input.
            dtype: One of ``onnx.TensorProto``'s types.
            shape: Size of each axis; a string names a dynamic one.

        Returns:
            ``name``, to be an input of nodes.
        """
        self._inputs.append(helper.make_tensor_value_info(name, dtype, list(shape)))
        return name

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        """Add a named constant."""
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def raw_constant(self, name: str, dtype: int, shape: Iterable[int], raw: bytes) -> str:
        """Add a constant of a type that numpy does not have, such as packed 4-bit integers.

        Args:
            name: Name of the constant.
            dtype: One of ``onnx.TensorProto``'s types.
            shape: Size of each axis.
            raw: The values, as ONNX packs them.

        Returns:
            ``name``, to be an input of nodes.
        """
        self._constants[name] = helper.make_tensor(name, dtype, list(shape), raw, raw=True)
        return name

    def integers(self, *values: int) -> str:
        """An int64 vector as a shared constant."""
        return self.constant("i64_" + "_".join(map(str, values)), np.array(values, np.int64))

    def scalar(self, value: float) -> str:
        """A float32 scalar as a shared constant."""
        return self.constant(f"f32_{value!r}", np.array(value, np.float32))

    def add(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add one node of type ``op`` and return its first output."""
        output = f"{op}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, list(inputs), [output], domain=domain, **attributes))
        return output

    def microsoft(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add one node of ONNX Runtime's own operator set."""
        return self.add(op, *inputs, domain=_MICROSOFT, **attributes)

    def l2_normalise(self, rows: str) -> str:
        """Scale each row to length 1; a zero row stays zero."""
        length = self.add("ReduceL2", rows, self.integers(-1), keepdims=1)
        return self.add("Div", rows, self.add("Max", length, self.scalar(1e-12)))

    def close(
        self, output: str, name: str, shape: Iterable[str | int], *, metadata: Mapping[str, str] | None = None
    ) -> onnx.ModelProto:
        """The finished model, checked.

        Args:
            output: Output of the node whose float32 values the model returns.
            name: Name that the model's output gets.
            shape: Size of each axis of it; a string names a dynamic one.
            metadata: Properties of the model.
        """
        self._nodes.append(helper.make_node("Identity", [output], [name]))
        graph = helper.make_graph(
            self._nodes,
            self._name,
            self._inputs,
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))],
            list(self._constants.values()),
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_MICROSOFT, 1)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="polyreel"
        )
        helper.set_model_props(model, dict(metadata or {}))
        onnx.checker.check_model(model)
        return model
