"""Take the language out of a text embedding.

A multilingual encoder gives the texts of one language a common offset, so that a query lies nearer to any
text of its own language than to what it means. Subtracting the mean embedding of the query's language removes
the offset but needs to know the language. The differences between the means of K languages span K - 1
directions; projecting those out makes all K means coincide and needs to know nothing, so it also serves
code-switched queries and languages outside the K (measured against mean subtraction in docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LanguageNeutralProjection", "estimate_language_neutral_projection"]


@dataclass(frozen=True, slots=True)
class LanguageNeutralProjection:
    """An affine map of embeddings: ``(x - mean) @ projection``.

    Attributes:
        mean: (dim,) mean over the languages' means.
        projection: (dim, dim) orthogonal projection onto the complement of the means' differences.
    """

    mean: NDArray[np.float32]
    projection: NDArray[np.float32]

    def free(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """(texts, dim) -> (texts, dim), not normalised."""
        return np.asarray((embeddings - self.mean) @ self.projection, np.float32)


def estimate_language_neutral_projection(
    texts: Mapping[str, NDArray[np.float32]],
) -> LanguageNeutralProjection:
    """The space in which the languages of ``texts`` have the same mean.

    Args:
        texts: language -> (texts, dim) embeddings; contents need not be parallel, but should be alike.
    """
    means = np.stack([embeddings.mean(axis=0) for embeddings in texts.values()]).astype(np.float64)
    centre = means.mean(axis=0)
    _, _, directions = np.linalg.svd(means - centre, full_matrices=False)
    basis = directions[: len(means) - 1]
    projection = np.eye(len(centre)) - basis.T @ basis
    return LanguageNeutralProjection(centre.astype(np.float32), projection.astype(np.float32))
