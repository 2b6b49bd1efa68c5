"""Low-rank adapters around linear maps whose own weights stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  PyTorch's own abbreviation

__all__ = ["ADAPTER_PARAMETERS", "AdaptedLinear", "without_adapters"]

ADAPTER_PARAMETERS = (".down", ".up")
"""How the names of an adapter's own parameters end."""


class AdaptedLinear(nn.Module):
    """``W x + b + (alpha / rank) U D x`` with ``D`` (rank, inputs) and ``U`` (outputs, rank).

    ``U`` starts at zero, so that an adapted model starts as the model itself. Source: Hu et al. 2021
    (LoRA), section 4.1.

    Args:
        base: the map that is adapted; it is frozen.
        rank, alpha: see the formula.
    """

    def __init__(self, base: nn.Linear, *, rank: int, alpha: float) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.scale, self.active = alpha / rank, True
        weight = base.weight
        self.down = nn.Parameter(
            torch.empty(rank, base.in_features, dtype=weight.dtype, device=weight.device)
        )
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, dtype=weight.dtype, device=weight.device))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)

    def forward(self, states: Float[Tensor, "... inputs"]) -> Float[Tensor, "... outputs"]:
        """The adapted map; the base map alone inside ``without_adapters``."""
        mapped: Tensor = self.base(states)
        if not self.active:
            return mapped
        return mapped + self.scale * F.linear(F.linear(states, self.down), self.up)


@contextmanager
def without_adapters(module: nn.Module) -> Iterator[None]:
    """Inside, ``module`` computes as it did before it was adapted."""
    adapters = [part for part in module.modules() if isinstance(part, AdaptedLinear)]
    for adapter in adapters:
        adapter.active = False
    try:
        yield
    finally:
        for adapter in adapters:
            adapter.active = True
