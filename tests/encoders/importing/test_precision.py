"""Weights in fewer bits: smaller files, and vectors that are held against the model all the same."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from polyreel.encoders.build.graph import GraphWriter
from polyreel.encoders.importing import precision
from polyreel.encoders.importing.importer import import_model
from polyreel.encoders.importing.precision import reduce_precision
from polyreel.media.pictures import read_for_encoder


def table(rows: int, width: int) -> onnx.ModelProto:
    graph = GraphWriter("text")
    ids = graph.input("ids", TensorProto.INT64, ["batch", "tokens"])
    values = np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)
    words = graph.add("Gather", graph.constant("words", values), ids, axis=0)
    mean = graph.add("ReduceMean", words, graph.integers(1), keepdims=0)
    return graph.close(mean, "embeddings", ["batch", width])


def test_a_table_of_a_quarter_million_words_takes_less_than_120_mb(tmp_path):
    """A tenth of SigLIP 2's, 256,000 x 768."""
    path = tmp_path / "text.onnx"
    onnx.save(table(25_600, 768), path)
    reduce_precision(path, "int8")
    assert path.stat().st_size < 12_000_000
    assert "GatherBlockQuantized" in {node.op_type for node in onnx.load(path).graph.node}


@pytest.mark.parametrize("kind", ["fp16", "int8"])
def test_rows_of_a_table_stay_what_they_were(tmp_path, onnx_session, kind):
    path, whole = tmp_path / "text.onnx", table(5_000, 64)
    onnx.save(whole, path)
    reduce_precision(path, kind)
    assert path.stat().st_size < len(whole.SerializeToString()) * (0.6 if kind == "fp16" else 0.2)
    ids = {"ids": np.arange(40, dtype=np.int64)[:, None]}
    (before,) = onnx_session(whole.SerializeToString()).run(None, ids)
    (after,) = onnx_session(path.read_bytes()).run(None, ids)
    cosines = (before * after).sum(1) / np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)
    assert cosines.min() > 0.98


@pytest.mark.parametrize("kind", ["fp16", "int8"])
def test_a_bundle_of_fewer_bits_is_smaller_and_proved(hub_model, imported, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(precision, "_LEAST_ROWS", 256)
    card = import_model(
        hub_model("siglip2"), tmp_path / "out", name="a", as_decoded=read_for_encoder, precision=kind
    )
    assert card.origin.precision == kind
    assert card.origin.proof.texts >= (0.999 if kind == "fp16" else 0.97)
    assert card.identity != imported("siglip2").card.identity
    whole = (imported("siglip2").folder / "text.onnx").stat().st_size
    assert (tmp_path / "out" / "text.onnx").stat().st_size < 0.75 * whole


def test_auto_keeps_all_bits_and_says_why(imported):
    origin = imported("siglip2").card.origin
    assert origin.precision == "fp32"
    assert any("--precision int8" in remark for remark in origin.remarks)
