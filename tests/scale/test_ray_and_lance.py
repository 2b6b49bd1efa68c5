"""Ray, lance-ray, pylance and LanceDB together: what works, and what good guesses get wrong.

Nothing of the program is here. It decides why ``library/index/on_ray.py`` asks actors of its own and commits
by one writer, and says when that may change. Needs ``pip install "ray[data]" lance-ray pylance``.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from clusters import needs_ray
from polyreel.scale.cluster import LOCAL, Cluster

# Not imported here: what Ray is to be told of a cluster it reads once, when it is imported.
pytestmark = [
    pytest.mark.slow,
    *needs_ray,
    pytest.mark.filterwarnings("ignore"),  # Ray's and Lance's of themselves
    pytest.mark.skipif(
        not (find_spec("lance") and find_spec("lance_ray")), reason="pylance or lance-ray is not installed"
    ),
]

DIM, ROWS = 16, 1_024
LARGE = 2**53 + 1
SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("count", pa.int64()),
        ("words", pa.list_(pa.string())),
        ("vector", pa.list_(pa.float32(), DIM)),
    ]
)


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with Cluster(LOCAL, cpus=2) as cluster:
        cluster.join()
        import ray

        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        yield
    gc.collect()  # what Ray leaves is told of here, where it is ignored


def table() -> pa.Table:
    made = np.random.default_rng(0).normal(size=(ROWS, DIM)).astype(np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    counts = [None if row % 7 == 0 else LARGE + row for row in range(ROWS)]
    words = [["a", f"b{row}"] if row % 3 else [] for row in range(ROWS)]
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(made.reshape(-1)), DIM)
    keys = [f"k{row:04}" for row in range(ROWS)]
    return pa.table([pa.array(keys), pa.array(counts, pa.int64()), pa.array(words), vectors], schema=SCHEMA)


def same(batch: Any) -> Any:
    return batch


def test_the_default_batch_format_changes_types_and_that_of_arrow_does_not(tmp_path):
    import lance_ray
    import lancedb
    import ray

    data = ray.data.from_arrow(table())
    changed = data.map_batches(same).take_all()
    by_key = {row["key"]: row["count"] for row in changed}
    assert isinstance(by_key["k0001"], float)  # 2^53 + 2 cannot be told from its neighbours
    assert by_key["k0000"] != by_key["k0000"]
    lance_ray.write_lance(
        data.map_batches(same, batch_format="pyarrow"), str(tmp_path / "rows.lance"), schema=SCHEMA
    )
    written = lancedb.connect(tmp_path).open_table("rows")
    assert written.schema == SCHEMA
    assert written.to_arrow().sort_by("key").to_pylist() == table().to_pylist()
    query = table()["vector"][5].as_py()
    assert written.search(query).limit(1).to_list()[0]["key"] == "k0005"


class Writing:
    """Appends each key to a file; ends its process once, in the middle of a batch."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, batch: pa.Table) -> pa.Table:
        for number, key in enumerate(batch["key"].to_pylist()):
            with (self._folder / "written").open("a") as file:
                file.write(f"{key}\n")
            if number == len(batch) // 2 and not (self._folder / "ended").exists():
                (self._folder / "ended").touch()
                os._exit(1)
        return batch


def test_an_actor_that_ends_doubles_what_it_did_on_the_side(tmp_path):
    import ray

    data = ray.data.from_arrow(table()).repartition(4)
    done = data.map_batches(
        Writing, fn_constructor_args=(tmp_path,), batch_format="pyarrow", concurrency=1, batch_size=None
    ).take_all()
    assert len(done) == ROWS
    written = (tmp_path / "written").read_text().split()
    assert len(written) > len(set(written)) == ROWS


def counted(batch: pa.Table, folder: Path) -> pa.Table:
    with (folder / "runs").open("a") as file:
        file.write("x")
    return batch


def test_what_is_asked_twice_runs_twice_unless_it_is_kept(tmp_path):
    import ray

    lazy = ray.data.from_arrow(table()).map_batches(
        counted, fn_kwargs={"folder": tmp_path}, batch_format="pyarrow", batch_size=None
    )
    assert lazy.count() == len(lazy.take_all()) == ROWS
    assert (tmp_path / "runs").read_text() == "xx"
    kept = lazy.materialize()
    assert kept.count() == len(kept.take_all()) == ROWS
    assert (tmp_path / "runs").read_text() == "xxx"


def careless(row: dict[str, Any]) -> dict[str, Any]:
    if row["key"] == "k0003":
        raise ValueError("one bad row")
    return row


def careful(row: dict[str, Any]) -> dict[str, Any]:
    try:
        return careless(row) | {"error": ""}
    except ValueError as error:
        return row | {"error": str(error)}


def test_one_bad_row_takes_its_block_along_unless_it_is_caught():
    import ray

    context = ray.data.DataContext.get_current()
    context.max_errored_blocks = 1  # a dataset keeps what the context says when it begins
    try:
        left = len(ray.data.from_arrow(table()).repartition(4).map(careless).take_all())
    finally:
        context.max_errored_blocks = 0
    assert left == ROWS * 3 // 4
    data = ray.data.from_arrow(table()).repartition(4)
    errors = [row["key"] for row in data.map(careful).take_all() if row["error"]]
    assert errors == ["k0003"]


def test_an_exception_of_an_actor_is_not_retried(tmp_path):
    import ray

    class Once:
        def fail(self) -> None:
            with (tmp_path / "calls").open("a") as file:
                file.write("x")
            raise ValueError("no")

    actor = ray.remote(Once).options(max_task_retries=3, max_restarts=3).remote()
    with pytest.raises(ValueError, match="no"):
        ray.get(actor.fail.remote())
    assert (tmp_path / "calls").read_text() == "x"


def segment(path: str, fragment: int, centroids: pa.Array, codebook: pa.Array) -> Any:
    import lance

    return lance.dataset(path).create_index_uncommitted(
        "vector",
        "IVF_PQ",
        name="vectors",
        metric="cosine",
        num_partitions=4,
        num_sub_vectors=8,
        ivf_centroids=centroids,
        pq_codebook=codebook,
        fragment_ids=[fragment],
    )


def test_an_index_that_is_built_by_fragments_is_read_searched_appended_to_and_optimised(tmp_path):
    """Trained by the driver, with the metric of the build; by Lance alone it could not be told from one."""
    import lance
    import lancedb
    import ray
    from lance.indices import IndicesBuilder

    path = str(tmp_path / "rows.lance")
    made = table()
    lance.write_dataset(made, path, max_rows_per_file=ROWS // 4)
    dataset = lance.dataset(path)
    builder = IndicesBuilder(dataset, "vector")
    ivf = builder.train_ivf(4, distance_type="cosine")
    pq = builder.train_pq(ivf, 8, sample_rate=ROWS // 256)
    build = ray.remote(segment)
    segments = ray.get(
        [
            build.remote(path, fragment.fragment_id, ivf.centroids, pq.codebook)
            for fragment in dataset.get_fragments()
        ]
    )
    assert len(segments) == 4
    dataset.commit_existing_index_segments("vectors", "vector", segments)

    values = np.array(made["vector"].to_pylist(), np.float32)
    queries = values[::50] + 0.01
    best = np.argsort(-(queries @ values.T), axis=1)[:, :10]
    opened = lancedb.connect(tmp_path).open_table("rows")
    (index,) = opened.list_indices()
    assert (index.name, opened.index_stats("vectors").num_unindexed_rows) == ("vectors", 0)

    def recall() -> float:
        asked = (
            opened.search(query).distance_type("cosine").nprobes(4).refine_factor(10).limit(10).to_list()
            for query in queries
        )
        keys = [{int(row["key"][1:]) for row in rows} for rows in asked]
        return float(np.mean([len(own & {*wanted}) / 10 for own, wanted in zip(keys, best, strict=True)]))

    assert recall() > 0.95
    (first, *_) = opened.search(values[3]).distance_type("cosine").limit(1).to_list()
    assert first["key"] == "k0003"
    added = made.slice(0, 1).set_column(0, "key", pa.array(["new"]))
    opened.add(added)
    assert opened.index_stats("vectors").num_unindexed_rows == 1
    opened.optimize()
    assert opened.index_stats("vectors").num_unindexed_rows == 0
    assert opened.count_rows() == ROWS + 1
    nearest = opened.search(values[0]).distance_type("cosine").limit(2).to_list()
    assert {row["key"] for row in nearest} == {"k0000", "new"}
