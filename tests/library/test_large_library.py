"""A library searched in one byte a number: the same hits, whatever happens to what is laid out of it."""

from __future__ import annotations

import json
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from films import film, index_films, open_library, subtitles, videos_at_random
from polyreel.cli.app import main
from polyreel.library.search import search_index as searchable
from polyreel.library.search import searched_vectors as searched
from polyreel.library.search.filters import Filter
from polyreel.library.search.quantised import can_scan
from polyreel.library.search.searched_vectors import ExactVectors, QuantisedVectors
from polyreel.library.store.state import generation_of, read_state
from polyreel.library.store.store import writing

pytestmark = pytest.mark.skipif(not can_scan(), reason="numkong is not installed")


@pytest.fixture(autouse=True)
def _every_library_is_large(monkeypatch):
    monkeypatch.setattr(searched, "EXACT_BYTES", 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_bundle):
    """2,000 clips of 200 videos in 20 folders, with vectors at random; some are alike."""
    folder = tmp_path_factory.mktemp("large") / "library"
    with writing(folder, generation_of(tiny_bundle.card, str(tiny_bundle.folder))) as writer:
        writer.commit(videos_at_random(0, 200, tiny_bundle.card.dim, alike=40))
    return folder


@pytest.fixture
def library(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "library"))


def queries(dim):
    return np.random.default_rng(9).standard_normal((5, dim)).astype(np.float32)


def hits(result):
    return [(hit.clip_id, pytest.approx(hit.score, abs=1e-6), hit.start_s, hit.end_s) for hit in result.hits]


def load(library):
    return searchable.load_search_index(library, read_state(library))


def cached(library) -> Path:
    return searchable.cache_of(library, read_state(library))


@pytest.mark.parametrize(
    "options",
    [{}, {"filters": Filter(folder="07")}, {"filters": Filter(folder=f"07/{7:032x}.mp4")}, {"per_video": 1}],
)
def test_its_hits_are_those_of_exact_search(library, monkeypatch, options):
    monkeypatch.setattr(searched, "_COMPARED", 50)
    opened = open_library(library)
    assert isinstance(opened.snapshot.index.clip_vectors, QuantisedVectors)
    for query in queries(opened.bundle.card.dim):
        query /= np.linalg.norm(query)
        found = hits(opened.search_vector(query, top=30, **options))
        assert found == hits(opened.search_vector(query, top=30, exact=True, **options))
        assert found


def test_it_answers_as_a_small_one_by_sight_and_by_lines(tmp_path, tiny_bundle, monkeypatch):
    film(tmp_path / "videos" / "a.mp4", "red", "blue", "green", each_s=3)
    film(tmp_path / "videos" / "b.mp4", "green")
    subtitles(tmp_path / "videos" / "a.srt", (0, 1, "the dog runs"), (4, 5, "a cat sleeps"))
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    large = open_library(tmp_path / "library")
    assert isinstance(large.snapshot.index.subtitle_vectors, QuantisedVectors)
    shutil.rmtree(tmp_path / "library" / "cache")
    monkeypatch.setattr(searched, "EXACT_BYTES", 1 << 30)
    small = open_library(tmp_path / "library")
    for library in (small, large):
        library.calibrate()
    assert isinstance(small.snapshot.index.clip_vectors, ExactVectors)
    for query, mode in (("red", "visual"), ("green", "hybrid"), ("the dog runs", "subtitles")):
        one, other = (library.search(query, mode=mode) for library in (small, large))
        assert hits(one) == hits(other)
        assert one.verdict == other.verdict
        for a, b in zip(one.hits, other.hits, strict=True):
            assert a.strength == pytest.approx(b.strength, abs=1e-4)
    like = small.search_like(small.search("red").hits[0].clip_id)
    assert hits(like) == hits(large.search_like(large.search("red").hits[0].clip_id))
    vectors = tiny_bundle.encode_text(["green", "red"])
    for pooling in ("best", "mean"):
        (paths, scores), (same, wanted) = (
            library.score_videos(vectors, pooling=pooling) for library in (large, small)
        )
        assert paths == same
        assert scores == pytest.approx(wanted, abs=1e-6)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero_its_end(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [Path.unlink, cut, zero_its_end, flip_a_bit])
@pytest.mark.parametrize("part", ["clips.lower.npy", "clips.scales.npy", "clips.check.npy"])
def test_damaged_codes_are_made_anew(library, part, damage):
    before = load(library).clip_vectors
    copy = cached(library) / "copy"
    shutil.copy(cached(library) / part, copy)  # what is mapped keeps the old file
    damage(copy)
    (cached(library) / part).unlink()
    if copy.exists():
        copy.replace(cached(library) / part)
    after = load(library).clip_vectors
    assert np.array_equal(after.codes.lower, before.codes.lower)
    assert np.array_equal(after.codes.checksum(), np.load(cached(library) / "clips.check.npy"))
    assert np.array_equal(np.asarray(after), np.asarray(before))


def test_codes_of_another_commit_do_not_fit(library, tiny_bundle):
    load(library)
    old = cached(library)
    kept = {part.name: part.read_bytes() for part in old.iterdir()}
    with writing(library) as writer:
        writer.commit(videos_at_random(200, 20, tiny_bundle.card.dim, alike=40))
    wanted = np.asarray(load(library).clip_vectors)
    assert not old.exists(), "what was laid out of the commit before is still there"
    for part in (name for name in kept if name.startswith("clips.") and name != "clips.arrow"):
        (cached(library) / "new").write_bytes(kept[part])
        (cached(library) / "new").replace(cached(library) / part)
    again = load(library).clip_vectors
    assert np.array_equal(np.asarray(again), wanted)
    assert len(again.codes.scales) == len(wanted) == 2_200


def test_vectors_lost_in_a_power_cut_are_noticed_by_the_search_itself(library):
    opened = open_library(library)
    query = queries(opened.bundle.card.dim)[0]
    query /= np.linalg.norm(query)
    wanted = hits(opened.search_vector(query))
    part = cached(library) / "clips.npy"
    zero_its_end(shutil.copy(part, part.with_name("new")))
    part.with_name("new").replace(part)
    damaged = open_library(library)
    assert hits(damaged.search_vector(query)) == wanted
    assert hits(damaged.search_vector(query)) == wanted
    assert hits(open_library(library).search_vector(query, exact=True)) == wanted


def test_without_the_scanner_it_is_searched_exactly(library, monkeypatch):
    load(library)
    monkeypatch.setattr(searched, "can_scan", lambda: False)
    assert isinstance(load(library).clip_vectors, ExactVectors)
    assert isinstance(load(library).clip_vectors, ExactVectors)


def test_readers_go_on_while_commits_are_made(library, tiny_bundle):
    """Each answer is that of one commit or another, never a mixture."""
    opened = open_library(library)
    query = queries(tiny_bundle.card.dim)[0]
    query /= np.linalg.norm(query)
    allowed, answers, failed = [hits(opened.search_vector(query, exact=True))], [], []
    stop = threading.Event()

    def read():
        own = open_library(library)
        try:
            while not stop.is_set():
                answers.append(hits(own.search_vector(query)))
                time.sleep(0.01)  # the commits between are to have their turn
        except BaseException as error:
            failed.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for first in (200, 220):
        with writing(library) as writer:
            writer.commit(videos_at_random(first, 20, tiny_bundle.card.dim, alike=40))
        allowed.append(hits(open_library(library).search_vector(query, exact=True)))
    stop.set()
    for reader in readers:
        reader.join()
    assert not failed
    assert answers
    assert all(answer in allowed for answer in answers)


def test_the_command_line_searches_it_exactly_where_asked_to(library, monkeypatch, capsys):
    scans = []
    scan = QuantisedVectors.cosines
    monkeypatch.setattr(QuantisedVectors, "cosines", lambda *given: scans.append(1) or scan(*given))
    found = []
    for options in ([], ["--exact"]):
        ask = ["search", "red", "--in", "visual", *options, "--json", "--library", str(library)]
        assert main(ask) == 0
        found.append([hit["clip_id"] for hit in json.loads(capsys.readouterr().out)["hits"]])
    assert found[0] == found[1]
    assert len(found[0]) == 10
    assert len(scans) == 1
