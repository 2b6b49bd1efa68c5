"""A text seen together with its video."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyreel.models.pooling import TransformerPooling, precise, unit
from polyreel.models.specs import PoolingSpec

__all__ = ["Conditioner"]


class Conditioner(nn.Module):
    """``(x|v)``: transformer pooling over the two vectors x and v, each marked with an embedding of its kind.

    MMP conditions with a shared transformer; its exact form here is ours.

    Args:
        dim: width of x and v.
        spec: Size of the transformer; its width is that of the result. By default one layer of width 384.
    """

    def __init__(self, dim: int, spec: PoolingSpec | None = None) -> None:
        super().__init__()
        self.kinds = nn.Parameter(torch.empty(2, dim).normal_(std=dim**-0.5))
        self.pooling = TransformerPooling(dim, spec or PoolingSpec(width=384, layers=1))

    def forward(
        self, text: Float[Tensor, "texts dim"], video: Float[Tensor, "texts dim"]
    ) -> Float[Tensor, "texts width"]:
        """Unit vectors of every text given the video in the same row."""
        states = torch.stack([text, video], dim=1) + self.kinds
        mask = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
        return unit(precise(self.pooling(states, mask)))
