"""Score normalizers use the other test queries: off unless named, and then written on the result.

A system that is searched by one person at a time has no other queries, so a figure that was made with one of
these is not comparable with one that was made without: ``differences`` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from polyreel.errors import UnknownNameError

__all__ = ["SCORE_NORMALIZERS", "dual_softmax", "normalize_scores"]

_TEMPERATURE = 0.05


def dual_softmax(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scale each score by how much its item prefers this query to the others (CAMoE, Cheng et al. 2021).

    ``s * softmax over queries (s / 0.05)``.

    Args:
        scores: (queries, gallery), all queries of one language.
    """
    scaled = np.asarray(scores, np.float64) / _TEMPERATURE
    weights: NDArray[np.float64] = np.exp(scaled - scaled.max(axis=0, keepdims=True))
    preferred: NDArray[np.float64] = scores * (weights / weights.sum(axis=0, keepdims=True))
    return preferred


SCORE_NORMALIZERS: Mapping[str, tuple[Callable[[NDArray[np.floating]], NDArray[np.floating]], str]] = {
    "dual-softmax": (dual_softmax, f"temperature {_TEMPERATURE}, over all test queries of a language"),
}
"""Name -> what it does to the scores, and what it uses."""


def normalize_scores(name: str | None, scores: NDArray[np.floating]) -> NDArray[np.floating]:
    """The scores as the named normalizer changes them; without a name, as they are.

    Raises:
        UnknownNameError: no score normalizer has this name.
    """
    if name is None:
        return scores
    if name not in SCORE_NORMALIZERS:
        raise UnknownNameError("score normalizer", name, SCORE_NORMALIZERS)
    return SCORE_NORMALIZERS[name][0](scores)
