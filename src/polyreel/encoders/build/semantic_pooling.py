"""The training-free video tower as numbers: what a bundle holds of it, and training starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SemanticPooling"]


@dataclass(frozen=True, slots=True)
class SemanticPooling:
    """The training-free video tower: ``sum over frames of softmax(f W + b) E``, scaled to length 1.

    Attributes:
        class_weights, class_bias: W, (features, classes), and b, (classes,), over the posterior's
            temperature.
        class_embeddings: E, (classes, dim) text embeddings of the class names, centred.
    """

    class_weights: NDArray[np.float32]
    class_bias: NDArray[np.float32]
    class_embeddings: NDArray[np.float32]
