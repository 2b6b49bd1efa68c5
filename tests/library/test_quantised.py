"""Vectors in a byte a number: their products are what whole numbers give, within the error that is stated."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from polyreel.library.search.quantised import can_scan, quantise

needs_numkong = pytest.mark.skipif(not can_scan(), reason="numkong is not installed")


def unit_rows(rows, dim, seed=0):
    made = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def numbers_of(codes):
    """The whole numbers of each row, put together from their planes of bits."""
    planes = np.concatenate([codes.signs[:, None], codes.upper, codes.lower], axis=1)
    bits = np.unpackbits(planes, axis=2, count=len(codes.centre))
    return np.tensordot(1 << np.arange(8)[::-1], bits.astype(np.int64), (0, 1)) - 128


@needs_numkong
@pytest.mark.parametrize("dim", [1, 7, 16, 17, 384, 700, 768])
@pytest.mark.parametrize("queries", [1, 2, 5])
def test_products_are_those_of_the_codes_and_near_the_true_ones(dim, queries):
    rows, asked = unit_rows(130, dim), unit_rows(queries, dim, seed=1)
    codes = quantise(rows)
    found = codes.products(asked)
    steps = np.abs(asked).max(axis=1, keepdims=True) / np.float32(127)
    whole = np.rint(asked / steps).astype(np.int64) @ numbers_of(codes).T
    wanted = whole * steps * codes.scales + (asked @ codes.centre)[:, None]
    assert np.allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert np.array_equal(codes.products(asked, np.array([7, 7, 129])), found[:, [7, 7, 129]])
    bounds = [codes.error_bounds(np.arange(len(rows)), np.ones(len(rows)), query) for query in asked]
    assert (np.abs(found - asked @ rows.T) <= bounds).all()


@needs_numkong
def test_one_query_and_several_at_once_give_the_same_to_the_last_bit():
    rows, asked = unit_rows(70_000, 24), unit_rows(4, 24, seed=1)
    codes = quantise(rows)
    for of in (codes.products, codes.estimates):
        together = of(asked)
        assert np.array_equal(together, np.concatenate([of(query[None]) for query in asked]))
        assert np.array_equal(together[:, ::9], of(asked, np.arange(0, len(rows), 9)))


@needs_numkong
def test_many_rows_are_shared_among_threads(monkeypatch):
    rows, query = unit_rows(100_003, 8), unit_rows(1, 8, seed=1)
    codes = quantise(rows)
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: {0})
    alone = codes.products(query)
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: {0, 1, 2, 3})
    assert np.array_equal(codes.products(query), alone)


@needs_numkong
def test_there_may_be_no_rows_and_no_queries():
    assert quantise(np.zeros((0, 5), np.float32)).products(unit_rows(2, 5)).shape == (2, 0)
    assert quantise(unit_rows(3, 5)).products(np.zeros((0, 5), np.float32)).shape == (0, 3)


@needs_numkong
def test_rows_of_zeros_and_of_next_to_nothing_have_a_product_of_zero():
    rows = np.zeros((3, 16), np.float32)
    rows[1] = 1e-42  # a number without an inverse
    rows[2, 3] = 1
    found = quantise(rows).products(rows[2:])
    assert found[0].tolist() == pytest.approx([0, 0, 1])


def test_each_row_has_a_scale_of_its_own_and_reaches_its_last_step():
    rows = unit_rows(50, 96) * np.geomspace(1e-3, 10, 50, dtype=np.float32)[:, None]
    codes, numbers = quantise(rows), numbers_of(quantise(rows))
    assert (np.abs(numbers).max(axis=1) == 127).all()
    off = np.abs(numbers * codes.scales[:, None] + codes.centre - rows)
    assert (off <= codes.scales[:, None] * 0.5001 + 1e-6).all()


def test_halves_are_quantised_as_floats_are():
    halves = unit_rows(50, 96).astype(np.float16)
    one, other = quantise(halves), quantise(halves.astype(np.float32))
    assert all(np.array_equal(one.arrays()[name], array) for name, array in other.arrays().items())


@needs_numkong
@pytest.mark.parametrize("dim", [96, 384, 700])
def test_looks_at_a_few_bits_are_as_far_off_as_they_say(dim):
    """Rows that lie far from the origin, as those of many bundles do, and have numbers of different sizes."""
    rng = np.random.default_rng(dim)
    rows = rng.standard_normal((4_000, dim)) * np.geomspace(0.3, 3, dim) + 4 * rng.standard_normal(dim)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    queries = unit_rows(30, dim, seed=1)
    codes, every, true = quantise(rows), np.arange(len(rows)), queries @ rows.T
    closer, spreads = zip(*(codes.closer(query, every) for query in queries), strict=True)
    for found, spread, most in ((codes.estimates(queries), codes.spreads, 1.15), (closer, spreads, 1.3)):
        off = (np.stack(found) - true) / np.stack(spread)
        assert abs(off.mean()) < 0.1
        assert 0.5 < off.std() < most


def test_codes_know_the_shapes_that_they_fit():
    codes = quantise(unit_rows(21, 12))
    assert codes.fit((21, 12))
    assert not codes.fit((21, 13))
    assert not codes.fit((20, 12))
    assert not dataclasses.replace(codes, scales=codes.scales.astype(np.float64)).fit((21, 12))


@pytest.mark.parametrize("dim", [3, 8, 96])
def test_a_checksum_tells_every_damaged_byte(dim):
    codes = quantise(unit_rows(21, dim))
    whole = codes.checksum()
    for name, array in codes.arrays().items():
        size = array.nbytes
        for place in (0, 5, size // 2, size - 1):
            damaged = array.copy()
            damaged.reshape(-1).view(np.uint8)[place] ^= 1
            assert not np.array_equal(dataclasses.replace(codes, **{name: damaged}).checksum(), whole)
