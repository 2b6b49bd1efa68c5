"""Corpora as a run sees them: which clips it may train on, which it holds back, their texts and features."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyreel.datasets.sources import split_by_source
from polyreel.datasets.store.table import DatasetTable
from polyreel.languages import clean
from polyreel.training.stable_random import stable_hash

__all__ = ["SharedSources", "TrainingSet", "is_held_out", "shared_sources", "texts_of"]

_TEXTS_KEPT = 65_536
_WHOLE = 2**63


@dataclass(frozen=True, slots=True)
class SharedSources:
    """Clips of a split that are not trained on, because they share a source with another split.

    Attributes:
        name: of corpus and split.
        without: the other splits.
        rows: (clips,) their indices.
        remaining: number of the clips that are left.
    """

    name: str
    without: tuple[str, ...]
    rows: NDArray[np.int64]
    remaining: int

    def __str__(self) -> str:
        return (
            f"{self.name}: {len(self.rows):,} of {self.remaining + len(self.rows):,} clips share a source "
            f"with {' or '.join(self.without)} and are left out"
        )


def shared_sources(table: DatasetTable, split: str, without: Sequence[str]) -> SharedSources:
    """What ``split_by_source`` leaves out, without keeping a number for each of what may be many clips.

    Args:
        table, split, without: As there.
    """
    found = split_by_source(table, split, without=without)
    return SharedSources(f"{table.name}/{split}", found.without, found.left_out, len(found.rows))


def is_held_out(table: DatasetTable, row: int, share: float) -> bool:
    """Whether a clip is in the part of its split that is kept back for validation.

    Clips of one concept, or of one source, are kept back together: one in training would tell about them all.
    It does not depend on the seed, so that runs of several seeds are validated on the same clips.

    Args:
        table: Dataset.
        row: Index of the clip.
        share: Share of the split that is kept back, 0 to 1.
    """
    return stable_hash("held-out", table.concept(row) or table.source(row)) < share * _WHOLE


def texts_of(table: DatasetTable, row: int, languages: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Language -> normalised captions of a clip, in the order of ``languages``, none empty.

    Args:
        table: Dataset.
        row: Index of the clip.
        languages: Tags of the languages wanted.
    """
    found: dict[str, list[str]] = {}
    for caption in table.captions(row):
        if caption.language in languages and (text := clean(caption.text)):
            found.setdefault(caption.language, []).append(text)
    return {tag: tuple(found[tag]) for tag in languages if tag in found}


class TrainingSet:
    """One corpus of a recipe.

    Args:
        table: the corpus.
        split: which clips.
        languages: of the captions that count.
        captions_per_language: the first so many of each clip count; None for all.
        features: kinds of features whose rows stand side by side; none for text alone.
        weight: how often a clip is drawn, by one of weight 1.
        held_out: share of the split that is never drawn.
        without_sources_of: splits with which its clips share no source; see ``split_by_source``.
    """

    def __init__(
        self,
        table: DatasetTable,
        split: str,
        *,
        languages: Sequence[str],
        captions_per_language: int | None = None,
        features: Sequence[str] = (),
        weight: float = 1.0,
        held_out: float | None = None,
        without_sources_of: Sequence[str] = (),
    ) -> None:
        self.table, self.split, self.weight, self.held_out = table, split, weight, held_out
        self.languages, self._most = tuple(languages), captions_per_language
        self._stores = [table.features(name) for name in features]
        self.texts = functools.lru_cache(_TEXTS_KEPT)(self._read_texts)
        self.clip_id = functools.lru_cache(_TEXTS_KEPT)(self._read_clip_id)
        self.concept = functools.lru_cache(_TEXTS_KEPT)(self._read_concept)
        self.passed_over = 0
        self.left_out = shared_sources(table, split, without_sources_of)
        self._without = frozenset(map(int, self.left_out.rows))

    @property
    def name(self) -> str:
        """Of the corpus and split."""
        return f"{self.table.name}/{self.split}"

    @property
    def size(self) -> int:
        """Clips to draw from, about: some may turn out to have no caption or no features."""
        return max(1, round(self.left_out.remaining * (1 - (self.held_out or 0.0))))

    @property
    def has_video(self) -> bool:
        """Whether its clips come with features."""
        return bool(self._stores)

    @property
    def dim(self) -> int:
        """Width of the features."""
        return sum(store.dim for store in self._stores)

    def order(self, *, seed: int, epoch: int, start: int) -> Iterator[int]:
        """Rows of the clips of one epoch from a position on.

        Args:
            seed, epoch: What the order depends on.
            start: Clips that are skipped.
        """
        return self.table.shuffled(self.split, seed=seed, epoch=epoch, start=start)

    def usable(self, row: int) -> bool:
        """Whether a clip can be trained on: not held out, not of another split's source, with a caption, and
        with features where others have.
        """
        if row in self._without:
            return False
        if self.held_out is not None and is_held_out(self.table, row, self.held_out):
            return False
        usable = bool(self.texts(row)) and self.has_features(row)
        self.passed_over += not usable
        return usable

    def has_features(self, row: int) -> bool:
        """Whether a clip has rows of every kind; trivially so for a corpus of text."""
        return all(int(store.counts[row]) > 0 for store in self._stores)

    def _read_clip_id(self, row: int) -> str:
        return self.table.clip(row).clip_id

    def _read_concept(self, row: int) -> int:
        """A number that clips share which are positives of each other."""
        return stable_hash(self.table.name, self.table.concept(row) or self.table.clip(row).clip_id)

    def frames(self, row: int, *, at_most: int) -> NDArray[np.float32]:
        """(rows, dim) features of a clip; of more than ``at_most`` rows, as many evenly spaced."""
        parts = [store.of(row) for store in self._stores]
        count = min(len(part) for part in parts)
        chosen = (
            np.arange(count) if count <= at_most else np.linspace(0, count - 1, at_most).round().astype(int)
        )
        return np.concatenate([part[chosen] for part in parts], axis=1).astype(np.float32)

    def _read_texts(self, row: int) -> Mapping[str, tuple[str, ...]]:
        found = texts_of(self.table, row, self.languages)
        return {tag: texts[: self._most] for tag, texts in found.items()}
