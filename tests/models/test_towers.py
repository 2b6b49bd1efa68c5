"""Whole models: built from their specification, mixed with the prior, saved without what is frozen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from polyreel.encoders.build.language_neutral import LanguageNeutralProjection
from polyreel.encoders.build.semantic_pooling import SemanticPooling
from polyreel.errors import UsageError
from polyreel.models.heads import build_head
from polyreel.models.specs import (
    AdapterSpec,
    ModelSpec,
    PoolingSpec,
    TextTowerSpec,
    VideoTowerSpec,
)
from polyreel.models.towers import TwoTowers, WithPrior, build_model

FEATURES, DIM = 12, 16
SMALL = PoolingSpec(layers=1, heads=2, width=8)


@pytest.fixture(scope="module")
def semantic() -> SemanticPooling:
    generator = np.random.default_rng(0)
    sizes = ((FEATURES, 7), (7,), (7, DIM))
    return SemanticPooling(*(generator.normal(size=size).astype(np.float32) for size in sizes))


def towers(encoder, *, text=None, video=None, semantic=None, **fields) -> TwoTowers:
    torch.manual_seed(0)
    video = VideoTowerSpec(features=FEATURES, pooler=SMALL, **(video or {}))
    text = TextTowerSpec(encoder=str(encoder), **(text or {}))
    return build_model(ModelSpec(text=text, video=video, dim=DIM, **fields), semantic=semantic)


def frames(*lengths: int):
    torch.manual_seed(5)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return torch.randn(*mask.shape, FEATURES), mask


@pytest.mark.parametrize("pooling", ["mean", "transformer", "semantic"])
@pytest.mark.parametrize("head", ["linear", "residual-mlp"])
def test_vectors_have_length_one_and_every_learnt_part_a_gradient(tiny_bert, semantic, pooling, head):
    model = towers(tiny_bert, video={"pooling": pooling, "head": head}, semantic=semantic)
    video = model.encode_video(*frames(3, 1, 4))
    text = model.encode_text(model.text.prepare(["a dog", "ein hund läuft"]))
    for vectors in (video, text):
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)))
    (video[:, 0].sum() + text[:, 0].sum()).backward()
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert all(parameter.grad is not None for parameter in trained.values())
    assert all(parameter.grad.isfinite().all() for parameter in trained.values())
    assert not any(name.startswith("text.encoder") for name in trained)


@pytest.mark.parametrize("branch", ["mean", "transformer"])
@pytest.mark.parametrize("head", ["linear", "residual-mlp"])
def test_semantic_pooling_starts_as_the_training_free_tower(tiny_bert, semantic, branch, head):
    model = towers(
        tiny_bert, video={"pooling": "semantic", "branch": branch, "head": head}, semantic=semantic
    )
    batch = frames(3, 1, 4)
    torch.testing.assert_close(model.encode_video(*batch), model.video.prior(*batch))


def test_a_training_free_tower_of_other_widths_is_refused(tiny_bert, semantic):
    with pytest.raises(UsageError, match=r"12 -> 16, wanted 12 -> 8.*Set 'features: 12' and 'dim: 16'"):
        build_model(
            ModelSpec(
                text=TextTowerSpec(encoder=str(tiny_bert)),
                video=VideoTowerSpec(features=FEATURES, pooling="semantic"),
                dim=8,
            ),
            semantic=semantic,
        )


def test_an_item_without_frames_does_no_harm(tiny_bert, semantic):
    for pooling in ("mean", "transformer", "semantic"):
        model = towers(tiny_bert, video={"pooling": pooling}, semantic=semantic)
        batch, mask = frames(3, 2)
        mask[1] = False
        vectors = model.encode_video(batch, mask)
        vectors[0, 0].backward()
        assert vectors.isfinite().all()
        assert all(p.grad.isfinite().all() for p in model.video.parameters() if p.grad is not None)


def test_a_residual_head_starts_as_what_it_adds_to():
    vectors = torch.randn(3, DIM)
    torch.testing.assert_close(build_head("residual-mlp", DIM, DIM, width=5)(vectors), vectors)
    widened = build_head("residual-mlp", DIM, 20, width=5)
    torch.testing.assert_close(widened(vectors), widened.skip(vectors))


def test_no_head_needs_equal_widths(tiny_bert):
    with pytest.raises(UsageError, match=r"\(12 against dim 16\).*head 'linear'"):
        towers(tiny_bert, video={"pooling": "mean", "head": "none"})


def test_cosines_with_a_prior_are_a_weighted_mean():
    torch.manual_seed(0)
    prior, learnt = (torch.nn.functional.normalize(torch.randn(4, dim)) for dim in (5, 3))
    both = WithPrior(0.3)(prior, learnt)
    torch.testing.assert_close(both @ both.T, 0.7 * prior @ prior.T + 0.3 * learnt @ learnt.T)


def test_the_temperature_is_fixed_or_learnt_and_never_too_low(tiny_bert):
    fixed = towers(tiny_bert, temperature=0.07)
    assert fixed.temperature.item() == pytest.approx(0.07)
    assert not fixed.log_temperature.requires_grad
    learnt = towers(tiny_bert, learn_temperature=True)
    learnt.temperature.backward()
    assert learnt.log_temperature.grad.item() == pytest.approx(0.1)
    with torch.no_grad():
        learnt.log_temperature.fill_(-20.0)
    assert learnt.temperature.item() == pytest.approx(0.01)


def test_a_text_only_model_has_no_videos(tiny_bert):
    model = build_model(ModelSpec(text=TextTowerSpec(encoder=str(tiny_bert)), video=None))
    assert model.embed_text(model.text.prepare(["a dog"])).shape == (1, 384)
    with pytest.raises(UsageError, match="no video tower"):
        model.encode_video(*frames(2))


@pytest.mark.parametrize(
    "text", [{"language_free": True}, {"frozen_below": 3}, {"adapters": AdapterSpec(rank=2)}]
)
def test_the_own_state_brings_a_model_back(tiny_bert, semantic, text):
    space = LanguageNeutralProjection(np.full(DIM, 0.01, np.float32), np.eye(DIM, dtype=np.float32))
    model = towers(tiny_bert, text=text, video={"pooling": "semantic"}, semantic=semantic)
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter)
    if model.text.free is not None:
        model.text.free.put(space)
    state = model.own_state()
    frozen = {name for name, p in model.text.encoder.named_parameters() if not p.requires_grad}
    assert not {f"text.encoder.{name}" for name in frozen} & state.keys()
    assert len({tensor.data_ptr() for tensor in state.values()}) == len(state)
    again = towers(tiny_bert, text=text, video={"pooling": "semantic"}, semantic=semantic)
    again.load_own_state(state)
    inputs, batch = model.text.prepare(["a dog", "ein hund"]), frames(3, 2)
    torch.testing.assert_close(again.encode_text(inputs), model.encode_text(inputs), rtol=0, atol=0)
    torch.testing.assert_close(again.encode_video(*batch), model.encode_video(*batch), rtol=0, atol=0)
    with pytest.raises(UsageError, match=r"another specification.*\d+ tensors differ"):
        towers(tiny_bert, text={"head": "residual-mlp"}).load_own_state(state)


def test_learnt_arrays_rebuild_the_heads(tiny_bert, semantic):
    model = towers(
        tiny_bert,
        text={"head": "residual-mlp"},
        video={"pooling": "semantic", "head": "linear"},
        semantic=semantic,
    )
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter)
    inputs, batch = model.text.prepare(["a dog", "ein hund"]), frames(3, 2)
    pooled, learnt = model.text.pooled(inputs), model.text.trained_arrays()
    hidden = pooled @ torch.tensor(learnt["head.hidden.weight"]).T + torch.tensor(learnt["head.hidden.bias"])
    added = torch.nn.functional.gelu(hidden) @ torch.tensor(learnt["head.out.weight"]).T
    text = pooled + added + torch.tensor(learnt["head.out.bias"])
    torch.testing.assert_close(model.text(inputs), text, rtol=1e-4, atol=1e-4)
    learnt = model.video.trained_arrays()
    mean = torch.stack([item[keep].mean(0) for item, keep in zip(*batch, strict=True)])
    mean = mean / mean.norm(dim=1, keepdim=True)
    video = mean @ torch.tensor(learnt["head.weight"]).T + torch.tensor(learnt["head.bias"])
    torch.testing.assert_close(model.video(*batch), video + model.video.prior(*batch), rtol=1e-4, atol=1e-4)
