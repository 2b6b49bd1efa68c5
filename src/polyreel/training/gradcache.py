"""Gradients of a large batch in the memory of a small one.

A contrastive loss needs the vectors of the whole batch at once, but not what the towers computed on the way.
So the vectors are computed in chunks without gradient, the loss is differentiated with respect to them, and
each chunk is then computed again, now with gradient, and handed its part (GradCache: Gao et al. 2021, arXiv
2101.06983). The result is the gradient of the whole batch up to rounding; it costs a second forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["ChunkedEncoding", "backward"]


@dataclass(frozen=True, slots=True)
class ChunkedEncoding:
    """Something of which one vector each is wanted, in chunks that can be computed one by one.

    Attributes:
        chunks: for each chunk, its rows among all, (rows,) int64, and what computes their vectors, (rows,
            dim).
        rows, dim: how many vectors, and their width.
        device: where they are.
    """

    chunks: Sequence[tuple[Tensor, Callable[[], Tensor]]]
    rows: int
    dim: int
    device: torch.device


def backward(
    encodings: Mapping[str, ChunkedEncoding], loss: Callable[[Mapping[str, Tensor]], Tensor]
) -> None:
    """Add the gradient of ``loss`` over the vectors of ``encodings`` to the parameters that computed them.

    Args:
        encodings: name -> how the vectors of that name are computed.
        loss: name -> (rows, dim) float32 vectors, to one number.
    """
    if all(len(chunked.chunks) <= 1 for chunked in encodings.values()):
        computed = {
            name: _in_place(chunked, [run() for _, run in chunked.chunks])
            for name, chunked in encodings.items()
        }
        loss(computed).backward()  # type: ignore[no-untyped-call]
        return
    states: dict[str, list[_RandomState]] = {}
    leaves: dict[str, Tensor] = {}
    for name, chunked in encodings.items():
        states[name] = []
        # Small tensors that stay between large ones that go would keep the allocator from reusing their room.
        whole = torch.zeros(chunked.rows, chunked.dim, device=chunked.device)
        with torch.no_grad():
            for rows, run in chunked.chunks:
                states[name].append(_RandomState(chunked.device))
                whole[rows] = run().float()
        leaves[name] = whole.requires_grad_()
    loss(leaves).backward()  # type: ignore[no-untyped-call]
    after = {chunked.device: _RandomState(chunked.device) for chunked in encodings.values()}
    for name, chunked in encodings.items():
        gradient = leaves[name].grad
        if gradient is None:
            continue
        for (rows, run), state in zip(chunked.chunks, states[name], strict=True):
            state.restore()  # dropout falls on the same units again
            vectors = run()
            if vectors.requires_grad:
                vectors.backward(gradient[rows].to(vectors.dtype))  # type: ignore[no-untyped-call]
    for state in after.values():
        state.restore()


def _in_place(chunked: ChunkedEncoding, parts: Sequence[Tensor]) -> Tensor:
    """The chunks' vectors as rows of one float32 tensor; rows that no chunk computes are zero."""
    whole = torch.zeros(chunked.rows, chunked.dim, device=chunked.device)
    if not parts:
        return whole
    rows = torch.cat([rows for rows, _ in chunked.chunks])
    return whole.index_copy(0, rows, torch.cat(list(parts)).float())


class _RandomState:
    """State of the generators that dropout on ``device`` draws from."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._cpu = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def restore(self) -> None:
        torch.set_rng_state(self._cpu)
        if self._cuda is not None:
            torch.cuda.set_rng_state(self._cuda, self._device)
