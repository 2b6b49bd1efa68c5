"""``python benchmarks/approximate_search.py``: what a look at the signs leaves out, and an IVF.

Large libraries are searched by the signs of their vectors first; only rows whose estimate lies less than some
standard deviations below the best that are known go on. ``--part signs`` has the curve: which share of rows
goes on, and which share of the first 10 and the first 200 by float64 products is among them, with random
vectors and with mixtures of real pictures; then what a search finds and takes, a row, and what follows for
ten and fifty million. ``--part ivf`` builds indexes of LanceDB over the same vectors and asks them the same,
among all rows and among one in ten.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from common import Report, alternate, cost_of, median_cpu_s, median_wall_s, options, unit_rows
from exact_search import BYTES, DEPTH, RECALL_AT, Vectors, random_halves, real_sets, recall, true_cosines
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.library.search.quantised import Codes, quantise
from polyreel.library.search.searched_vectors import QuantisedVectors

PARTS = ("signs", "ivf")
DEVIATIONS = (0.5, 1.0, 1.5, 2.0, 3.0)
QUERIES, TIMED = 20, 5
FAR = (10_000_000, 50_000_000)
PROBES, REFINE = (20, 100), 10
ONE_IN = 10
Halves = NDArray[np.float16]


def main() -> int:
    """Measure the parts."""
    parser = options(__doc__)
    parser.add_argument("--part", choices=PARTS, action="append", help="what to measure; by default all")
    arguments = parser.parse_args()
    report = Report("approximate search", arguments, ("numpy", "numkong"))
    parts = arguments.part or PARTS
    bundle = Bundle(locate_bundle())
    found = galleries(bundle, 25_000 if arguments.quick else 200_000, arguments.seed)
    for name, halves, queries in found if "signs" in parts else ():
        signs(report, name, halves, queries)
    for name, halves, queries in found if "ivf" in parts else ():
        ivf(report, name, halves[: 5_000 if arguments.quick else 50_000], queries)
    return report.close()


def galleries(bundle: Bundle, rows: int, seed: int) -> list[tuple[str, Halves, Vectors]]:
    """Name, vectors and queries: the hardest case and a usual one."""
    rng, dim = np.random.default_rng(seed), bundle.card.dim
    random = random_halves(rows, dim, rng), unit_rows(rng.standard_normal((QUERIES, dim), np.float32))
    *_, (name, mixed, captions) = real_sets(bundle, rows, seed)
    return [("random", *random), (name, mixed.astype(np.float16, copy=False), captions[:QUERIES])]


def signs(report: Report, name: str, halves: Halves, queries: Vectors) -> None:
    """What a look at the signs of some vectors leaves out and saves."""
    codes = quantise(halves)
    searched, scores = QuantisedVectors(halves, codes), true_cosines(halves, queries)
    title = f"{len(halves):,} vectors of {halves.shape[1]} numbers, {name}"
    rows = [[deviations, *passed(codes, queries, scores, deviations)] for deviations in DEVIATIONS]
    columns = ["deviations below the mark", "% of rows go on", f"of the first {RECALL_AT}", f"of {DEPTH}"]
    report.table(title, columns, rows)
    found, deep = (recall(searched, queries, scores, depth=depth) for depth in (RECALL_AT, DEPTH))
    ways: dict[str, Callable[[], object]] = {
        "all bits of all rows": lambda: [codes.products(query[None]) for query in queries[:TIMED]],
        BYTES: lambda: [searched.cosines(query[None])[0].best(DEPTH) for query in queries[:TIMED]],
    }
    costs = alternate(ways, 3)
    per_row = {way: median_cpu_s(cost) / TIMED / len(halves) for way, cost in costs.items()}
    table = [
        [way, 1e9 * each, *(each * rows for rows in FAR), *(("", "") if way != BYTES else (found, deep))]
        for way, each in per_row.items()
    ]
    far = [f"CPU s at {rows // 1_000_000} million" for rows in FAR]
    recalls = [f"recall@{RECALL_AT}", f"recall@{DEPTH}"]
    report.table(f"{title}: a query", ["", "CPU ns a row", *far, *recalls], table)
    size = sum(array.nbytes for array in codes.arrays().values()) / len(codes)
    report.note(f"Codes take {size:.0f} bytes a row: {size * FAR[-1] / 1e9:.0f} GB for {FAR[-1]:,} rows.")
    report.target(f"{name}, recall@{RECALL_AT}", found, ">=", 0.995)


def passed(
    codes: Codes, queries: Vectors, scores: NDArray[np.float64], deviations: float
) -> tuple[float, float, float]:
    """Percent of rows that go on, and shares of the first 10 and 200 among these.

    Args:
        codes: of the rows.
        queries: (queries, dim).
        scores: (queries, rows), true ones.
        deviations: below the mark, which is the true cosine of the last of 200.
    """
    shares = []
    for looks, true in zip(codes.estimates(queries), scores, strict=True):
        order = np.argpartition(true, len(true) - DEPTH)[len(true) - DEPTH :]
        order = order[np.argsort(-true[order])]
        goes_on = looks + np.float32(deviations) * codes.spreads >= true[order[-1]]
        shares.append([100 * goes_on.mean(), goes_on[order[:RECALL_AT]].mean(), goes_on[order].mean()])
    percent, first, all_of_them = np.mean(shares, axis=0).tolist()
    return percent, first, all_of_them


def ivf(report: Report, name: str, halves: Halves, queries: Vectors) -> None:
    """Indexes of LanceDB over some vectors."""
    # Imported late: it reads how much to log, which ``options`` sets.
    import lancedb
    from lancedb.index import IvfFlat, IvfPq

    dim, numbers = halves.shape[1], np.arange(len(halves))
    tenth = np.random.default_rng(report.arguments.seed + 1).permutation(len(halves)) % ONE_IN == 0
    scores = true_cosines(halves, queries)
    table = pa.table(
        {
            "row": numbers,
            "tenth": tenth,
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(halves.reshape(-1)), dim),
        }
    )
    lines = []
    with tempfile.TemporaryDirectory(prefix="polyreel-ivf-") as scratch:
        for kind, config in (("IVF_FLAT", IvfFlat), ("IVF_PQ", IvfPq)):
            indexed = lancedb.connect(scratch).create_table(kind, table)
            build = partial(indexed.create_index, "vector", config=config(distance_type="cosine"))
            built = cost_of(build)
            for probes in PROBES:
                shares, cost = asked_of(indexed, queries, scores, probes, None)
                among, _ = asked_of(indexed, queries, scores, probes, tenth)
                lines.append([f"{kind}, {probes} probes", built.cpu_s, *cost, shares, among])
    searched = QuantisedVectors(halves, quantise(halves))
    spent = cost_of(lambda: quantise(halves)).cpu_s
    costs = alternate({BYTES: lambda: [searched.cosines(query[None])[0].best(DEPTH) for query in queries]}, 3)
    each = [1e3 * of(costs[BYTES]) / len(queries) for of in (median_cpu_s, median_wall_s)]
    recalls = [recall(searched, queries, scores, mask) for mask in (None, tenth)]
    lines.append([BYTES, spent, *each, *recalls])
    columns = [
        "",
        "built in CPU s",
        "CPU ms a query",
        "wall ms",
        f"recall@{RECALL_AT}",
        f"among one in {ONE_IN}",
    ]
    report.table(f"{len(halves):,} vectors of {dim} numbers, {name}", columns, lines)


def asked_of(
    indexed: Any,
    queries: Vectors,
    scores: NDArray[np.float64],
    probes: int,
    mask: NDArray[np.bool_] | None,
) -> tuple[float, tuple[float, float]]:
    """Recall of an index, and what a query takes it: ms of CPU and of wall time.

    Args:
        indexed: table of LanceDB.
        queries: (queries, dim).
        scores: (queries, rows), true ones.
        probes: how many partitions are searched; ten times as many rows as wanted are compared exactly.
        mask: (rows,) of those that may be found; None for all.
    """

    def ask() -> list[list[int]]:
        found = []
        for query in queries:
            search = indexed.search(query.astype(np.float16)).distance_type("cosine").nprobes(probes)
            search = search.refine_factor(REFINE).limit(RECALL_AT)
            search = search if mask is None else search.where("tenth")
            found.append(search.select(["row", "_distance"]).to_arrow()["row"].to_pylist())
        return found

    found = ask()
    cost = cost_of(ask)
    shares = []
    for rows, true in zip(found, scores, strict=True):
        allowed = true if mask is None else np.where(mask, true, -2.0)
        right = np.argpartition(allowed, len(allowed) - RECALL_AT)[len(allowed) - RECALL_AT :]
        shares.append(len(set(rows) & set(right.tolist())) / RECALL_AT)
    return float(np.mean(shares)), (1e3 * cost.cpu_s / len(queries), 1e3 * cost.wall_s / len(queries))


if __name__ == "__main__":
    sys.exit(main())
