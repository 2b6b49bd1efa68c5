"""Large libraries: quantised vectors find what exact products find, and what is damaged is noticed."""

from __future__ import annotations

import dataclasses
import importlib.resources
import json

import numpy as np
import pytest

from polyreel.library.search import searched_vectors as searched
from polyreel.library.search.exact import best_rows
from polyreel.library.search.quantised import can_scan, quantise
from polyreel.library.search.searched_vectors import (
    DamagedVectorsError,
    ExactVectors,
    QuantisedVectors,
    is_large,
)

pytestmark = pytest.mark.skipif(not can_scan(), reason="numkong is not installed")


def unit(rows):
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(norms > 0, rows / np.maximum(norms, 1e-12), 0).astype(np.float32)


def both(vectors):
    """The same vectors as they are stored, searched exactly and in one byte a number."""
    halves = vectors.astype(np.float16)
    return ExactVectors(halves.astype(np.float32)), QuantisedVectors(halves, quantise(halves))


def same_best(vectors, queries, count=10, allowed=None):
    exact, quantised = both(vectors)
    for one, other in zip(exact.cosines(queries), quantised.cosines(queries), strict=True):
        rows, cosines = one.best(count, allowed)
        found, near = other.best(count, allowed)
        # Products of whole matrices differ by rounding with the place of a row.
        assert near == pytest.approx(cosines, abs=1e-6)
        assert np.sort(one.of(found)) == pytest.approx(np.sort(cosines), abs=1e-6)
        apart = np.diff(cosines, append=-2) < -2e-6
        apart &= np.diff(cosines, prepend=2) < -2e-6
        assert (found[apart] == rows[apart]).all()
    return quantised


@pytest.fixture(scope="module")
def texts(small_bundle):
    """Vectors of queries in nine languages, by the default bundle."""
    data = importlib.resources.files("polyreel.library.search") / "background.json"
    queries = json.loads(data.read_text(encoding="utf-8"))["queries"]
    return np.concatenate([small_bundle.encode_text(own[:8]) for own in queries.values()])


def test_real_vectors_are_found_as_by_exact_products(texts, monkeypatch):
    monkeypatch.setattr(searched, "_COMPARED", 30)
    one, other = np.triu_indices(len(texts))
    mixed = unit(2 * texts[one] + texts[other])  # 2,628 rows, each near to a hundred others
    same_best(mixed, texts[::3])


@pytest.mark.parametrize("dim", [5, 16, 100, 768])
@pytest.mark.parametrize("rows", [1, 3, 40, 3_000])
@pytest.mark.parametrize("count", [1, 10, 200])
def test_the_best_are_those_of_exact_products(rows, dim, count):
    rng = np.random.default_rng(rows + dim)
    vectors, queries = (unit(rng.standard_normal((many, dim))) for many in (rows, 3))
    same_best(vectors, queries, count)
    same_best(vectors, queries[:1], count)


@pytest.fixture(scope="module")
def looked_at():
    """Rows in clusters around a point far from the origin, their queries, and the numbers of both."""
    rng = np.random.default_rng(5)
    away, centres = 2 * rng.standard_normal(96), rng.standard_normal((300, 96))
    vectors = unit(away + centres[rng.integers(300, size=40_000)] + 0.7 * rng.standard_normal((40_000, 96)))
    queries = unit(centres[:8] + 0.3 * away + 0.5 * rng.standard_normal((8, 96)))
    return both(vectors), queries


@pytest.mark.parametrize("few", [0, 20_000])
@pytest.mark.parametrize("one_in", [1, 2, 10, 1_000])
def test_a_look_at_the_signs_leaves_out_none_of_the_first(looked_at, monkeypatch, one_in, few):
    monkeypatch.setattr(searched, "SIGNS_FROM", 1_000)
    monkeypatch.setattr(searched, "_FEW", few)
    (exact, quantised), queries = looked_at
    allowed = None if one_in == 1 else np.random.default_rng(1).permutation(40_000) % one_in == 0
    for one, other in zip(exact.cosines(queries), quantised.cosines(queries), strict=True):
        wanted, found = one.best(200, allowed)[0].tolist(), other.best(200, allowed)[0].tolist()
        assert set(found[:10]) == set(wanted[:10])
        assert len(found) == len(wanted)
        assert len(set(found) & set(wanted)) >= (0.995 if few else 0.95) * len(wanted)
        assert allowed is None or allowed[found].all()


def test_only_some_rows_are_looked_at_in_all_their_bits(looked_at, monkeypatch):
    (_, quantised), queries = looked_at
    read = []
    products = type(quantised.codes).products
    monkeypatch.setattr(
        type(quantised.codes),
        "products",
        lambda self, asked, rows: read.append(len(rows)) or products(self, asked, rows),
    )
    for cosines in quantised.cosines(queries):
        cosines.best(10)
    assert sum(read) < 8 * 6_000


def test_a_look_at_rows_that_are_all_alike_leaves_out_none():
    rows = np.repeat(unit(np.random.default_rng(0).standard_normal((1, 32))), 25_000, axis=0)
    _, quantised = both(rows)
    (cosines,) = quantised.cosines(rows[:1])
    assert cosines.best(10)[0].tolist() == list(range(10))


@pytest.mark.parametrize("one_in", [10, 1_000])
def test_filtered_rows_are_found_as_exactly(one_in):
    rng = np.random.default_rng(one_in)
    vectors, queries = (unit(rng.standard_normal((many, 64))) for many in (20_000, 5))
    same_best(vectors, queries, allowed=rng.permutation(len(vectors)) % one_in == 0)
    same_best(vectors, queries, allowed=np.zeros(len(vectors), bool))


def test_equal_rows_come_in_their_order_and_zeros_are_at_zero():
    rng = np.random.default_rng(0)
    vectors = np.repeat(unit(rng.standard_normal((3, 32))), 1_000, axis=0)[rng.permutation(3_000)]
    vectors[::3] = 0
    _, quantised = both(vectors)
    (cosines,) = quantised.cosines(vectors[1:2])
    rows, found = cosines.best(700)
    equal = np.flatnonzero((vectors == vectors[1]).all(axis=1))
    assert rows[: len(equal)].tolist() == equal[:700].tolist()
    assert len(np.unique(found[: len(equal)])) == 1
    assert (cosines.of(np.arange(0, 3_000, 3)) == 0).all()


def test_a_thousand_rows_closer_than_a_byte_can_tell_are_all_compared(monkeypatch):
    monkeypatch.setattr(searched, "_COMPARED", 20)
    rng = np.random.default_rng(0)
    near = unit(rng.standard_normal((1, 256)) + 1e-3 * rng.standard_normal((1_000, 256)))
    vectors = np.concatenate([unit(rng.standard_normal((5_000, 256))), near])
    same_best(vectors, near[:3])


def test_runs_and_batches_agree_to_the_last_bit():
    rng = np.random.default_rng(0)
    vectors, queries = (unit(rng.standard_normal((many, 48))) for many in (24_000, 6))
    _, quantised = both(vectors)
    together = [each.best(50) for each in quantised.cosines(queries)]
    for query, (rows, found) in zip(queries, together, strict=True):
        (alone,) = quantised.cosines(query[None])
        again, cosines = alone.best(50)
        assert np.array_equal(again, rows)
        assert np.array_equal(cosines, found)


def test_exact_cosines_are_those_of_float32():
    rng = np.random.default_rng(0)
    vectors, queries = (unit(rng.standard_normal((many, 40))) for many in (20_000, 2))
    exact, quantised = both(vectors)
    for one, other in zip(exact.cosines(queries), quantised.exact_cosines(queries), strict=True):
        assert np.abs(one.every - other.every).max() < 1e-6
        assert other.best(10)[0].tolist() == best_rows(other.every, 10)[0].tolist()


@pytest.mark.parametrize("what", ["upper", "scales", "halves"])
def test_vectors_that_do_not_agree_are_noticed_before_they_are_told(what):
    rng = np.random.default_rng(0)
    halves = unit(rng.standard_normal((2_000, 64))).astype(np.float16)
    codes = quantise(halves)
    query = halves[7:8].astype(np.float32)
    if what == "upper":
        codes = dataclasses.replace(codes, upper=np.roll(codes.upper, 1, axis=0))
    elif what == "scales":
        codes = dataclasses.replace(codes, scales=codes.scales * 2)
    else:
        halves = np.zeros_like(halves)
    (cosines,) = QuantisedVectors(halves, codes).cosines(query)
    with pytest.raises(DamagedVectorsError):
        cosines.best(10)


def test_rows_are_read_by_number_slice_and_mask(tmp_path):
    halves = np.random.default_rng(0).standard_normal((5_000, 24)).astype(np.float16)
    np.save(tmp_path / "halves.npy", halves)
    mapped = np.load(tmp_path / "halves.npy", mmap_mode="r")
    vectors = QuantisedVectors(mapped, quantise(mapped))
    whole = halves.astype(np.float32)
    some = np.arange(len(halves)) % 9 == 0
    for rows in (3, slice(10, 20), slice(None, None, 7), slice(4_990, 9_999), slice(7, 7), some, [5, 2]):
        assert np.array_equal(vectors[rows], whole[rows])
    assert np.array_equal(np.asarray(vectors), whole)
    assert (len(vectors), vectors.shape) == (5_000, (5_000, 24))


def test_small_libraries_stay_exact_and_so_do_all_without_the_scanner(monkeypatch):
    assert not is_large(100_000, 768)
    assert is_large(1_000_000, 768)
    assert not is_large(1_000_000, 256)
    assert is_large(10_000_000, 384)
    monkeypatch.setattr(searched, "can_scan", lambda: False)
    assert not is_large(10_000_000, 768)
