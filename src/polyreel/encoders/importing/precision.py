"""Weights in fewer bits: matrices in 8, tables of words in 4 and the rest as it was; or all in 16."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import onnx

__all__ = ["LEAST_COSINE", "reduce_precision"]

LEAST_COSINE = {"fp32": 0.999, "fp16": 0.999, "int8": 0.97}
"""What the smallest cosine to the model may be, by precision of the weights."""

# Smaller tables, such as positions, are little of a model, and small matrices save nothing.
_LEAST_ROWS = 4_096
_LEAST_HALVED = 1_024
_PRODUCT_BLOCK, _TABLE_BLOCK = 32, 64


def reduce_precision(path: Path, precision: Literal["fp32", "fp16", "int8"]) -> None:
    """Rewrite a graph with weights of another precision; what is computed with them stays in 32 bits.

    Args:
        path: The graph; weights that lie beside it are rewritten with it.
        precision: ``int8`` keeps matrices in 8 bits a weight and large tables of words in 4, by blocks with a
            scale each; ``fp16`` keeps all in 16 bits; ``fp32`` changes nothing.
    """
    if precision == "fp32":
        return
    import onnx

    model = onnx.load(path)
    model = _halved(model) if precision == "fp16" else _in_blocks(model)
    # Without this, what lay beside the old graph would stay there, and be taken for a part of the new one.
    path.with_name(f"{path.name}.data").unlink(missing_ok=True)
    onnx.save(
        model,
        path,
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=f"{path.name}.data",
        size_threshold=100 << 20,
    )


def _in_blocks(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnxruntime.quantization.matmul_nbits_quantizer import (
        DefaultWeightOnlyQuantConfig,
        MatMulNBitsQuantizer,
    )

    rows = {part.name: part.dims[0] for part in model.graph.initializer if len(part.dims) == 2}
    small = [
        node.name
        for node in model.graph.node
        if node.op_type == "Gather" and rows.get(node.input[0], 0) < _LEAST_ROWS
    ]
    for bits, block, kind in ((8, _PRODUCT_BLOCK, "MatMul"), (4, _TABLE_BLOCK, "Gather")):
        config = DefaultWeightOnlyQuantConfig(
            block_size=block,
            is_symmetric=True,
            bits=bits,
            op_types_to_quantize=(kind,),
            quant_axes=((kind, 0 if kind == "MatMul" else 1),),
        )
        with _silently():
            quantizer = MatMulNBitsQuantizer(model, nodes_to_exclude=small, algo_config=config)
            quantizer.process()
        model = quantizer.model.model
    return model


def _halved(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for part in model.graph.initializer:
        if part.data_type != TensorProto.FLOAT or np.prod(part.dims) < _LEAST_HALVED:
            continue
        name, limit = part.name, np.finfo(np.float16).max
        values = numpy_helper.to_array(part).clip(-limit, limit).astype(np.float16)
        part.CopyFrom(numpy_helper.from_array(values, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


@contextmanager
def _silently() -> Iterator[None]:
    """The quantiser logs each node that it looks at."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
