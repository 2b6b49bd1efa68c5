"""How many hits are wanted says where they end, and nothing else; they are in the order of all clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from polyreel.encoders.runtime import Bundle
from polyreel.library.results import MODES, SearchResult
from polyreel.library.search import ranking, searched_vectors
from polyreel.library.search.clip_evidence import ClipEvidence
from polyreel.library.search.filters import Filter
from polyreel.library.search.joined_library import open_joined
from polyreel.library.search.search import Library
from polyreel.library.search.search_query import compare, text_query
from polyreel.library.store.state import generation_of
from polyreel.library.store.store import Commit, writing

WORDS = ("red", "dog", "the", "park", "红色", "чёрный", "chó", "run")
SOURCES = ("beside.srt", "speech", "screen")
FACTS = dict.fromkeys(("sidecars", "message", "health", "indexed_at"), "")
GAPS_S = (0.0, 0.0, 0.0, 0.5, 3.0)
COUNTS = (1, 3, 10, 1000)


@dataclass(frozen=True)
class Kind:
    """What a library at random is like."""

    seed: int
    videos: int
    clips: int
    alike: float
    lines: int
    measured: bool


KINDS = st.builds(
    Kind,
    seed=st.integers(0, 2**32 - 1),
    videos=st.integers(1, 12),
    clips=st.integers(1, 20),
    alike=st.sampled_from([0.0, 0.5, 0.95]),
    lines=st.integers(0, 20),
    measured=st.booleans(),
)


def commit_at_random(kind: Kind, dim: int) -> Commit:
    """Clips that follow one another or do not, many like the one before, and lines of a few words."""
    rng = np.random.default_rng(kind.seed)
    files, clips, lines, ids, vectors = [], [], [], [], []
    for number in range(kind.videos):
        video = f"{number:032x}"
        path = f"/videos/{number % 3}/{video}.mp4"
        files.append({"path": path, "video": video, "size_bytes": 1, "mtime_ns": 1, "status": "ok", **FACTS})
        time_s, vector = 0.0, rng.standard_normal(dim)
        for _ in range(rng.integers(1, kind.clips + 1)):
            if rng.random() >= kind.alike:
                vector = rng.standard_normal(dim)
            elif rng.random() < 0.5:
                vector = vector + rng.standard_normal(dim) * np.linalg.norm(vector) / dim
            time_s += float(rng.choice(GAPS_S))
            clip = {"clip_id": f"{video}@{round(time_s * 1000):010d}", "video": video, "thumbnail": ""}
            clips.append({**clip, "start_s": time_s, "end_s": (time_s := time_s + float(rng.uniform(1, 10)))})
            ids.append({"id": clip["clip_id"], "video": video, "kind": "clip"})
            vectors.append(vector)
        for line in range(rng.integers(0, kind.lines + 1)):
            start_s = float(rng.uniform(0, time_s))
            name = f"{video}#0.{line:06d}"
            text = " ".join(rng.choice(WORDS, rng.integers(1, 4)))
            lines.append({"subtitle_id": name, "video": video, "start_s": start_s, "end_s": start_s + 1})
            lines[-1] |= {"text": text, "language": "en", "source": str(rng.choice(SOURCES))}
            ids.append({"id": name, "video": video, "kind": "subtitle"})
            vectors.append(rng.standard_normal(dim))
    rows = np.array(vectors)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return Commit(files=files, clips=clips, subtitles=lines, embeddings=ids, vectors=list(rows))


def library_of(folder: Path, bundle: Bundle, kind: Kind) -> Library:
    with writing(folder, generation_of(bundle.card, str(bundle.folder))) as writer:
        writer.commit(commit_at_random(kind, bundle.card.dim))
    library = Library(folder, lambda location: Bundle(Path(location)))
    if kind.measured:
        library.calibrate()
    return library


def hits(result: SearchResult) -> list[dict]:
    return [hit.model_dump() for hit in result.hits]


@pytest.fixture
def few_candidates(monkeypatch):
    """Small libraries are too deep to be looked through at once."""
    monkeypatch.setattr(ranking, "_CANDIDATES", 3)
    monkeypatch.setattr(ranking, "_DEEPER", 2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=8)
@given(KINDS, st.sampled_from(["red dog", '"the park"', "红色 run", "chó"]), st.sampled_from([None, 1, 2]))
@example(Kind(1, 12, 20, 0.5, 20, measured=True), "the", None)
def test_the_first_hits_are_the_same_however_many_are_wanted(
    tmp_path_factory, tiny_bundle, few_candidates, kind, query, per_video
):
    library = library_of(tmp_path_factory.mktemp("stream") / "library", tiny_bundle, kind)
    for mode in (*MODES, "visual,speech"):
        found = {top: library.search(query, mode=mode, top=top, per_video=per_video) for top in COUNTS}
        most = hits(found[1000])
        for top, result in found.items():
            assert hits(result) == most[:top]
            assert (result.verdict, result.confident) == (found[1000].verdict, found[1000].confident)
        assert [hit["score"] for hit in most] == sorted((hit["score"] for hit in most), reverse=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=8)
@given(KINDS, st.sampled_from(["red dog", '"the park"', "红色 run", "chó"]), st.sampled_from([None, 1]))
def test_how_many_candidates_are_looked_at_changes_nothing(
    tmp_path_factory, tiny_bundle, kind, query, per_video
):
    """What few candidates of each kind find is what a look at every clip and line finds."""
    library = library_of(tmp_path_factory.mktemp("pool") / "library", tiny_bundle, kind)
    for mode in MODES:
        told = []
        for candidates in (1, 2, 5, 10_000):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(ranking, "_CANDIDATES", candidates)
                patch.setattr(ranking, "_DEEPER", 2)
                told.append(hits(library.search(query, mode=mode, top=50, per_video=per_video)))
        assert told[:-1] == [told[-1]] * 3


@pytest.mark.parametrize("mode", ["visual", "hybrid"])
def test_of_what_looks_alike_and_of_one_video_the_first_hits_are_the_same(
    tmp_path, tiny_bundle, few_candidates, mode
):
    library = library_of(tmp_path / "library", tiny_bundle, Kind(5, 8, 20, 0.95, 8, measured=True))
    clip = library.search("red", mode=mode, top=1).hits[0].clip_id
    for filters in (Filter(), Filter(folder="1")):
        for ask in (
            lambda top, filters=filters: library.search_like(clip, top=top, filters=filters),
            lambda top, filters=filters: library.search("dog", mode=mode, top=top, filters=filters),
        ):
            most = hits(ask(1000))
            assert [hits(ask(top)) for top in COUNTS] == [most[:top] for top in COUNTS]


def test_several_libraries_give_the_same_first_hits(tmp_path, tiny_bundle, few_candidates):
    kinds = [Kind(seed, 6, 9, 0.5, 9, measured=True) for seed in (1, 2)]
    for number, kind in enumerate(kinds):
        library_of(tmp_path / f"{number}", tiny_bundle, kind).close()
    with open_joined([tmp_path / "0", tmp_path / "1"], lambda location: Bundle(Path(location))) as joined:
        most = hits(joined.search("the dog", top=1000))
        assert [hits(joined.search("the dog", top=top)) for top in COUNTS] == [most[:top] for top in COUNTS]


def test_a_weight_is_the_sum_of_what_is_seen_and_of_the_line_that_says_most(tmp_path, tiny_bundle):
    """However the clip was found: what is far down in a list of its own kind counts all the same."""
    library = library_of(tmp_path / "library", tiny_bundle, Kind(3, 10, 15, 0.2, 20, measured=True))
    snapshot, card = library.snapshot, library.bundle.card
    query = text_query("the red dog")
    (vector,) = library.encode([query])
    (cosines,) = compare(snapshot.index.clip_vectors, [query], vector[None])
    evidence = ClipEvidence(snapshot, card, query, vector, cosines)
    every = evidence.of(np.arange(len(snapshot.index.clips)))
    for depth in (1, 4, 30):
        pool = evidence.pool(depth, None)
        at = np.searchsorted(every.rows, pool.clips.rows)
        np.testing.assert_array_equal(every.weights[at], pool.clips.weights)
        left = np.setdiff1d(np.arange(len(every.rows)), at)
        assert pool.behind is not None
        assert all(every.place(place) >= pool.behind for place in left.tolist())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=8)
@given(KINDS, st.sampled_from(["red dog", "the park run"]), st.booleans())
@example(Kind(1, 12, 20, 0.5, 20, measured=True), "the", True)
def test_what_a_pool_was_not_looked_into_for_lies_behind_it(
    tmp_path_factory, tiny_bundle, monkeypatch, few_candidates, kind, query, is_unknown
):
    """In one byte a number, and where what lines mean is known of those alone that are read."""
    monkeypatch.setattr(searched_vectors, "EXACT_BYTES", 0)
    if is_unknown:
        for cosines in (searched_vectors._ExactCosines, searched_vectors._NearCosines):
            monkeypatch.setattr(cosines, "at_most", lambda *_: None)
    library = library_of(tmp_path_factory.mktemp("bounds") / "library", tiny_bundle, kind)
    for mode in MODES:
        scores = [hit.score for hit in library.search(query, mode=mode, top=1000).hits]
        assert scores == sorted(scores, reverse=True)
