"""The two towers of a model, as modules that take what a bundle's graphs take."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyreel.encoders.card import FrameInput

__all__ = ["ImageTower", "ModelTowers", "Pixels"]


@dataclass(frozen=True, slots=True)
class ModelTowers:
    """A model as a bundle needs it.

    Attributes:
        image: (frames, height, width, 3) uint8 pictures -> (frames, dim), not normalised.
        text: (texts, tokens) int64 ids, and a mask if ``masked``, -> (texts, dim).
        masked: whether the text tower takes a mask beside the ids.
        scale, bias: of the cosine.
    """

    image: ImageTower
    text: nn.Module
    masked: bool
    scale: float
    bias: float


class ImageTower(nn.Module):
    """Bytes of pictures -> vectors.

    Args:
        frames: how pictures are prepared.
    """

    def __init__(self, frames: FrameInput) -> None:
        super().__init__()
        self.pixels = Pixels(frames)

    def features(self, pixels: Tensor) -> Tensor:
        """(n, 3, height, width) numbers as the network was trained on -> (n, dim), not normalised."""
        raise NotImplementedError

    def forward(self, frames: Tensor) -> Tensor:
        """(n, height, width, 3) uint8 -> (n, dim)."""
        return self.features(self.pixels(frames))


class Pixels(nn.Module):
    """Bytes as the numbers that a network was trained on: (n, height, width, 3) -> (n, 3, height, width).

    Args:
        frames: the card's mean and deviation of each channel.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, frames: FrameInput) -> None:
        super().__init__()
        mean, std = frames.mean or (0.0, 0.0, 0.0), frames.std or (1.0, 1.0, 1.0)
        self.register_buffer("mean", torch.tensor(mean).reshape(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(3, 1, 1))

    def forward(self, frames: Tensor) -> Tensor:
        """The numbers of the pictures."""
        return (frames.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std
