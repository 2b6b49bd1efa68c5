"""A running average of the weights, which is often better than the weights of any one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["Average"]


class Average:
    """Exponential moving average of the parameters that are trained.

    Step t, from 0, moves it by ``1 - min(decay, (1 + t) / (10 + t))`` towards the weights, so that the random
    start is soon forgotten.

    Args:
        parameters: name -> parameter.
        decay: share of the average that stays in each step.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        self._parameters, self._decay = dict(parameters), decay
        self.values = {name: parameter.detach().clone() for name, parameter in parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after step ``step``."""
        share = 1 - min(self._decay, (1 + step) / (10 + step))
        for name, parameter in self._parameters.items():
            self.values[name].lerp_(parameter, share)

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Go on from a saved average."""
        for name, value in self.values.items():
            value.copy_(values[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model computes with the average in here, and with its own weights again afterwards."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self._parameters.items():
            own = parameter.detach().clone()
            parameter.copy_(self.values[name])
            self.values[name].copy_(own)
