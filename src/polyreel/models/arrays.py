"""What was trained, as NumPy arrays: the form in which it leaves PyTorch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["arrays_of", "as_array"]


def as_array(tensor: Tensor) -> NDArray[np.float32]:
    """A float32 copy."""
    return np.array(tensor.detach().float().cpu().numpy(), np.float32)


def arrays_of(**modules: nn.Module) -> dict[str, NDArray[np.float32]]:
    """The parameters of each module, under its keyword and their own names."""
    return {
        f"{prefix}.{name}": as_array(parameter)
        for prefix, module in modules.items()
        for name, parameter in module.named_parameters()
    }
