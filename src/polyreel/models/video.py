"""The video tower: features of frames or segments -> one vector -> the shared space."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor, nn

from polyreel.encoders.build.semantic_pooling import SemanticPooling
from polyreel.errors import UsageError
from polyreel.models.arrays import arrays_of
from polyreel.models.heads import build_branch_head, build_head
from polyreel.models.pooling import ConseTower, build_pooling, unit
from polyreel.models.specs import VideoTowerSpec

__all__ = ["VideoTower"]


class VideoTower(nn.Module):
    """``head(unit(pool(frames) ** power))``, added to the training-free vector under ``semantic`` pooling.

    Args:
        spec: what it is made of.
        dim: width of the shared space.
        semantic: the training-free tower, for ``semantic`` pooling and for a prior.

    Raises:
        UsageError: the training-free tower is needed and missing, or of other widths.
    """

    def __init__(self, spec: VideoTowerSpec, *, dim: int, semantic: SemanticPooling | None = None) -> None:
        super().__init__()
        self.spec, self.dim = spec, dim
        self.pooling = build_pooling(
            spec.trained_pooling, spec.features, spec.pooler, time=spec.time_encoding == "sinusoidal"
        )
        build = build_branch_head if spec.pooling == "semantic" else build_head
        self.head = build(spec.head, self.pooling.dim, dim, width=spec.head_width)
        self.semantic = None if semantic is None else ConseTower(semantic)
        if spec.pooling == "semantic" or semantic is not None:
            self._check_widths()

    def forward(
        self, frames: Float[Tensor, "items frames features"], mask: Bool[Tensor, "items frames"]
    ) -> Float[Tensor, "items dim"]:
        """Vectors in the shared space, not normalised. ``mask`` is False for padding.

        An item without frames gets a vector that depends on nothing; objectives leave it out.
        """
        pooled = self.pooling(frames, mask)
        if self.spec.power != 1:
            pooled = pooled.sign() * pooled.abs() ** self.spec.power
        vectors: Tensor = self.head(unit(pooled))
        if self.spec.pooling == "semantic":
            vectors = vectors + self.prior(frames, mask)
        return vectors

    def prior(
        self, frames: Float[Tensor, "items frames features"], mask: Bool[Tensor, "items frames"]
    ) -> Float[Tensor, "items prior"]:
        """The training-free vector, of length 1, without gradient.

        Raises:
            UsageError: the tower was built without it.
        """
        with torch.no_grad():
            vectors: Tensor = self._semantic()(frames, mask)
        return vectors

    def trained_arrays(self) -> dict[str, NDArray[np.float32]]:
        """What training changes: ``pooling.*`` and ``head.*``; matrices are (outputs, inputs)."""
        return arrays_of(pooling=self.pooling, head=self.head)

    def _semantic(self) -> ConseTower:
        if self.semantic is None:
            raise UsageError("the video tower was built without the training-free tower it starts from")
        return self.semantic

    def _check_widths(self) -> None:
        features, dim = self._semantic().class_weights.shape[0], self._semantic().dim
        if features != self.spec.features or (self.spec.pooling == "semantic" and dim != self.dim):
            raise UsageError(
                "the training-free tower is of other widths than the video tower",
                value=f"{features} -> {dim}, wanted {self.spec.features} -> {self.dim}",
                remedy=f"Set 'features: {features}' and 'dim: {dim}'",
            )
