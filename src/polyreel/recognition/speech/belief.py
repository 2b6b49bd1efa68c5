"""Which language is spoken, window by window: what each sounds like, and what is spoken around it.

A few seconds of speech say little about their language, half a minute says it nearly always, and films speak
several. So languages are the states of a hidden Markov model (Rabiner 1989): they seldom change from a window
to the next, and each window counts by how much speech it holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["LanguageBelief"]

# Where languages are named that are likely, all others together have this share.
_OTHERS = 0.02
# Chance that the language changes from one window to the next.
_CHANGE = 0.02
_FULL_S = 30.0
_FLOOR = 1e-6


class LanguageBelief:
    """Tells the languages of windows of one track, in order of time.

    Args:
        codes: all languages that are possible.
        likely: those among them that are likely; none makes all alike.
    """

    def __init__(self, codes: Sequence[str], likely: Sequence[str] = ()) -> None:
        self._codes = list(codes)
        named = np.array([code in likely for code in codes])
        prior = np.full(len(codes), 1.0 / len(codes))
        if named.any() and not named.all():
            prior = np.where(named, (1 - _OTHERS) / named.sum(), _OTHERS / (~named).sum())
        self._prior: NDArray[np.float64] = prior
        # Of the window before the next one; before the first one that is the prior.
        self._before: NDArray[np.float64] = prior

    def languages(self, heard: Sequence[tuple[Mapping[str, float], float]]) -> list[tuple[str, float]]:
        """Language and its probability for each of the next windows.

        Args:
            heard: of each window what the model makes of it alone, code -> probability, and its seconds of
                speech.
        """
        if not heard:
            return []
        seen = np.stack([self._evidence(*each) for each in heard])
        forward = np.empty_like(seen)
        for at, evidence in enumerate(seen):
            self._before = _normalised(self._change(self._before) * evidence)
            forward[at] = self._before
        backward = np.ones_like(seen)
        for at in range(len(seen) - 2, -1, -1):
            following = seen[at + 1] * backward[at + 1]
            backward[at] = _normalised((1 - _CHANGE) * following + _CHANGE * (self._prior @ following))
        belief = [_normalised(row) for row in forward * backward]
        return [(self._codes[int(row.argmax())], float(row.max())) for row in belief]

    def _evidence(self, alone: Mapping[str, float], seconds: float) -> NDArray[np.float64]:
        weight = min(1.0, seconds / _FULL_S)
        return np.array([max(_FLOOR, alone.get(code, 0.0)) for code in self._codes]) ** weight

    def _change(self, belief: NDArray[np.float64]) -> NDArray[np.float64]:
        return (1 - _CHANGE) * belief + _CHANGE * self._prior


def _normalised(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return weights / weights.sum()
