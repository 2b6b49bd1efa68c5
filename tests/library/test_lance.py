"""What LanceDB does that good guesses get wrong, each with what the library does instead.

Where one of the first assertions of a test fails, LanceDB has changed: look whether the library may, too.
"""

from __future__ import annotations

import lancedb
import numpy as np
import pyarrow as pa
import pytest
from lancedb.index import IvfPq, IvfSq

from films import film, index_films
from polyreel.errors import LibraryBusyError
from polyreel.library.store.state import generation_of
from polyreel.library.store.store import Commit, open_snapshot, writing
from polyreel.library.store.tables import FILES, OK, RECOGNISED

ROWS, DIM = 1_000, 32


def merge(table: lancedb.table.Table, *keys: int) -> None:
    rows = pa.table({"key": pa.array(keys, pa.int64())})
    table.merge_insert("key").when_matched_update_all().when_not_matched_insert_all().execute(rows)


def test_merge_insert_doubles_keys_and_a_library_has_one_writer(tmp_path, tiny_bundle):
    database = lancedb.connect(tmp_path / "db")
    table = database.create_table("rows", pa.table({"key": pa.array([0], pa.int64())}))
    earlier = database.open_table("rows")
    merge(table, 1)
    merge(earlier, 1)  # opened before: it does not see the row, and says nothing
    merge(table, 2, 2)  # twice within one call
    keys = database.open_table("rows").to_arrow()["key"].to_pylist()
    assert sorted(keys) == [0, 1, 1, 2, 2]

    film(tmp_path / "videos" / "red.mp4", "red")
    library = tmp_path / "library"
    index_films(tmp_path / "videos", library, tiny_bundle)
    generation = generation_of(tiny_bundle.card, str(tiny_bundle.folder))
    (row,) = open_snapshot(library).read(FILES).to_pylist()
    heard = {"video": row["video"], "source": "speech", "engine": "x/1", "status": OK, "track": 0}
    heard |= {"until_s": 1.0, "message": "", "recognised_at": "2026-01-01T00:00:00+00:00"}
    with writing(library, generation) as writer:
        with pytest.raises(LibraryBusyError), writing(library, generation):
            pass
        for _ in range(2):  # what is committed again after a crash
            writer.commit(Commit(files=[row, dict(row)], recognised=[heard, dict(heard)]))
    snapshot = open_snapshot(library)
    assert snapshot.read(FILES)["path"].to_pylist() == [row["path"]]
    assert snapshot.read(RECOGNISED)["video"].to_pylist() == [row["video"]]


def vectors(rows: int = ROWS) -> np.ndarray:
    made = np.random.default_rng(0).normal(size=(rows, DIM)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def as_table(values: np.ndarray, kind: pa.DataType, *, first: int = 0) -> pa.Table:
    flat = pa.array(values.reshape(-1)).cast(kind)
    ids = pa.array(range(first, first + len(values)))
    return pa.table({"id": ids, "vector": pa.FixedSizeListArray.from_arrays(flat, DIM)})


@pytest.mark.slow
def test_an_index_doubles_cosine_distances_until_a_row_is_not_indexed(tmp_path):
    """So scores are cosines of the vectors themselves, and no library has such an index: below."""
    made = vectors()
    query = made[0] + 0.2 * made[1]
    cosines = made @ query / np.linalg.norm(query)
    table = lancedb.connect(tmp_path).create_table("rows", as_table(made, pa.float32()))

    def ratio() -> float:
        found = table.search(query).distance_type("cosine").limit(5).to_arrow()
        return float(np.median(found["_distance"].to_numpy() / (1 - cosines[found["id"].to_numpy()])))

    assert ratio() == pytest.approx(1, abs=0.05)
    table.create_index("vector", config=IvfSq(distance_type="cosine", num_partitions=2))
    assert ratio() == pytest.approx(2, abs=0.15)
    table.add(as_table(-made[:1], pa.float32(), first=ROWS))
    assert ratio() == pytest.approx(1, abs=0.15)
    table.optimize()
    assert ratio() == pytest.approx(2, abs=0.15)


@pytest.mark.slow
def test_an_index_of_inner_products_is_spoilt_by_what_is_added(tmp_path):
    made, queries = vectors(2 * ROWS), vectors(2 * ROWS + 50)[2 * ROWS :]
    best = np.argsort(-(queries @ made.T), axis=1)[:, :10]
    config = IvfPq(distance_type="dot", num_partitions=4, num_sub_vectors=8)
    database = lancedb.connect(tmp_path)
    grown = database.create_table("grown", as_table(made[:ROWS], pa.float32()))
    grown.create_index("vector", config=config)
    grown.add(as_table(made[ROWS:], pa.float32(), first=ROWS))
    grown.optimize()
    rebuilt = database.create_table("rebuilt", as_table(made, pa.float32()))
    rebuilt.create_index("vector", config=config)

    def recall(table: lancedb.table.Table) -> float:
        asked = (table.search(query).distance_type("dot").limit(10).to_arrow() for query in queries)
        found = [set(each["id"].to_pylist()) for each in asked]
        return float(np.mean([len(own & {*wanted}) / 10 for own, wanted in zip(found, best, strict=True)]))

    assert recall(grown) < 0.75 * recall(rebuilt)


def test_whole_numbers_are_not_searched_and_libraries_hold_half_floats(tmp_path, tiny_bundle):
    codes = np.rint(vectors(10) * 127).astype(np.int8)
    table = lancedb.connect(tmp_path / "db").create_table("rows", as_table(codes, pa.int8()))
    assert table.count_rows() == 10
    with pytest.raises((RuntimeError, ValueError, TypeError)):
        table.search(codes[0]).limit(1).to_arrow()

    film(tmp_path / "videos" / "red.mp4", "red")
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    snapshot = open_snapshot(tmp_path / "library")
    assert snapshot.table(snapshot.embeddings).schema.field("vector").type.value_type == pa.float16()
    assert not any("vector" in index.columns for index in snapshot.table(snapshot.embeddings).list_indices())
