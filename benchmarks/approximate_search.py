"""``python benchmarks/approximate_search.py``: what a look at the signs leaves out, and an IVF.

Large libraries are searched by the signs of their vectors first; only rows whose estimate lies less than some
standard deviations below the best that are known go on. ``--part signs`` has the curve: which share of rows
goes on, and which share of the first 10 and the first 200 by float64 products is among them, with random
vectors and with mixtures of real pictures; then what a search finds and takes, a row, and what follows for
ten and fifty million. ``--part ivf`` builds indexes of LanceDB over the same vectors and asks them the same,
among all rows and among one in ten: how many partitions have to be searched, and what building, searching and
memory take beside the signs. Product quantisation (``IvfPq``) is left out: beside its partitions it trains
codebooks, and RaBitQ's codes of one bit, which need none, are as small.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from common import Report, alternate, cost_of, median_cpu_s, median_wall_s, options, run, unit_rows
from exact_search import (
    BYTES,
    DEPTH,
    MIXED,
    RECALL_AT,
    Vectors,
    alone,
    mixtures_of,
    random_halves,
    real_pictures,
    recall,
    resident_mb,
    true_cosines,
)
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.library.search.quantised import Codes, quantise
from polyreel.library.search.searched_vectors import QuantisedVectors, write_vectors
from polyreel.library.store.tables import embedding_schema
from polyreel.library.store.vector_index import (
    TRAINING_ROUNDS,
    TRAINING_ROWS_A_PARTITION,
    TableIndex,
    nearest,
)

PARTS = ("signs", "ivf")
DEVIATIONS = (0.5, 1.0, 1.5, 2.0, 3.0)
QUERIES, TIMED = 20, 5
FAR = (10_000_000, 50_000_000)
ONE_IN = 10
# Less than a library's partitions have, so that of fewer rows there are as many.
ROWS_A_PARTITION = 512
SHARES, CANDIDATES = (0.05, 0.1, 0.25, 0.5), 500
KINDS = ("IvfRq", "IvfSq", "IvfFlat")
Halves = NDArray[np.float16]


def main() -> int:
    """Measure the parts."""
    parser = options(__doc__)
    parser.add_argument("--part", choices=PARTS, action="append", help="what to measure; by default all")
    parser.add_argument("--rows", type=int, help="so many mixtures for --part ivf, and its first index alone")
    parser.add_argument("--asked", type=Path, help=argparse.SUPPRESS)  # what a process of its own asks
    arguments = parser.parse_args()
    if arguments.asked is not None:
        print(json.dumps(memory_asked(arguments.asked, arguments.seed)))
        return 0
    report = Report("approximate search", arguments, ("numpy", "numkong"))
    parts = arguments.part or PARTS
    bundle = Bundle(locate_bundle())
    few = arguments.rows or (25_000 if arguments.quick else 200_000)
    found = galleries(bundle, few, arguments.seed)[-1 if arguments.rows else 0 :]
    for name, halves, queries in found if "signs" in parts else ():
        signs(report, name, halves, queries)
    for name, halves, queries in found if "ivf" in parts else ():
        few = arguments.rows or (5_000 if arguments.quick else 100_000)
        # The others lose to the first where there is something to find.
        kinds = KINDS if name == MIXED and not arguments.rows else KINDS[:1]
        ivf(report, name, halves[:few], queries, kinds)
    return report.close()


def galleries(bundle: Bundle, rows: int, seed: int) -> list[tuple[str, Halves, Vectors]]:
    """Name, vectors and queries: the hardest case and a usual one."""
    rng, dim = np.random.default_rng(seed), bundle.card.dim
    random = random_halves(rows, dim, rng), unit_rows(rng.standard_normal((QUERIES, dim), np.float32))
    pictures, captions = real_pictures(bundle)
    return [("random", *random), (MIXED, mixtures_of(pictures, rows, seed), captions[::20][:QUERIES])]


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


def ivf(report: Report, name: str, halves: Halves, queries: Vectors, kinds: Sequence[str]) -> None:
    """Indexes of LanceDB over some vectors, beside the signs of all of them."""
    # Imported late: it reads how much to log, which ``options`` sets.
    import lancedb
    from lancedb import index as configs

    scores = true_cosines(halves, queries)
    tenth = np.random.default_rng(report.arguments.seed + 1).permutation(len(halves)) % ONE_IN == 0
    masks, partitions = (None, tenth), max(64, len(halves) // ROWS_A_PARTITION)
    lines, built, memory = [], [], []
    with tempfile.TemporaryDirectory(prefix="polyreel-ivf-") as scratch:
        database = lancedb.connect(scratch)
        for kind in kinds:
            table = database.create_table(kind, rows_of(halves))
            config = getattr(configs, kind)(
                distance_type="cosine",
                num_partitions=partitions,
                max_iterations=TRAINING_ROUNDS,
                sample_rate=TRAINING_ROWS_A_PARTITION,
            )
            spent = cost_of(partial(table.create_index, "vector", config=config))
            table.create_index("kind", config=configs.Bitmap())
            files = [path.stat().st_size for path in Path(scratch, f"{kind}.lance", "_indices").rglob("*.*")]
            built.append([kind, spent.cpu_s, spent.wall_s, sum(files) / len(halves)])
            for share in SHARES:
                probes = round(share * partitions)
                asked = partial(asked_of, table, halves, queries)
                recalls = [shares_found(asked(probes, mask), scores, mask) for mask in masks]
                costs = [cost_of(partial(asked, probes, None)) for _ in range(3)]
                each = [1e3 * of(costs) / len(queries) for of in (median_cpu_s, median_wall_s)]
                lines.append(
                    [f"{kind}, {probes} of {partitions} partitions", *each, *recalls[0], *recalls[1]]
                )
        memory.append([kinds[0], *asked_alone(Path(scratch), kinds[0], report.arguments.seed)])
        spent = cost_of(partial(quantise, halves))
        searched = QuantisedVectors(halves, quantise(halves))
        codes = sum(array.nbytes for array in searched.codes.arrays().values()) / len(halves)
        built.append([BYTES, spent.cpu_s, spent.wall_s, codes])
        ways = {BYTES: lambda: [searched.cosines(query[None])[0].best(DEPTH) for query in queries]}
        costs = alternate(ways, 3)[BYTES]
        each = [1e3 * of(costs) / len(queries) for of in (median_cpu_s, median_wall_s)]
        depths = RECALL_AT, DEPTH
        recalls = [recall(searched, queries, scores, mask, depth) for mask in masks for depth in depths]
        lines.append([BYTES, *each, *recalls])
        (place := Path(scratch, "signs")).mkdir()
        write_vectors(place, "clips", searched)
        memory.append([BYTES, 0.0, alone(place, report.arguments.seed)["MB"]])
    title = f"{len(halves):,} vectors of {halves.shape[1]} numbers, {name}"
    columns = ["CPU ms a query", "wall ms", f"recall@{RECALL_AT}", f"recall@{DEPTH}"]
    among = [f"recall@{depth} among one in {ONE_IN}" for depth in depths]
    report.table(f"{title}: {CANDIDATES} candidates compared exactly", ["", *columns, *among], lines)
    report.table(f"{title}: built", ["", "CPU s", "wall s", "bytes a row"], built)
    report.table(
        "Memory of a process of its own, MB", ["", "Lance, before a search", "searching adds"], memory
    )
    looked = next(line for line in lines if line[0].startswith(f"{kinds[0]}, {round(0.25 * partitions)} "))
    if name == MIXED:  # random vectors have no partitions to speak of
        report.target(f"{name}, recall@{RECALL_AT} of {looked[0]}", looked[3], ">=", 0.95)
        report.target(f"{name}, the same among one in {ONE_IN}", looked[5], ">=", 0.95)


def rows_of(halves: Halves) -> pa.Table:
    """Vectors as a library's table has them, all of clips."""
    dim, ids = halves.shape[1], np.arange(len(halves)).astype(str)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(halves.reshape(-1)), dim)
    columns = [pa.array(ids), pa.array(ids), pa.repeat("clip", len(halves)), vectors]
    return pa.Table.from_arrays(columns, schema=embedding_schema(dim))


def asked_of(
    table: Any, halves: Halves, queries: Vectors, probes: int, mask: NDArray[np.bool_] | None
) -> list[NDArray[np.int64]]:
    """The best rows for each query, of the candidates that an index gives.

    Args:
        table: of LanceDB, its rows in one fragment, so that an address is a row.
        halves: its vectors.
        queries: (queries, dim).
        probes: how many partitions are searched, and of a filtered query as many times more as it leaves out.
        mask: (rows,) of those that may be found; None for all.
    """
    times, found = (1 if mask is None else ONE_IN), []
    for query in queries:
        rows = nearest(table, "clip", query, times * CANDIDATES, probes=times * probes).astype(np.int64)
        rows = np.sort(rows if mask is None else rows[mask[rows]])
        exact = (halves[rows].astype(np.float32) * query).sum(axis=1)
        found.append(rows[np.argsort(-exact, kind="stable")[:DEPTH]])
    return found


def shares_found(
    found: Sequence[NDArray[np.int64]], scores: NDArray[np.float64], mask: NDArray[np.bool_] | None
) -> list[float]:
    """Shares of the first 10 and 200 by true cosines, (queries, rows), that were found."""
    shares = []
    for depth in (RECALL_AT, DEPTH):
        own = []
        for rows, true in zip(found, scores, strict=True):
            allowed = true if mask is None else np.where(mask, true, -2.0)
            right = np.argpartition(allowed, len(allowed) - depth)[len(allowed) - depth :]
            own.append(len(set(rows[:depth].tolist()) & set(right.tolist())) / depth)
        shares.append(float(np.mean(own)))
    return shares


def asked_alone(folder: Path, name: str, seed: int) -> list[float]:
    """Memory of a new process that asks an index, MB: before it searches, and what searches add."""
    command = [sys.executable, __file__, "--asked", folder / name, "--seed", str(seed)]
    found: list[float] = json.loads(run(command))
    return found


def memory_asked(place: Path, seed: int) -> list[float]:
    """What ``asked_alone`` wants to know, in this process."""
    began_mb = resident_mb()
    table = TableIndex(place.parent, place.name, None).table
    opened_mb, dim = resident_mb(), table.schema.field("vector").type.list_size
    drawn = np.random.default_rng(seed + 2).standard_normal((QUERIES, dim), np.float32)
    probes = max(64, table.count_rows() // ROWS_A_PARTITION) // 4
    for query in unit_rows(drawn):
        nearest(table, "clip", query, CANDIDATES, probes=probes)
    return [opened_mb - began_mb, resident_mb() - opened_mb]


if __name__ == "__main__":
    sys.exit(main())
