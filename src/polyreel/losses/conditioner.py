"""A text seen together with a video."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyreel.models.pooling import TransformerPooling, precise, unit
from polyreel.models.specs import PoolingSpec

__all__ = ["Conditioner"]


class Conditioner(nn.Module):
    """``(x|v)``: x, and added to it what transformer pooling makes of x and v, each marked with its kind.

    What is added starts at zero, so that at first a text seen with any video is the text itself, and what is
    learnt of pairs is learnt of the texts. MMP conditions with a shared transformer; its exact form here is
    ours.

    Args:
        dim: width of x and v, and of the result.
        spec: Size of the transformer. By default one layer of width 384.
    """

    def __init__(self, dim: int, spec: PoolingSpec | None = None) -> None:
        super().__init__()
        self.kinds = nn.Parameter(torch.empty(2, dim).normal_(std=dim**-0.5))
        self.pooling = TransformerPooling(dim, spec or PoolingSpec(width=384, layers=1))
        self.out = nn.Linear(self.pooling.dim, dim)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self, text: Float[Tensor, "texts dim"], video: Float[Tensor, "texts dim"]
    ) -> Float[Tensor, "texts dim"]:
        """Unit vectors of every text given the video in the same row, which need not be its own."""
        states = torch.stack([text, video], dim=1) + self.kinds
        mask = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
        return unit(text + precise(self.out(self.pooling(states, mask))))
