"""The index of a library's vectors, built by the nodes of a cluster: searched and kept as one built here."""

from __future__ import annotations

from importlib.util import find_spec

import lancedb
import numpy as np
import pytest

from clusters import needs_ray, three_nodes
from films import open_library, videos_at_random
from polyreel.library.index.vector_index_on_ray import RayVectorIndex
from polyreel.library.search import indexed_vectors as indexed
from polyreel.library.search.indexed_vectors import IndexedVectors
from polyreel.library.store import vector_index
from polyreel.library.store.state import generation_of, read_state
from polyreel.library.store.store import writing
from polyreel.library.store.vector_index import IndexFacts, index_facts
from polyreel.scale.cluster import Cluster

pytestmark = [
    pytest.mark.slow,
    *needs_ray,
    pytest.mark.filterwarnings("ignore"),  # Ray's and Lance's of themselves
    pytest.mark.skipif(find_spec("lance") is None, reason="pylance is not installed"),
]

CLIPS = 500


@pytest.fixture(autouse=True)
def _every_library_wants_an_index(monkeypatch):
    monkeypatch.setattr(vector_index, "PLANES_BYTES", 0)
    monkeypatch.setattr(indexed, "COMPARED_WITHOUT", 20)
    monkeypatch.setattr(indexed, "_COMPARED", 1_800)


def require_exact_hits(library, dim):
    opened = open_library(library)
    assert isinstance(opened.snapshot.index.clip_vectors, IndexedVectors)
    for query in np.random.default_rng(9).standard_normal((5, dim)).astype(np.float32):
        query /= np.linalg.norm(query)
        found, right = (opened.search_vector(query, top=20, exact=exact) for exact in (False, True))
        assert [hit.clip_id for hit in found.hits] == [hit.clip_id for hit in right.hits]


def test_it_is_that_of_one_machine(tmp_path, tiny_bundle, caplog):
    library, dim = tmp_path / "library", tiny_bundle.card.dim
    made, parts = [], []

    def build(*given):
        made.append(RayVectorIndex(cluster)(*given))
        # Before the writer tidies up, and joins them.
        indices = lancedb.connect(library).open_table("gen-1").list_indices()
        parts.extend(each.num_segments for each in indices if each.name == "vectors-2000")
        return made[-1]

    with writing(library, generation_of(tiny_bundle.card, str(tiny_bundle.folder))) as writer:
        for number in range(4):
            writer.commit(videos_at_random(number, 1, dim, clips_each=CLIPS))
        with three_nodes() as nodes, Cluster(nodes.address) as cluster:
            writer.index_vectors(build)
    assert not caplog.text
    assert (made, parts) == ([True], [1])
    table = lancedb.connect(library).open_table("gen-1")
    assert table.version == read_state(library).tables["gen-1"]
    assert index_facts(table) == IndexFacts("vectors-2000", 2000, 0)
    require_exact_hits(library, dim)
    with writing(library) as writer:
        writer.commit(videos_at_random(4, 1, dim, clips_each=CLIPS))
        writer.index_vectors()
    require_exact_hits(library, dim)
