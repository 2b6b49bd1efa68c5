"""The gradient of a batch is the same however it is cut into chunks and shared between processes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from safetensors.torch import load_file
from same_runs import gradients, with_a_bag
from torch import nn

from polyreel.training.gradcache import ChunkedEncoding, backward

TOLERANCE = 1e-6


def furthest(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """Largest difference of a parameter's gradient, by the length of the whole gradient."""
    assert found.keys() == expected.keys()
    length = torch.cat([gradient.flatten() for gradient in expected.values()]).norm()
    assert all(gradient.norm() > 0 for gradient in expected.values()), "a parameter is not trained at all"
    return max(float((found[name] - expected[name]).abs().max() / length) for name in expected)


@pytest.mark.parametrize("chunk", [1, 5, 64])
def test_cached_gradients_are_those_of_the_whole_batch(world, chunk):
    whole = gradients(world.recipe(), world)
    cached = gradients(world.recipe(batch={"batch_size": 12, "micro_batch": chunk}), world)
    assert furthest(cached, whole) <= TOLERANCE


def test_two_processes_have_the_gradient_of_the_whole_batch(world, two_processes):
    whole = gradients(world.recipe(), world)
    for chunk in (None, 5):
        paths = [two_processes.folder / f"{chunk}-{rank}.safetensors" for rank in (0, 1)]
        assert all(path.is_file() for path in paths), two_processes.said
        first, second = map(load_file, paths)
        assert furthest(first, whole) <= TOLERANCE
        # They must never drift apart.
        assert all(torch.equal(first[name], second[name]) for name in whole)


def test_so_it_is_with_sparse_gradients(world, two_processes):
    whole = gradients(world.recipe(**with_a_bag(world)), world)
    rows = whole["text.encoder.rows.weight"]
    assert 0 < int(rows.any(dim=1).sum()) < len(rows), "most of the table is not seen"
    cached = gradients(
        world.recipe(**with_a_bag(world) | {"batch": {"batch_size": 12, "captions": 2, "micro_batch": 5}}),
        world,
    )
    assert furthest(cached, whole) <= TOLERANCE
    first, second = (load_file(two_processes.folder / f"bag-{rank}.safetensors") for rank in (0, 1))
    assert furthest(first, whole) <= TOLERANCE
    assert all(torch.equal(first[name], second[name]) for name in whole)


def encodings_over(
    inputs: torch.Tensor, module: nn.Module, sizes: Sequence[int]
) -> dict[str, ChunkedEncoding]:
    parts = torch.arange(len(inputs)).split(list(sizes))
    chunks = [(rows, lambda rows=rows: module(inputs[rows])) for rows in parts]
    return {
        "vectors": ChunkedEncoding(
            chunks, rows=len(inputs), dim=module[-1].out_features, device=inputs.device
        )
    }


def test_dropout_falls_on_the_same_units_in_both_passes():
    """Otherwise the loss is differentiated at vectors that the second pass does not compute."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 4))
    inputs = torch.randn(10, 6)
    seen: list[torch.Tensor] = []

    def loss(vectors):
        seen.append(vectors["vectors"].detach().clone())
        return vectors["vectors"].square().sum()

    backward(encodings_over(inputs, module, [4, 4, 2]), loss)
    after = torch.get_rng_state()
    cached, module[1].weight.grad = module[1].weight.grad, None
    torch.manual_seed(0)
    module.train()
    torch.manual_seed(0)
    nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 4))  # draws what the first construction drew
    torch.randn(10, 6)
    outputs = torch.cat([module(part) for part in inputs.split([4, 4, 2])])
    assert torch.equal(outputs, seen[0])
    assert torch.equal(torch.get_rng_state(), after), (
        "a step must leave the generator where one pass leaves it"
    )
    outputs.square().sum().backward()
    torch.testing.assert_close(cached, module[1].weight.grad)


def test_a_job_without_rows_costs_nothing():
    module = nn.Sequential(nn.Linear(6, 4))
    encodings = encodings_over(torch.randn(3, 6), module, [2, 1])
    encodings["none"] = ChunkedEncoding([], rows=3, dim=4, device=torch.device("cpu"))
    backward(encodings, lambda vectors: vectors["vectors"].sum() + vectors["none"].sum())
    assert module[0].weight.grad is not None


def test_parts_of_bfloat16_are_joined_as_float32():
    module = nn.Sequential(nn.Linear(6, 4)).bfloat16()
    encodings = encodings_over(torch.randn(3, 6).bfloat16(), module, [2, 1])
    kinds = []

    def loss(vectors):
        kinds.append(vectors["vectors"].dtype)
        return vectors["vectors"].sum()

    backward(encodings, loss)
    assert kinds == [torch.float32]
    assert module[0].weight.grad.dtype == torch.bfloat16
