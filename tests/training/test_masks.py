"""Masked views of texts and of frames."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from hypothesis import given
from hypothesis import strategies as st

from polyreel.models.inputs import TextInputs
from polyreel.training.encoding import MaskedInputs, masked_frames, masked_texts


def keys(count: int, seed: int) -> torch.Tensor:
    return torch.arange(count) + 1_000 * seed


def tokens(lengths: list[int]) -> TextInputs:
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return TextInputs(ids=torch.arange(mask.numel()).view_as(mask), mask=mask, cut=mask[:, 0])


@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(0, 99))
def test_a_view_keeps_the_first_token_and_adds_none(lengths, seed):
    whole = tokens(lengths)
    view = masked_texts(whole, keys(len(lengths), seed), 0.5)
    assert view.mask[:, 0].all()
    assert not (view.mask & ~whole.mask).any()
    assert torch.equal(view.ids, whole.ids)
    assert torch.equal(view.mask, masked_texts(whole, keys(len(lengths), seed), 0.5).mask)


def test_a_view_lacks_about_the_share_that_was_asked_for():
    mask = masked_texts(tokens([101] * 50), keys(50, 0), 0.2).mask[:, 1:]
    assert 0.78 < mask.float().mean() < 0.82
    features = masked_texts(TextInputs(features=torch.ones(50, 100)), keys(50, 0), 0.2).features
    assert 0.78 < features.mean() < 0.82
    frames = masked_frames(torch.ones(50, 100, dtype=torch.bool), keys(50, 0), 0.2)
    assert 0.78 < frames.float().mean() < 0.82


def test_views_that_lost_nothing_are_known():
    """An item with one picture keeps it; a text of one token keeps that."""
    batch = SimpleNamespace(
        items=("a", "b", "c"),
        frame_mask=torch.arange(40) < torch.tensor([[1], [40], [0]]),
        item_key=keys(3, 0),
        text_key=keys(2, 0),
    )
    masked = MaskedInputs.of(batch, tokens([1, 60]), 0.5)
    assert masked.text_changed.tolist() == [False, True]
    assert masked.video_changed.tolist() == [False, True, False]
    assert masked.frames.sum(dim=1).tolist()[::2] == [1, 0]
    features = MaskedInputs.of(batch, TextInputs(features=torch.ones(2, 50)), 0.5)
    assert features.text_changed.tolist() == [True, True]
    batch.frame_mask = None
    assert MaskedInputs.of(batch, tokens([1, 60]), 0.5).video_changed.tolist() == [False] * 3


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(0, 99))
def test_a_view_of_a_video_keeps_a_frame(lengths, seed):
    mask = torch.arange(9) < torch.tensor(lengths)[:, None]
    view = masked_frames(mask, keys(len(lengths), seed), 0.95)
    assert not (view & ~mask).any()
    assert torch.equal(view.any(dim=1), mask.any(dim=1))
