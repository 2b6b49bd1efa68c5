"""What the text tower reads, in parts."""

from __future__ import annotations

import torch

from polyreel.models.inputs import TextInputs


def test_parts_are_rows_padded_to_their_longest():
    mask = torch.arange(4) < torch.tensor([4, 2, 3])[:, None]
    whole = TextInputs(ids=torch.arange(12).view(3, 4), mask=mask, cut=mask[:, 3])
    part = whole.some(torch.tensor([1, 2]))
    assert (len(whole), len(part)) == (3, 2)
    assert torch.equal(part.ids, whole.ids[1:, :3])
    assert torch.equal(part.mask, whole.mask[1:, :3])
    assert torch.equal(part.cut, whole.cut[1:])
    kept = TextInputs(features=torch.ones(3, 2)).to("cpu").some(torch.tensor([0]))
    assert (len(kept), kept.ids) == (1, None)
