"""torchvision beside a torch that it was not built for."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Any

import torch

__all__ = ["mend_torchvision"]

_DESCRIBED = ("nms", "qnms")
_kept: list[Any] = []  # operators live as long as the library that defined them


def mend_torchvision() -> None:
    """Have torchvision load, if it is here; to be called before ``transformers`` or ``open_clip`` load it.

    PyPI's torchvision is built for CUDA. Beside a CPU build of torch its compiled operators do not load, and
    importing it ends at two that it describes. Nothing that is imported here uses an operator of it, so these
    two are declared, and stay without a body.
    """
    if find_spec("torchvision") is None:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import torchvision  # noqa: F401
    except RuntimeError:
        library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for name in _DESCRIBED:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)
