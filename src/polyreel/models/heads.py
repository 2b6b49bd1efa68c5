"""A pooled vector -> the shared space."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  PyTorch's own abbreviation

from polyreel.errors import UsageError
from polyreel.models.specs import HeadKind

__all__ = ["ResidualMlpHead", "build_branch_head", "build_head"]


class ResidualMlpHead(nn.Module):
    """``skip(x) + out(gelu(hidden(x)))``, where ``out`` starts at zero.

    Args:
        inputs, dim: width before and after.
        width: of the inner layer.
        skip: what the perceptron is added to; None adds it to nothing.
    """

    def __init__(self, inputs: int, dim: int, *, width: int, skip: nn.Module | None) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(inputs, width), nn.Linear(width, dim)
        self.skip = skip
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, vectors: Float[Tensor, "rows inputs"]) -> Float[Tensor, "rows dim"]:
        """The vectors in the shared space, not normalised."""
        added: Tensor = self.out(F.gelu(self.hidden(vectors)))
        return added if self.skip is None else self.skip(vectors) + added


def build_head(kind: HeadKind, inputs: int, dim: int, *, width: int) -> nn.Module:
    """The head of a tower.

    Args:
        kind: As in ``HeadKind``.
        inputs, dim: Width before and after.
        width: Width of the inner layer of ``residual-mlp``.

    Raises:
        UsageError: ``none`` between two widths.
    """
    if kind == "linear":
        return nn.Linear(inputs, dim)
    if kind == "residual-mlp":
        skip = nn.Identity() if inputs == dim else nn.Linear(inputs, dim, bias=False)
        return ResidualMlpHead(inputs, dim, width=width, skip=skip)
    if inputs != dim:
        raise UsageError(
            "a tower without a head must pool to the width of the shared space",
            value=f"{inputs} against dim {dim}",
            remedy="Choose head 'linear', or make the two widths equal",
        )
    return nn.Identity()


def build_branch_head(kind: HeadKind, inputs: int, dim: int, *, width: int) -> nn.Module:
    """The head of a branch that is added to something, and so starts at zero.

    Args:
        kind, inputs, dim, width: As in ``build_head``.
    """
    if kind == "residual-mlp":
        return ResidualMlpHead(inputs, dim, width=width, skip=None)
    head = nn.Linear(inputs, dim)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head
