"""``python benchmarks/index_parts.py``: an index of vectors that a cluster builds, and one of one process.

A table of vectors of 384 numbers at random, around 2,000 centres, in 16 fragments. A cluster of this machine
(two readers) builds its index in parts of a fragment each, which are joined; with ``--parts`` they are not.
Searches are timed with that, and with the index that one process builds of the same table. Needs the extra
``scale`` and pylance.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from common import SKIPPED, Report, cost_of, median_cpu_s, median_wall_s, options, unit_rows

DIM, CENTRES, SPREAD, FRAGMENTS = 384, 2_000, 0.7, 16
QUERIES, ROUNDS, DEPTH = 30, 5, 200
NEW_SHARE = 20


def main() -> int:
    """Build, join and search."""
    parser = options(__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--parts", action="store_true", help="leave the parts as they are")
    arguments = parser.parse_args()
    if find_spec("lance") is None or find_spec("ray") is None:
        print("left out: pylance or Ray is not installed", file=sys.stderr)
        return SKIPPED
    report = Report("index in parts", arguments, ("lancedb", "pylance", "ray"))
    rows = 64_000 if arguments.quick else arguments.rows
    if arguments.parts:
        from polyreel.library.index import vector_index_on_ray

        vector_index_on_ray._join = lambda *_: None
    with tempfile.TemporaryDirectory(prefix="polyreel-parts-") as scratch:
        compare(report, Path(scratch), rows, np.random.default_rng(arguments.seed))
    return report.close()


def compare(report: Report, scratch: Path, rows: int, rng: np.random.Generator) -> None:
    """The same table with an index of either kind."""
    from polyreel.library.index.vector_index_on_ray import RayVectorIndex
    from polyreel.library.store.vector_index import bring_up_to_date
    from polyreel.scale.cluster import LOCAL, Cluster

    table, place, draw = written(scratch, rows, rng)
    queries = draw(QUERIES)
    steps, searches = [], []

    def step(name: str, work: Callable[[], object]) -> None:
        cost = cost_of(work)
        steps.append([name, cost.wall_s, cost.cpu_s, parts_of(table)])

    with Cluster(LOCAL, cpus=2) as cluster:
        cluster.join()
        build = RayVectorIndex(cluster, readers=2)
        step("built by two readers", lambda: bring_up_to_date(table, DIM, place, build))
    step("the writer's last step", lambda: table.optimize(cleanup_older_than=timedelta(minutes=10)))
    searches.append(["of two readers", *searched(table, queries, rows)])
    add(table, draw(rows // NEW_SHARE), "new")
    step("5% more rows are taken in", lambda: table.optimize(cleanup_older_than=timedelta(minutes=10)))
    table.drop_index(next(each.name for each in table.list_indices() if each.name.startswith("vectors-")))
    step("built by this process, of all rows", lambda: bring_up_to_date(table, DIM, place))
    searches.append(["of this process", *searched(table, queries, rows)])
    report.table(
        f"{rows:,} vectors of {DIM} numbers in {FRAGMENTS} fragments; CPU is this process's",
        ["", "wall s", "CPU s", "parts after it"],
        steps,
    )
    report.table(
        f"A search for the nearest {DEPTH}; median of {ROUNDS} rounds of {QUERIES}",
        ["index", "wall ms", "CPU ms"],
        searches,
    )


def written(scratch: Path, rows: int, rng: np.random.Generator) -> tuple[Any, Path, Callable[[int], Any]]:
    """A table of vectors, its folder, and what draws more of them."""
    import lancedb

    from polyreel.library.store.tables import embedding_schema

    centres = rng.standard_normal((CENTRES, DIM), np.float32)

    def draw(count: int) -> Any:
        noise = rng.standard_normal((count, DIM), np.float32)
        return unit_rows(centres[rng.integers(0, CENTRES, count)] + SPREAD * noise)

    table = lancedb.connect(scratch).create_table("gen-1", schema=embedding_schema(DIM))
    for number in range(FRAGMENTS):
        add(table, draw(rows // FRAGMENTS), str(number))
    return table, scratch / "gen-1.lance", draw


def add(table: Any, vectors: Any, name: str) -> None:
    """One more fragment."""
    flat = pa.array(vectors.astype(np.float16).reshape(-1))
    columns = {
        "id": [f"{name}-{number}" for number in range(len(vectors))],
        "video": [name] * len(vectors),
        "kind": ["clip"] * len(vectors),
        "vector": pa.FixedSizeListArray.from_arrays(flat, DIM),
    }
    table.add(pa.table(columns, schema=table.schema))


def parts_of(table: Any) -> str:
    """Of the index of vectors."""
    table.checkout_latest()
    return ", ".join(
        str(each.num_segments) for each in table.list_indices() if each.name.startswith("vectors-")
    )


def searched(table: Any, queries: Any, rows: int) -> tuple[float, float]:
    """Wall and CPU time of a search, in milliseconds."""
    from polyreel.library.store.vector_index import nearest, probes_of

    probes = probes_of(rows, 1.0)

    def search() -> None:
        for query in queries:
            nearest(table, "clip", query, DEPTH, probes=probes)

    search()
    costs = [cost_of(search) for _ in range(ROUNDS)]
    return 1000 * median_wall_s(costs) / len(queries), 1000 * median_cpu_s(costs) / len(queries)


if __name__ == "__main__":
    # Every table wants an index here, on any machine.
    from polyreel.library.store import vector_index

    vector_index.PLANES_BYTES = 0
    sys.exit(main())
