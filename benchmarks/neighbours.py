"""How near the pictures of neighbouring clips are: what a search takes for one moment.

A clip ends where the picture changes, or where it has its longest length. Neighbours that were parted by
their length show the same scene more often than not, those that were parted by a change do not. The cosines
of both, and of clips of different videos, say from where on a neighbour is a repeat
(``polyreel.library.search.moments``).

    python benchmarks/neighbours.py                    # the demo's library
    python benchmarks/neighbours.py --library FOLDER   # one of your own
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from polyreel.library.search.search import Library
from polyreel.media.windows import MAX_CLIP_S
from polyreel.packages.members import cache_dir

_PAIRS = 20_000
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_FROM = (0.9, 0.93, 0.95, 0.97)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--library", type=Path, default=cache_dir() / "demo" / "library")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    index = Library(given.library).snapshot.index
    video = np.unique(index.clips["video"].to_pylist(), return_inverse=True)[1]
    length_s = index.clips["end_s"].to_numpy() - index.clips["start_s"].to_numpy()
    vectors = index.clip_vectors
    together = video[1:] == video[:-1]
    cosines = (vectors[1:] * vectors[:-1]).sum(1)
    by_length = length_s[:-1] >= MAX_CLIP_S - 0.05
    rng = np.random.default_rng(given.seed)
    one, other = rng.integers(0, len(video), (2, _PAIRS))
    apart = video[one] != video[other]
    kinds = {
        "neighbours, parted by length": cosines[together & by_length],
        "neighbours, parted by a change": cosines[together & ~by_length],
        "of different videos": (vectors[one] * vectors[other]).sum(1)[apart],
    }
    heads = [f"{share:.0%}" for share in _QUANTILES] + [f">= {least}" for least in _FROM]
    print(
        f"{len(index.videos)} videos, {len(video)} clips, seed {given.seed}; quantiles of cosines, shares\n"
    )
    print(f"| pairs | n | {' | '.join(heads)} |")
    print(f"|---|---|{'---|' * len(heads)}")
    for name, values in kinds.items():
        cells = [f"{value:.3f}" for value in np.quantile(values, _QUANTILES)] if len(values) else []
        cells += [f"{np.mean(values >= least):.1%}" for least in _FROM] if len(values) else []
        print(f"| {name} | {len(values):,} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
