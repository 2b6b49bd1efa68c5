"""A random order that a disk can follow: blocks of neighbours, many blocks mixed at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK_ROWS", "WINDOW_BLOCKS", "shuffled_windows"]

# Neighbours that are read together: long enough a stretch for a disk's sequential rate.
BLOCK_ROWS = 256
# Blocks, from all over the table, whose rows are mixed: a batch of thousands still holds far-apart clips.
WINDOW_BLOCKS = 32


def shuffled_windows(
    rows: NDArray[np.int64], *, seed: int, epoch: int, start: int = 0
) -> Iterator[NDArray[np.int64]]:
    """``rows`` in an order that ``seed`` and ``epoch`` decide, from position ``start`` on, by windows.

    Each row comes once an epoch. Blocks of ``BLOCK_ROWS`` consecutive rows are put in random order;
    ``WINDOW_BLOCKS`` blocks at a time make a window, whose rows are put in random order. A window is drawn
    from its own number, so that going on from any position costs no more than that one window.

    Args:
        rows: (rows,) numbers of clips.
        seed: Seed of the order.
        epoch: number of the pass over the data; each has an order of its own.
        start: position to go on from.

    Raises:
        ValueError: ``start`` is negative or beyond the last row.
    """
    if not 0 <= start <= len(rows):
        raise ValueError(f"start must be between 0 and {len(rows):,}, got {start:,}")
    blocks = np.random.default_rng([seed, epoch]).permutation(-(-len(rows) // BLOCK_ROWS))
    passed = 0
    for number, first in enumerate(range(0, len(blocks), WINDOW_BLOCKS)):
        chosen = blocks[first : first + WINDOW_BLOCKS]
        size = sum(min(BLOCK_ROWS, len(rows) - int(block) * BLOCK_ROWS) for block in chosen)
        if passed + size > start:
            window = np.concatenate([rows[block * BLOCK_ROWS : (block + 1) * BLOCK_ROWS] for block in chosen])
            order = np.random.default_rng([seed, epoch, number]).permutation(window)
            yield order[max(0, start - passed) :]
        passed += size
