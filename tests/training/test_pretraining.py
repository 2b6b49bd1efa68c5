"""Masked language modelling of the encoder that starts from random weights."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import toys
from polyreel.errors import UsageError
from polyreel.models.specs import ModelSpec, ScratchSpec, TextTowerSpec
from polyreel.models.towers import build_model
from polyreel.training.pretraining import pretrain

SIZE = {"width": 16, "layers": 1, "heads": 2, "positions": 16, "vocabulary": 16_000}
SPEC = TextTowerSpec(encoder="scratch", scratch=ScratchSpec.model_validate(SIZE))
STEPS = 60


@pytest.fixture(scope="module")
def texts() -> dict[str, list[str]]:
    rng = np.random.default_rng(0)
    return {tag: [toys.sentence(rng) for _ in range(40)] for tag in ("en", "sw")}


@pytest.fixture(scope="module")
def trained(
    texts: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[float]]:
    out, losses = tmp_path_factory.mktemp("pretrained") / "weights.safetensors", []
    pretrain(SPEC, texts, out, steps=STEPS, lr=0.03, on_progress=lambda *facts: losses.append(facts[-1]))
    return out, losses


def starting_from(path: Path, **changes: int) -> ModelSpec:
    scratch = ScratchSpec.model_validate(SIZE | changes | {"weights": str(path)})
    return ModelSpec(text=SPEC.model_copy(update={"scratch": scratch}), video=None)


def test_words_are_guessed_better_than_by_their_frequency(trained, texts):
    _, losses = trained
    assert len(losses) == STEPS
    # Before the first step every piece is about as likely; toy sentences hold a few words.
    assert losses[0] == pytest.approx(np.log(16_000), abs=0.5)
    words = [word for group in texts.values() for text in group for word in text.split()]
    _, counts = np.unique(words, return_counts=True)
    shares = counts / counts.sum()
    assert np.mean(losses[-10:]) < -(shares * np.log(shares)).sum() + 1


def test_a_tower_begins_with_the_weights(trained):
    path, _ = trained
    tower = build_model(starting_from(path)).text
    random = build_model(ModelSpec(text=SPEC, video=None)).text
    inputs = tower.prepare(["a dog runs", "the cat sleeps"])
    assert torch.equal(tower.pooled(inputs), build_model(starting_from(path)).text.pooled(inputs))
    assert not torch.allclose(tower.pooled(inputs), random.pooled(inputs), atol=1e-3)


def test_the_same_seed_gives_the_same_weights(texts, tmp_path):
    files = [tmp_path / "one", tmp_path / "two", tmp_path / "three"]
    for path, seed in zip(files, (5, 5, 6), strict=True):
        pretrain(SPEC, texts, path, steps=3, batch_size=6, seed=seed)
    first, same, other = (path.read_bytes() for path in files)
    assert first == same
    assert first != other


def test_a_language_without_text_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"no text to pretrain an encoder on.*de"):
        pretrain(SPEC, {"en": ["a dog"], "de": []}, tmp_path / "weights", steps=1)
    assert not list(tmp_path.iterdir())


def test_weights_that_do_not_fit_or_are_not_there_are_named(trained, tmp_path):
    path, _ = trained
    with pytest.raises(UsageError, match=r"another size.*" + re.escape(str(path))):
        build_model(starting_from(path, width=32))
    with pytest.raises(UsageError, match=r"cannot be read.*gone"):
        build_model(starting_from(tmp_path / "gone"))
    damaged = tmp_path / "damaged"
    damaged.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UsageError, match=r"cannot be read.*damaged"):
        build_model(starting_from(damaged))
