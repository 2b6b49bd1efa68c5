"""Checkpoints become bundles that agree with their models."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest

import tiny_encoders
from polyreel.cli.app import main
from polyreel.encoders.build.trained_heads import TrainedHeads, read_trained_heads, write_trained_heads
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.errors import BundleError, FetchError, UsageError
from polyreel.models import encoders
from polyreel.training.checkpoints import load_checkpoint
from polyreel.training.exporting import export_checkpoint
from polyreel.training.recipe import Recipe
from polyreel.training.run import train

SMOKE = {
    "run": "tiny",
    "languages": ["en", "de", "sw"],
    "data": [{"corpus": "shapes"}],
    "objectives": [{"name": "inter_modal"}],
    "batch": {"batch_size": 16, "captions": 1},
    "optimiser": {"lr": 0.01, "steps": 2},
    "device": "cpu",
}
POOLER = {"layers": 1, "heads": 2, "width": 16}
ON_DEFAULT = {
    "text": {"encoder": "e5-small", "language_free": True, "head": "residual-mlp", "head_width": 8},
    "video": {
        "features": 2560,
        "pooling": "semantic",
        "branch": "mean",
        "power": 0.5,
        "head": "residual-mlp",
        "head_width": 8,
    },
    "dim": 384,
    "prior_weight": 0.3,
}
LINEAR = {
    "text": {"encoder": "e5-small", "language_free": True, "head": "linear"},
    "video": {"pooling": "mean", "head": "linear"},
    "dim": 24,
}
TRACED = {
    "text": {
        "frozen_below": 2,
        "pooling": "transformer",
        "pooler": POOLER,
    },
    "video": {"pooling": "transformer", "time_encoding": "sinusoidal", "pooler": POOLER},
    "dim": 12,
}


@pytest.fixture(scope="module")
def real_cache() -> None:
    """Weights are not fetched anew, and the default bundle is the built one."""
    try:
        locate_bundle()
    except FetchError as error:
        pytest.skip(f"the default bundle cannot be built: {error}")


@pytest.mark.parametrize(
    ("model", "dim"),
    [
        pytest.param(ON_DEFAULT, 768, id="residual heads beside the prior"),
        pytest.param(LINEAR, 24, id="linear heads alone", marks=pytest.mark.slow),
        pytest.param(TRACED, 12, id="an encoder of another folder, traced", marks=pytest.mark.slow),
    ],
)
def test_a_bundle_agrees_with_its_checkpoint(real_cache, tmp_path, capsys, monkeypatch, model, dim):
    # Training, the export and this test build the model, each from what takes a second to read.
    monkeypatch.setattr(encoders, "load_e5", functools.cache(encoders.load_e5))
    run = tmp_path / "run"
    if model is TRACED:
        # It reads the longest probe whole: a model cuts what is longer, a bundle reads on in windows.
        folder = tiny_encoders.save_bert(tmp_path / "bert", positions=32)
        model = model | {"text": model["text"] | {"encoder": str(folder)}}
    train(Recipe.model_validate(SMOKE | {"model": model}), out=run)
    assert main(["export", str(run), "--out", str(tmp_path / "bundle"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert max(told["cosine_distance"].values()) < 1e-3
    bundle = Bundle(tmp_path / "bundle")
    assert bundle.card.dim == told["dim"] == dim
    assert "recipe tiny" in bundle.card.training
    assert any(licence.part == "trained on shapes" for licence in bundle.card.licences)
    bundle.verify()
    texts = ["a dog runs on the beach", "ein Hund läuft unter einem gelben Dreieck", "duara jekundu"]
    tower = load_checkpoint(run).build_model()
    for row, text in zip(bundle.encode_text(texts), texts, strict=True):
        own = tower.embed_text(tower.text.prepare([text])).detach().numpy()[0]
        assert row @ own > 0.999
    # Texts longer than the model reads are read in windows, not cut.
    long = "the dog runs " * 200
    assert not np.allclose(*bundle.encode_text([long + "on a beach", long]), atol=1e-5)


def test_what_cannot_become_a_bundle_is_said_so(world, tmp_path):
    text_only = world.recipe(
        model=world.document()["model"] | {"video": None},
        data=[{"corpus": "texts", "languages": ["en", "de"]}],
        languages=["en", "de"],
        objectives=[{"name": "text_contrastive"}],
        optimiser={"steps": 1},
    )
    train(text_only, out=tmp_path / "texts", data=world.home)
    with pytest.raises(UsageError, match="no video tower"):
        export_checkpoint(tmp_path / "texts", tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_learnt_arrays_survive_their_file(tmp_path):
    rng = np.random.default_rng(0)
    text = {"head.weight": rng.normal(size=(3, 4)).astype(np.float32), "head.bias": np.zeros(3, np.float32)}
    learnt = TrainedHeads(text, {"head.weight": np.ones((3, 5), np.float32)}, 0.25, starts_semantic=True)
    write_trained_heads(tmp_path / "learnt.npz", learnt)
    again = read_trained_heads(tmp_path / "learnt.npz")
    assert (again.prior_weight, again.starts_semantic, again.dim) == (0.25, True, 3)
    assert again.digest == learnt.digest
    np.testing.assert_allclose(again.text["head.weight"], text["head.weight"], atol=1e-3)
    (tmp_path / "learnt.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(BundleError, match="cannot be read"):
        read_trained_heads(tmp_path / "learnt.npz")
