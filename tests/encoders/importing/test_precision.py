"""Weights in fewer bits: smaller files, and vectors that are held against the model all the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from polyreel import metrics
from polyreel.encoders.build.graph import GraphWriter
from polyreel.encoders.card import CARD_FILE, Measurement, read_card
from polyreel.encoders.importing import importer, precision
from polyreel.encoders.importing.importer import ALLOWED_FALL, import_model
from polyreel.encoders.importing.precision import reduce_precision
from polyreel.encoders.runtime import Bundle
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


def test_without_a_benchmark_auto_keeps_all_bits_and_says_why(imported):
    origin = imported("siglip2").card.origin
    assert origin.precision == "fp32"
    assert any("--precision int8" in remark for remark in origin.remarks)


def retrieval(whole: Bundle, texts: list[str]) -> Callable[[Bundle], Measurement]:
    """R@10 of texts that look for what a bundle of all bits makes of them, by the metrics of evaluation."""
    gallery = whole.encode_text(texts)

    def measure(bundle: Bundle) -> Measurement:
        size = len(texts)
        scores = bundle.encode_text(texts) @ gallery.T
        recall = {"r@10": 100 * metrics.recall_at(scores, [[place] for place in range(size)], k=10)}
        return Measurement(
            benchmark="itself", command="this test", gallery=size, queries=size, recall={"en": recall}
        )

    return measure


LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
# Two of 58 characters differ, by which vectors differ little more than by rounding; or all do.
ALIKE = [LETTERS + LETTERS[:20] + first + second for first in LETTERS for second in LETTERS][:300]
APART = [letter * 7 for letter in LETTERS]


@pytest.mark.parametrize(("texts", "chosen"), [(APART, "int8"), (ALIKE, "fp16")])
def test_auto_takes_the_fewest_bits_that_retrieval_does_not_miss(
    hub_model, imported, tmp_path, monkeypatch, texts, chosen
):
    monkeypatch.setattr(precision, "_LEAST_ROWS", 256)
    measure = retrieval(imported("siglip2"), texts)
    out = tmp_path / "out"
    card = import_model(hub_model("siglip2"), out, name="a", as_decoded=read_for_encoder, measure=measure)
    assert card.origin.precision == chosen
    (measured,) = card.measured
    assert measured.recall["en"]["r@10"] >= 100 - ALLOWED_FALL
    assert card.origin.remarks[-1].startswith(f"Weights in {chosen}, chosen by R@10 on itself")
    assert "int8: R@10" in card.origin.remarks[-1]
    assert read_card(out) == card
    Bundle(out).verify()
    assert sorted(path.name for path in out.iterdir()) == sorted([*card.files, CARD_FILE])


def test_auto_keeps_all_bits_where_fewer_do_not_agree_with_the_model(
    hub_model, imported, tmp_path, monkeypatch
):
    monkeypatch.setattr(importer, "LEAST_COSINE", {"fp32": 0.999, "fp16": 1.1, "int8": 1.1})
    out, measure = tmp_path / "out", retrieval(imported("siglip2"), APART)
    card = import_model(hub_model("siglip2"), out, name="a", as_decoded=read_for_encoder, measure=measure)
    assert card.origin.precision == "fp32"
    assert "int8: cosine" in card.origin.remarks[-1]
    assert "fp16: cosine" in card.origin.remarks[-1]
    Bundle(out).verify()
    assert sorted(path.name for path in out.iterdir()) == sorted([*card.files, CARD_FILE])


def test_a_benchmark_that_cannot_be_had_stops_no_import(hub_model, tmp_path):
    asked = []
    card = import_model(
        hub_model("siglip2"),
        tmp_path / "out",
        name="a",
        as_decoded=read_for_encoder,
        measure=lambda bundle: asked.append(bundle.card.name),
    )
    assert asked == ["a"]
    assert card.measured == ()
    assert card.origin.precision == "fp32"
    assert "--precision int8" in card.origin.remarks[-1]
