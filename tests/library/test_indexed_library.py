"""A library searched by an index on the disk: as an exact search, whatever happens to the index."""

from __future__ import annotations

import shutil
from pathlib import Path

import lancedb
import numpy as np
import pytest

from films import film, index_films, open_library, videos_at_random
from polyreel.library.search import indexed_vectors as indexed
from polyreel.library.search.filters import Filter
from polyreel.library.search.indexed_vectors import Addresses, IndexedVectors
from polyreel.library.search.searched_vectors import DamagedVectorsError, ExactVectors, way_of_search
from polyreel.library.store import vector_index
from polyreel.library.store.doctor import examine
from polyreel.library.store.state import generation_of, read_state
from polyreel.library.store.store import Commit, writing
from polyreel.library.store.vector_index import index_facts, is_indexed, partitions_of, probes_of

VIDEOS = 200


@pytest.fixture(autouse=True)
def _every_library_wants_an_index(monkeypatch):
    monkeypatch.setattr(vector_index, "PLANES_BYTES", 0)
    monkeypatch.setattr(indexed, "COMPARED_WITHOUT", 20)
    # So few bits as the tiny bundle's vectors have say little of the order of random ones.
    monkeypatch.setattr(indexed, "_COMPARED", 1_800)
    monkeypatch.setattr(indexed, "_ASKED_AT_MOST", 1 << 20)


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_bundle):
    """2,000 clips of 200 videos in 20 folders, with vectors at random, and their index."""
    folder = tmp_path_factory.mktemp("indexed") / "library"
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(vector_index, "PLANES_BYTES", 0)
        with writing(folder, generation_of(tiny_bundle.card, str(tiny_bundle.folder))) as writer:
            writer.commit(videos_at_random(0, VIDEOS, tiny_bundle.card.dim))
            writer.index_vectors()
    return folder


@pytest.fixture
def library(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "library"))


def hits(result):
    return [(hit.clip_id, pytest.approx(hit.score, abs=1e-6), hit.start_s, hit.end_s) for hit in result.hits]


def queries(dim):
    drawn = np.random.default_rng(9).standard_normal((5, dim)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def facts_of(library):
    state = read_state(library)
    table = lancedb.connect(library).open_table("gen-1")
    table.checkout(state.tables["gen-1"])
    return index_facts(table)


def require_exact_hits(library, *, by_index=True, **options):
    opened = open_library(library)
    for query in queries(opened.bundle.card.dim):
        found = opened.search_vector(query, top=20, **options)
        right = opened.search_vector(query, top=20, exact=True, **options)
        assert found.hits
        assert hits(found) == hits(right)
        assert (found.approximate, right.approximate) == (by_index, False)
    return opened


def tripwire(monkeypatch):
    """Count how often the index is asked."""
    asked = []
    real = vector_index.nearest

    def counting(*arguments, **options):
        asked.append(arguments)
        return real(*arguments, **options)

    monkeypatch.setattr(vector_index, "nearest", counting)
    return asked


@pytest.mark.parametrize(
    "options",
    [{}, {"filters": Filter(folder="07")}, {"filters": Filter(folder=f"07/{7:032x}.mp4")}, {"per_video": 1}],
)
def test_its_hits_are_those_of_exact_search(library, monkeypatch, options):
    asked = tripwire(monkeypatch)
    # Of a folder fewer pass than are looked for, so that all of them are compared.
    opened = require_exact_hits(library, by_index="filters" not in options, **options)
    assert isinstance(opened.snapshot.index.clip_vectors, IndexedVectors)
    assert bool(asked) is (options.get("filters") is None or options["filters"].folder == "07")
    asked.clear()
    again = open_library(library)  # from what was laid out
    again.search_vector(queries(again.bundle.card.dim)[0], exact=True)
    assert not asked


def test_the_first_hits_are_the_same_however_many_are_wanted(library, monkeypatch):
    """Also where the index is asked for so few that it gives others than an exact search."""
    monkeypatch.setattr(indexed, "_COMPARED", 210)
    opened = open_library(library)
    for query in queries(opened.bundle.card.dim):
        found = {top: opened.search_vector(query, top=top).hits for top in (1, 10, 60, 500)}
        assert all(found[top] == found[500][:top] for top in found)
    assert len(found[500]) == 500


def test_new_clips_are_found_without_the_index_until_it_has_them(library, tiny_bundle, monkeypatch):
    monkeypatch.setattr(vector_index, "_FEW_NEW", 100)
    dim = tiny_bundle.card.dim
    with writing(library) as writer:
        writer.commit(videos_at_random(VIDEOS, 5, dim))
        writer.commit(videos_at_random(VIDEOS + 5, 5, dim))
        begun: list[int] = []
        writer.index_vectors(on_begin=begun.append)  # which so few do not make longer
    assert not begun
    assert facts_of(library) == vector_index.IndexFacts("vectors-2000", 2000, 100)
    way = way_of_search(2100, dim, facts_of(library))
    assert way.startswith("approximately: by an index on the disk, 100 new ones without it")
    opened = require_exact_hits(library)
    new = opened.snapshot.index.clip_vectors.addresses.new
    ids = opened.snapshot.index.clips["clip_id"].take(new).to_pylist()
    assert len(ids) == 100
    assert all(int(name[:32], 16) >= VIDEOS for name in ids)
    for row in (new[0], new[-1]):
        vector = np.array(opened.snapshot.index.clip_vectors[int(row)])
        assert opened.search_vector(vector, top=1).hits[0].clip_id == ids[list(new).index(row)]

    with writing(library) as writer:
        writer.commit(videos_at_random(VIDEOS + 10, 1, dim))
        writer.index_vectors(on_begin=begun.append)
    assert begun == [2110]
    assert facts_of(library) == vector_index.IndexFacts("vectors-2000", 2000, 0)
    require_exact_hits(library)


def test_what_was_removed_is_not_found(library):
    gone = [f"/videos/07/{7:032x}.mp4"]
    with writing(library) as writer:
        writer.commit(Commit(removed_paths=gone))
        writer.drop_orphans()
    opened = require_exact_hits(library)
    assert len(opened.snapshot.index.clips) == 1990
    assert isinstance(opened.snapshot.index.clip_vectors, IndexedVectors)


def test_an_outgrown_index_is_made_anew_and_a_needless_one_goes(library, tiny_bundle, monkeypatch):
    with writing(library) as writer:
        writer.commit(videos_at_random(VIDEOS, 201, tiny_bundle.card.dim))
        writer.index_vectors()
    assert facts_of(library) == vector_index.IndexFacts("vectors-4010", 4010, 0)
    require_exact_hits(library)
    monkeypatch.setattr(vector_index, "PLANES_BYTES", 1 << 40)
    with writing(library) as writer:
        writer.index_vectors()
    assert facts_of(library) is None
    opened = require_exact_hits(library, by_index=False)
    assert isinstance(opened.snapshot.index.clip_vectors, ExactVectors)


@pytest.mark.parametrize("killed_after", ["_drop", "create_index"])
def test_a_library_whose_index_was_not_finished_is_searched_as_before(
    library, tiny_bundle, monkeypatch, killed_after
):
    before = read_state(library)

    class KilledError(BaseException):
        pass

    def killed(*_arguments, **_options):
        raise KilledError

    if killed_after == "_drop":
        monkeypatch.setattr(vector_index, "_build", killed)
    else:
        from polyreel.library.store.store import Writer

        monkeypatch.setattr(Writer, "_publish_changes", killed)
    with writing(library) as writer:
        monkeypatch.setattr(vector_index, "_OUTGROWN", 0)
        with pytest.raises(KilledError):
            writer.index_vectors()
    monkeypatch.setattr(vector_index, "_OUTGROWN", 2)
    assert read_state(library) == before
    require_exact_hits(library)
    with writing(library) as writer:  # takes back what was begun
        writer.commit(videos_at_random(VIDEOS, 1, tiny_bundle.card.dim))
    assert facts_of(library) == vector_index.IndexFacts("vectors-2000", 2000, 10)
    require_exact_hits(library)


def test_a_damaged_index_costs_time_and_no_hit(library, caplog):
    for path in (library / "gen-1.lance" / "_indices").rglob("*.idx"):
        path.write_bytes(b"")
    require_exact_hits(library, by_index=False)
    assert "the index of vectors cannot be read" in caplog.text
    with writing(library) as writer:
        writer.index_vectors()
    caplog.clear()
    require_exact_hits(library)
    assert not caplog.text


@pytest.mark.parametrize("damage", ["gone", "empty"])
def test_an_index_with_damaged_kinds_is_made_anew(library, caplog, damage):
    indices = library / "gen-1.lance" / "_indices"
    if damage == "gone":
        shutil.rmtree(indices)
    else:
        for path in indices.rglob("bitmap*"):
            path.write_bytes(b"")
    require_exact_hits(library, by_index=False)
    with writing(library) as writer:
        writer.index_vectors()
    caplog.clear()
    require_exact_hits(library)
    assert not caplog.text
    assert facts_of(library) == vector_index.IndexFacts("vectors-2000", 2000, 0)


def test_a_damaged_head_of_laid_out_vectors_costs_nothing_but_time(library):
    require_exact_hits(library)
    for path in (library / "cache").rglob("clips*.npy"):
        head = bytearray(path.read_bytes())
        head[32:96] = bytes(each ^ 0xFF for each in head[32:96])
        path.write_bytes(head)
    require_exact_hits(library)


def test_what_others_cannot_build_is_built_here(library, monkeypatch):
    asked = []

    def cannot(*arguments):
        asked.append(arguments)
        return False

    monkeypatch.setattr(vector_index, "_OUTGROWN", 0)
    with writing(library) as writer:
        writer.index_vectors(cannot)
    assert asked == [(library / "gen-1.lance", "vector", "vectors-2000", 16)]
    assert facts_of(library) == vector_index.IndexFacts("vectors-2000", 2000, 0)
    require_exact_hits(library)


def test_index_makes_it_at_its_end(tmp_path, tiny_bundle):
    film(tmp_path / "videos" / "a.mp4", "red", "blue", "green", each_s=3)
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    assert examine(tmp_path / "library").ways["clips"].startswith("approximately: by an index on the disk,")
    opened = open_library(tmp_path / "library")
    assert isinstance(opened.snapshot.index.clip_vectors, IndexedVectors)
    assert opened.search("red", mode="visual").hits[0].start_s == 0.0


def test_addresses_that_nobody_has_are_damage():
    own = Addresses(np.array([1, 5, 9], np.uint64), np.array([2, 0, 1]), np.zeros(0, np.int64))
    assert own.rows_at(np.array([9, 1], np.uint64)).tolist() == [1, 2]
    for wrong in (4, 10):
        with pytest.raises(DamagedVectorsError):
            own.rows_at(np.array([wrong], np.uint64))


def test_sizes(monkeypatch):
    monkeypatch.setattr(vector_index, "PLANES_BYTES", 4_600_000_000)
    monkeypatch.setattr(vector_index.os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4096}.get(name, 8 << 20))
    assert not is_indexed(10_000_000, 384)
    assert is_indexed(12_000_000, 384)
    assert is_indexed(6_000_000, 768)
    monkeypatch.setattr(vector_index.os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4096}.get(name, 2 << 20))
    assert is_indexed(3_000_000, 768)  # on a machine of 8 GB
    assert (partitions_of(1), partitions_of(10_000_000), partitions_of(10**9)) == (16, 2441, 16384)
    assert probes_of(10_000_000, 1.0) == 256
    assert probes_of(10_000_000, 0.1) == 2441
    assert probes_of(2000, 1.0) == 16
