"""Sparse gradients are followed as dense ones are, where they are not zero."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from polyreel.training.optimiser import LazyAdamW, clip_gradients

SETTINGS = {"lr": 0.05, "weight_decay": 0.1}


def two_tables(rows=6):
    torch.manual_seed(0)
    sparse = nn.Embedding(rows, 4, sparse=True)
    dense = nn.Embedding(rows, 4)
    dense.load_state_dict(sparse.state_dict())
    return sparse, dense


def loss_of(table, at, step):
    return (table(at) * torch.arange(1.0, 5.0) + step).square().sum()


def test_where_every_row_is_seen_it_is_adamw():
    sparse, dense = two_tables()
    ours = LazyAdamW([*sparse.parameters()], **SETTINGS)
    theirs = torch.optim.AdamW([*dense.parameters()], **SETTINGS)
    at = torch.tensor([0, 1, 2, 3, 4, 5, 5, 0])
    for step in range(20):
        for table, optimiser in ((sparse, ours), (dense, theirs)):
            optimiser.zero_grad()
            loss_of(table, at, step).backward()
            optimiser.step()
    torch.testing.assert_close(sparse.weight, dense.weight, rtol=1e-5, atol=1e-6)


def test_rows_that_are_not_seen_stay_as_they_are():
    sparse, _ = two_tables()
    before = sparse.weight.detach().clone()
    optimiser = LazyAdamW([*sparse.parameters()], **SETTINGS)
    for step in range(3):
        optimiser.zero_grad()
        loss_of(sparse, torch.tensor([1, 4, 4]), step).backward()
        optimiser.step()
    changed = (sparse.weight != before).any(dim=1)
    assert changed.tolist() == [False, True, False, False, True, False]
    assert not optimiser.state[sparse.weight]["exp_avg"][[0, 2, 3, 5]].any()


def test_without_decay_it_is_sparse_adam():
    sparse, _ = two_tables()
    other = nn.Embedding(6, 4, sparse=True)
    other.load_state_dict(sparse.state_dict())
    ours = LazyAdamW([*sparse.parameters()], lr=0.05, weight_decay=0.0)
    theirs = torch.optim.SparseAdam([*other.parameters()], lr=0.05)
    for step in range(6):
        for table, optimiser in ((sparse, ours), (other, theirs)):
            optimiser.zero_grad()
            loss_of(table, torch.tensor([step % 6, 2, 2]), step).backward()
            optimiser.step()
    torch.testing.assert_close(sparse.weight, other.weight, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("limit", [None, 1.0, 1e6])
def test_clipping_treats_both_kinds_alike(limit):
    sparse, dense = two_tables()
    linear, same = nn.Linear(4, 1), nn.Linear(4, 1)
    same.load_state_dict(linear.state_dict())
    lengths = []
    for table, layer in ((sparse, linear), (dense, same)):
        layer(table(torch.tensor([0, 3, 3, 3]))).square().sum().backward()
        lengths.append(clip_gradients([*table.parameters(), *layer.parameters()], limit))
    torch.testing.assert_close(*lengths)
    torch.testing.assert_close(sparse.weight.grad.to_dense(), dense.weight.grad)
    torch.testing.assert_close(linear.weight.grad, same.weight.grad)
