"""Clips of one source on one side of every split: what was cut from one upload looks, and is told, alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyreel.datasets.records import in_groups
from polyreel.datasets.store.table import DatasetTable
from polyreel.datasets.store.table_writer import hash_id
from polyreel.errors import UsageError

__all__ = ["SourceSplit", "split_by_source"]

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SourceSplit:
    """The clips of one split, without those that share a source with another.

    Attributes:
        table: dataset.
        split: which clips.
        without: splits that nothing is shared with; none that the table does not have.
        rows: (clips,) indices of the clips that are left, ascending.
        left_out: (clips,) indices of those that are not, ascending.
    """

    table: DatasetTable
    split: str
    without: tuple[str, ...]
    rows: Rows
    left_out: Rows

    def halves(self, *, seed: int = 0) -> tuple[Rows, Rows]:
        """Halves A and B of ``rows``, which share neither source nor concept."""
        first, second = self._parts("half", 2, seed)
        return first, second

    def folds(self, count: int, *, seed: int = 0) -> tuple[Rows, ...]:
        """``count`` folds of ``rows``, which share neither source nor concept.

        Args:
            count: how many, 2 or more.
            seed: another division for each.

        Raises:
            UsageError: there are fewer than two.
        """
        if count < 2:
            raise UsageError("clips are divided into two folds or more", value=count)
        return self._parts("fold", count, seed)

    def _parts(self, kind: str, count: int, seed: int) -> tuple[Rows, ...]:
        """By a hash of each group's name, so that other clips, and their order, move none of these.

        The parts are about, not just, as large as each other.
        """
        groups = _groups(self.table, self.rows)
        numbers = np.array([hash_id(f"{kind}\0{count}\0{seed}\0{group}") % count for group in groups])
        return tuple(self.rows[numbers == number] for number in range(count))


def split_by_source(
    table: DatasetTable, split: str = "train", *, without: Sequence[str] = ("dev", "test")
) -> SourceSplit:
    """The clips of one split of which no other clip of the same source is in the splits ``without``.

    Two clips of one upload in train and test would let a model recognise the place instead of understanding
    the words. What a clip was cut from says ``DatasetTable.source``: the dataset, where it knows, or else the
    name of its video.

    Args:
        table: dataset.
        split: which clips.
        without: other splits; ``split`` itself and those that the table lacks are passed over.

    Raises:
        UnknownNameError: there is no such split.
    """
    rows = table.rows(split)
    others = tuple(name for name in table.splits if name in without and name != split)
    taken = {source for name in others for source in table.sources(table.rows(name))}
    shared = np.array([source in taken for source in table.sources(rows)] if taken else [], bool)
    shared = shared if len(shared) else np.zeros(len(rows), bool)
    return SourceSplit(table, split, others, rows[~shared], rows[shared])


def _groups(table: DatasetTable, rows: Rows) -> list[str]:
    """A name for each clip, the same for clips that share source or concept, directly or through others."""
    names = [
        (f"source {source}", f"concept {concept}" if concept else f"source {source}")
        for source, concept in zip(table.sources(rows), map(table.concept, map(int, rows)), strict=True)
    ]
    groups = in_groups((source, [concept]) for source, concept in names)
    return [groups[source] for source, _ in names]
