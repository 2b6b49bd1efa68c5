"""Exact search against a bare product and top-k, at 100,000 and 1,000,000 vectors of 384 dimensions.

    python benchmarks/exact_search.py

Both sides take the same float32 matrix and queries. "Bare" is ``matrix @ query`` and ``argpartition``; recall
is against float64 scores. OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE, which some machines set for older builds,
are unset.
"""

from __future__ import annotations

import os
import sys

_FORCED = {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"} & os.environ.keys()
if _FORCED:  # numpy reads them when it is loaded, so the program begins again without them
    os.execve(
        sys.executable, [sys.executable, *sys.argv], {k: v for k, v in os.environ.items() if k not in _FORCED}
    )

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from common import Report, alternate, median_wall_s, options, paired_ratio  # noqa: E402
from polyreel.library.exact import top_rows  # noqa: E402

DIM, TOP, QUERIES, ROUNDS = 384, 200, 8, 15


def main() -> int:
    """Measure both sizes."""
    arguments = options(__doc__).parse_args()
    report = Report("exact_search", arguments)
    rows = []
    for size in (10_000, 100_000) if arguments.quick else (100_000, 1_000_000):
        ratio, bare_ms, ours_ms, recall = _measure(size, arguments.seed)
        rows.append([size, bare_ms, ours_ms, ratio, recall])
        report.target(f"time at {size:,} by bare product and top-k", ratio, "<=", 1.3)
        report.target(f"recall at {size:,}", recall, ">=", 1.0)
    report.table(
        f"Wall time of one query, top {TOP}; median of {ROUNDS} alternating rounds of {QUERIES} queries.",
        ["vectors", "bare, ms", "top_rows, ms", "ratio", "recall"],
        rows,
    )
    return report.close()


def _measure(size: int, seed: int) -> tuple[float, float, float, float]:
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((size, DIM), dtype=np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    queries = rng.standard_normal((QUERIES, DIM), dtype=np.float32)

    def bare() -> None:
        for query in queries:
            scores = matrix @ query
            best = np.argpartition(scores, size - TOP)[size - TOP :]
            best[np.argsort(-scores[best])]

    def ours() -> None:
        for query in queries:
            top_rows(matrix, query, TOP)

    costs = alternate({"bare": bare, "ours": ours}, ROUNDS)
    ratio = paired_ratio(costs["ours"], costs["bare"], wall=True)
    bare_ms, ours_ms = (1000 * median_wall_s(costs[name]) / QUERIES for name in ("bare", "ours"))
    return ratio, bare_ms, ours_ms, float(np.mean([_recall(matrix, query) for query in queries[:3]]))


def _recall(matrix: NDArray[np.float32], query: NDArray[np.float32]) -> float:
    """Share of the true first ones that are found; scores that float32 cannot tell apart are either."""
    exact = np.concatenate([part @ query.astype(np.float64) for part in np.array_split(matrix, 64)])
    found, _ = top_rows(matrix, query, TOP)
    last = np.partition(exact, len(exact) - TOP)[len(exact) - TOP]
    return float((exact[found] >= last - 1e-6).mean())


if __name__ == "__main__":
    sys.exit(main())
