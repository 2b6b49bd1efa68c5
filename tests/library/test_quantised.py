"""Vectors in a byte a number: their products are what whole numbers give, within the error that is stated."""

from __future__ import annotations

import numpy as np
import pytest

from polyreel.library.search.quantised import Codes, can_scan, quantise

needs_numkong = pytest.mark.skipif(not can_scan(), reason="numkong is not installed")


def unit_rows(rows, dim, seed=0):
    made = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@needs_numkong
@pytest.mark.parametrize("dim", [1, 7, 16, 17, 384, 700, 768])
@pytest.mark.parametrize("queries", [1, 2, 5])
def test_products_are_those_of_the_codes_and_near_the_true_ones(dim, queries):
    rows, asked = unit_rows(130, dim), unit_rows(queries, dim, seed=1)
    codes = quantise(rows)
    found = codes.products(asked)
    rounded = quantise(asked)
    whole = rounded.numbers.astype(np.int64) @ codes.numbers.astype(np.int64).T
    assert np.allclose(found, whole * rounded.scales[:, None] * codes.scales, rtol=1e-6, atol=1e-9)
    bounds = [codes.error_bounds(np.arange(len(rows)), np.ones(len(rows)), query) for query in asked]
    assert (np.abs(found - asked @ rows.T) <= bounds).all()


@needs_numkong
def test_one_query_and_several_at_once_give_the_same_to_the_last_bit():
    rows, asked = unit_rows(70_000, 24), unit_rows(4, 24, seed=1)
    codes = quantise(rows)
    together = codes.products(asked)
    assert np.array_equal(together, np.concatenate([codes.products(query[None]) for query in asked]))
    assert np.array_equal(together, codes.products(asked))


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
    codes = quantise(rows)
    assert (np.abs(codes.numbers).max(axis=1) == 127).all()
    assert (np.abs(codes.numbers * codes.scales[:, None] - rows) <= codes.scales[:, None] * 0.5001).all()


def test_halves_are_quantised_as_floats_are():
    halves = unit_rows(50, 96).astype(np.float16)
    one, other = quantise(halves), quantise(halves.astype(np.float32))
    assert np.array_equal(one.numbers, other.numbers)
    assert np.array_equal(one.scales, other.scales)


@pytest.mark.parametrize("dim", [3, 8, 96])
def test_a_checksum_tells_every_damaged_byte(dim):
    codes = quantise(unit_rows(21, dim))
    whole = codes.checksum()
    flat = codes.numbers.reshape(-1)
    for place in (0, 5, len(flat) // 2, len(flat) - 1):
        damaged = Codes(codes.numbers.copy(), codes.scales)
        damaged.numbers.reshape(-1)[place] ^= 1
        assert not np.array_equal(damaged.checksum(), whole)
    lost = Codes(codes.numbers, np.zeros_like(codes.scales))
    assert not np.array_equal(lost.checksum(), whole)
