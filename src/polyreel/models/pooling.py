"""Many states -> one vector."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  PyTorch's own abbreviation

from polyreel.encoders.build.semantic_pooling import SemanticPooling
from polyreel.models.layers import TransformerLayer
from polyreel.models.specs import PoolingSpec

__all__ = [
    "ConseTower",
    "MeanPooling",
    "TransformerPooling",
    "build_pooling",
    "masked_mean",
    "precise",
    "unit",
]

_LONGEST_WAVE = 10_000.0


def unit(vectors: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
    """Scaled to length 1; a zero vector stays zero."""
    return F.normalize(vectors, dim=-1)


def precise(vectors: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
    """In float32 at least: cosines in half precision tell too few candidates apart."""
    return vectors.float() if vectors.dtype in {torch.float16, torch.bfloat16} else vectors


def masked_mean(
    states: Float[Tensor, "rows steps width"], mask: Bool[Tensor, "rows steps"]
) -> Float[Tensor, "rows width"]:
    """Mean of the steps where ``mask`` is True; zero for a row without any."""
    weights = mask.to(states.dtype)
    total = torch.einsum("rsw,rs->rw", states, weights)
    return total / weights.sum(dim=1, keepdim=True).clamp(min=1)


class MeanPooling(nn.Module):
    """The mean of the states.

    Args:
        inputs: width of the states, and of the result, ``dim``.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.dim = inputs

    def forward(
        self, states: Float[Tensor, "rows steps inputs"], mask: Bool[Tensor, "rows steps"]
    ) -> Float[Tensor, "rows inputs"]:
        """The mean of the steps where ``mask`` is True."""
        return masked_mean(states, mask)


class TransformerPooling(nn.Module):
    """Transformer pooling of MMP (Huang et al. 2021): a projection, layers without positions, one vector.

    The paper gives 2 layers, 4 heads, width 1,024 and no positional embedding. Ours: post-norm layers as in
    BERT, and the masked mean of the output states as the vector.

    Args:
        inputs: width of the states.
        spec: size of the transformer; ``spec.width`` is the width of the result, ``dim``.
        time: add sinusoids of the step number (Vaswani et al. 2017, section 3.5) after the projection.
            Without it the result does not depend on the order of the steps.
    """

    def __init__(self, inputs: int, spec: PoolingSpec, *, time: bool = False) -> None:
        super().__init__()
        self.dim, self.time = spec.width, time
        self.project = nn.Linear(inputs, spec.width)
        feed_forward = spec.feed_forward or 4 * spec.width
        self.layers = nn.ModuleList(
            TransformerLayer(spec.width, heads=spec.heads, feed_forward=feed_forward, dropout=spec.dropout)
            for _ in range(spec.layers)
        )

    def forward(
        self, states: Float[Tensor, "rows steps inputs"], mask: Bool[Tensor, "rows steps"]
    ) -> Float[Tensor, "rows width"]:
        """One vector a row; zero for a row without any step."""
        states = self.project(states)
        if self.time:
            states = states + sinusoids(states.shape[1], self.dim, like=states)
        for layer in self.layers:
            states = layer(states, mask)
        return masked_mean(states, mask)


def sinusoids(steps: int | torch.SymInt, width: int, *, like: Tensor) -> Float[Tensor, "steps width"]:
    """Sines in the even and cosines in the odd columns, of wave lengths from 2 pi to 10,000 * 2 pi steps.

    Args:
        steps, width: Shape of the result; the steps are symbolic while a model is traced for a bundle.
        like: Tensor whose device and type it gets.
    """
    # PyTorch's stubs have no symbolic end.
    step = torch.arange(steps, device=like.device, dtype=torch.float32)[:, None]  # type: ignore[arg-type]
    column = torch.arange(width, device=like.device)
    angle = step / _LONGEST_WAVE ** ((column - column % 2) / width)
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).to(like.dtype)


def build_pooling(
    kind: Literal["mean", "transformer"], inputs: int, spec: PoolingSpec, *, time: bool = False
) -> MeanPooling | TransformerPooling:
    """Pooling of states to one vector, of the width ``dim`` of the result.

    Args:
        kind: ``mean`` or ``transformer``.
        inputs: Width of the states.
        spec: Size of the transformer.
        time: Add sinusoids of the step number before the transformer.
    """
    return MeanPooling(inputs) if kind == "mean" else TransformerPooling(inputs, spec, time=time)


class ConseTower(nn.Module):
    """The training-free video tower of the default bundle, frozen.

    ``unit(sum over frames of softmax(f W + b) E)``: each frame's posterior over the ImageNet classes weights
    the text embeddings of their names (``SemanticPooling``).

    Args:
        semantic: ``W``, ``b`` and ``E``.
    """

    class_weights: Tensor
    class_bias: Tensor
    class_embeddings: Tensor

    def __init__(self, semantic: SemanticPooling) -> None:
        super().__init__()
        self.dim = semantic.class_embeddings.shape[1]
        # Not in the state: they come from the bundle that the specification names.
        for name in ("class_weights", "class_bias", "class_embeddings"):
            self.register_buffer(name, torch.from_numpy(getattr(semantic, name).copy()), persistent=False)

    def forward(
        self, frames: Float[Tensor, "items frames features"], mask: Bool[Tensor, "items frames"]
    ) -> Float[Tensor, "items dim"]:
        """Unit vectors; zero for an item without frames."""
        posterior = (frames.to(self.class_weights.dtype) @ self.class_weights + self.class_bias).softmax(
            dim=-1
        )
        return unit(masked_mean(posterior, mask) @ self.class_embeddings)
