"""Hard negatives: clips that look alike, or say alike, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from polyreel.training.training_set import TrainingSet

__all__ = ["Neighbours"]

_NEAREST = 16
_AT_ONCE = 1024
# Above this, neighbours are looked for among a random draw: the cost grows with the square.
_MOST_CLIPS = 20_000


class Neighbours:
    """The most similar clips of each clip, within one corpus.

    Similar is the mean of the features where there are some, and otherwise what ``encode`` makes of a
    caption. Clips of one concept are not negatives of each other and are left out.

    Args:
        training_sets: the corpora, by number.
        encode: texts -> (texts, dim); for corpora of text.
        seed: of the run.
    """

    def __init__(
        self,
        training_sets: Sequence[TrainingSet],
        encode: Callable[[Sequence[str]], NDArray[np.float32]],
        *,
        seed: int,
    ) -> None:
        self._encode, self._seed = encode, seed
        self._found = [self._look(training_set) for training_set in training_sets]

    def __call__(self, training_set: int, row: int) -> NDArray[np.int64]:
        """Rows of the clips most similar to one, nearest first; none for a clip that was not looked at."""
        return self._found[training_set].get(row, np.zeros(0, np.int64))

    def _look(self, training_set: TrainingSet) -> dict[int, NDArray[np.int64]]:
        rows = np.array(
            [row for row in map(int, training_set.table.rows(training_set.split)) if training_set.usable(row)]
        )
        rng = np.random.default_rng(self._seed)
        if len(rows) > _MOST_CLIPS:
            rows = np.sort(rng.choice(rows, _MOST_CLIPS, replace=False))
        vectors = self._vectors(training_set, rows)
        concepts = np.array([training_set.concept(int(row)) for row in rows])
        found = {}
        for start in range(0, len(rows), _AT_ONCE):
            block = slice(start, start + _AT_ONCE)
            scores = vectors[block] @ vectors.T
            scores[concepts[block][:, None] == concepts] = -np.inf
            best = np.argsort(-scores, axis=1, kind="stable")[:, :_NEAREST]
            for row, places, score in zip(
                rows[block], best, np.take_along_axis(scores, best, 1), strict=True
            ):
                found[int(row)] = rows[places[np.isfinite(score)]]
        return found

    def _vectors(self, training_set: TrainingSet, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        if training_set.has_video:
            means = np.stack([training_set.frames(int(row), at_most=_NEAREST).mean(axis=0) for row in rows])
        else:
            means = self._encode([next(iter(training_set.texts(int(row)).values()))[0] for row in rows])
        centred = means - means.mean(axis=0)
        return np.asarray(
            centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12), np.float32
        )
