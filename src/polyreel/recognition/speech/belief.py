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

# Where languages are named that are likely, each of the others weighs this much less.
_OTHERS = 0.02
# How much less likely any one other language is than that of the window before.
_CHANGE = 0.05
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
        self._prior: NDArray[np.float64] = np.where(named | ~named.any(), 1.0, _OTHERS)
        # Of the window before the next one.
        self._before: NDArray[np.float64] = self._prior

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
            changed = self._prior * following
            backward[at] = _normalised(following + _CHANGE * (changed.sum() - changed))
        belief = [_normalised(row) for row in forward * backward]
        return [(self._codes[int(row.argmax())], float(row.max())) for row in belief]

    def _evidence(self, alone: Mapping[str, float], seconds: float) -> NDArray[np.float64]:
        weight = min(1.0, seconds / _FULL_S)
        heard: NDArray[np.float64] = np.array([max(_FLOOR, alone.get(code, 0.0)) for code in self._codes])
        weighted: NDArray[np.float64] = heard**weight
        return weighted

    def _change(self, belief: NDArray[np.float64]) -> NDArray[np.float64]:
        changed: NDArray[np.float64] = _CHANGE * self._prior * (belief.sum() - belief)
        return belief + changed


def _normalised(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares
