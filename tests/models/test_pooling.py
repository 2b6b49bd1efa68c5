"""Pooling against plain arithmetic, and what it must not depend on."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from polyreel.encoders.build.semantic_pooling import SemanticPooling
from polyreel.models.layers import TransformerLayer
from polyreel.models.pooling import ConseTower, TransformerPooling, build_pooling, sinusoids
from polyreel.models.specs import PoolingSpec
from shape_checks import SHAPES_ARE_CHECKED

SPEC = PoolingSpec(layers=2, heads=4, width=32)


def states_and_mask(lengths=(3, 5, 1), *, width=8, steps=None):
    torch.manual_seed(0)
    steps = steps or max(lengths)
    mask = torch.arange(steps) < torch.tensor(lengths)[:, None]
    return torch.randn(len(lengths), steps, width).double(), mask


@pytest.fixture(params=["mean", "transformer", "transformer with time"])
def pooling(request):
    torch.manual_seed(1)
    kind, _, time = request.param.partition(" with ")
    return build_pooling(kind, 8, SPEC, time=bool(time)).double()


def test_padding_changes_nothing_whatever_it_holds(pooling):
    states, mask = states_and_mask()
    pooled = pooling(states, mask)
    longer, longer_mask = torch.full((3, 9, 8), 7.0).double(), torch.zeros(3, 9, dtype=torch.bool)
    longer[:, :5], longer_mask[:, :5] = states, mask
    longer[~longer_mask] = 1e3
    torch.testing.assert_close(pooling(longer, longer_mask), pooled)
    alone = pooling(states[:1, :3], mask[:1, :3])
    torch.testing.assert_close(alone, pooled[:1])


@pytest.mark.parametrize("time", [False, True])
def test_order_counts_only_with_time(time):
    torch.manual_seed(1)
    pooling = TransformerPooling(8, SPEC, time=time).double()
    states, mask = states_and_mask((5, 5))
    moved = pooling(states[:, [3, 0, 4, 1, 2]], mask)
    assert torch.allclose(moved, pooling(states, mask)) != time


def test_a_row_without_steps_is_zero_and_leaves_gradients_finite(pooling):
    states, mask = states_and_mask((2, 0))
    pooled = pooling(states.requires_grad_(), mask)
    assert pooled[1].abs().max() == 0
    pooled.sum().backward()
    assert states.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in pooling.parameters())


def test_the_size_is_that_of_the_paper_by_default():
    pooling = TransformerPooling(2048, PoolingSpec())
    assert (len(pooling.layers), pooling.layers[0].heads, pooling.dim) == (2, 4, 1024)
    projection = 2048 * 1024 + 1024
    attention = 4 * (1024 * 1024 + 1024)
    feed_forward = 2 * 4 * 1024 * 1024 + 4 * 1024 + 1024
    norms = 2 * 2 * 1024
    expected = projection + 2 * (attention + feed_forward + norms)
    assert sum(parameter.numel() for parameter in pooling.parameters()) == expected


def test_a_layer_is_the_transformer_layer_of_pytorch():
    torch.manual_seed(0)
    ours = TransformerLayer(16, heads=4, feed_forward=40).double().eval()
    theirs = torch.nn.TransformerEncoderLayer(16, 4, 40, activation="gelu", batch_first=True).double().eval()
    parts = [ours.query, ours.key, ours.value]
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.self_attn.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    for their_part, our_part in (
        (theirs.self_attn.out_proj, ours.attention_output),
        (theirs.linear1, ours.feed_in),
        (theirs.linear2, ours.feed_out),
        (theirs.norm1, ours.attention_norm),
        (theirs.norm2, ours.output_norm),
    ):
        their_part.load_state_dict(our_part.state_dict())
    states, mask = states_and_mask(width=16)
    expected = theirs(states, src_key_padding_mask=~mask)
    torch.testing.assert_close(ours(states, mask)[mask], expected[mask])


def test_sinusoids_by_hand():
    waves = sinusoids(3, 4, like=torch.zeros(1).double())
    expected = [
        [math.sin(step), math.cos(step), math.sin(step / 100), math.cos(step / 100)] for step in range(3)
    ]
    torch.testing.assert_close(waves, torch.tensor(expected).double(), atol=1e-6, rtol=0)


def test_the_semantic_start_by_hand():
    generator = np.random.default_rng(0)
    semantic = SemanticPooling(
        *(generator.normal(size=size).astype(np.float32) for size in ((4, 3), (3,), (3, 5)))
    )
    frames = generator.normal(size=(2, 2, 4)).astype(np.float32)
    mask = torch.tensor([[True, True], [True, False]])
    found = ConseTower(semantic)(torch.from_numpy(frames), mask).numpy()
    for item, count in enumerate((2, 1)):
        total = np.zeros(5)
        for frame in frames[item, :count]:
            weights = np.exp(frame @ semantic.class_weights + semantic.class_bias)
            total += weights / weights.sum() @ semantic.class_embeddings
        np.testing.assert_allclose(found[item], total / np.linalg.norm(total), rtol=1e-5)


def test_a_wrong_shape_is_an_error_in_these_tests():
    """The shapes of the annotations are checked at every call here; see conftest."""
    if not SHAPES_ARE_CHECKED:
        pytest.skip("the model was imported before its shapes could be put under check")
    states, mask = states_and_mask()
    with pytest.raises(Exception, match="mask"):
        build_pooling("mean", 8, SPEC)(states, mask[:, :-1])
    with pytest.raises(Exception, match="states"):
        build_pooling("transformer", 8, SPEC).double()(states[0], mask)
