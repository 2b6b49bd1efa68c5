"""What the text tower reads: masked views, pieces, and texts that are too long."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from polyreel.models.inputs import TextInputs, mask_frames


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tokens(lengths: list[int]) -> TextInputs:
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return TextInputs(ids=torch.arange(mask.numel()).view_as(mask), mask=mask, cut=mask[:, 0])


@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(0, 99))
def test_a_view_keeps_the_first_token_and_adds_none(lengths, seed):
    whole = tokens(lengths)
    view = whole.masked(0.5, seeded(seed))
    assert view.mask[:, 0].all()
    assert not (view.mask & ~whole.mask).any()
    assert torch.equal(view.ids, whole.ids)
    assert torch.equal(view.mask, whole.masked(0.5, seeded(seed)).mask)


def test_a_view_lacks_about_the_share_that_was_asked_for():
    mask = tokens([101] * 50).masked(0.2, seeded(0)).mask[:, 1:]
    assert 0.78 < mask.float().mean() < 0.82
    features = TextInputs(features=torch.ones(50, 100)).masked(0.2, seeded(0)).features
    assert 0.78 < features.mean() < 0.82
    frames = mask_frames(torch.ones(50, 100, dtype=torch.bool), 0.2, seeded(0))
    assert 0.78 < frames.float().mean() < 0.82


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(0, 99))
def test_a_view_of_a_video_keeps_a_frame(lengths, seed):
    mask = torch.arange(9) < torch.tensor(lengths)[:, None]
    view = mask_frames(mask, 0.95, seeded(seed))
    assert not (view & ~mask).any()
    assert torch.equal(view.any(dim=1), mask.any(dim=1))


def test_pieces_are_rows():
    whole = tokens([4, 2, 3])
    piece = whole.chunk(slice(1, 3))
    assert (len(whole), len(piece)) == (3, 2)
    assert torch.equal(piece.ids, whole.ids[1:])
    assert torch.equal(piece.mask, whole.mask[1:])
    kept = TextInputs(features=torch.ones(3, 2)).to("cpu").chunk(slice(0, 1))
    assert (len(kept), kept.ids) == (1, None)
