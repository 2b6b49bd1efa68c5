"""The top rows are those of a full sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from polyreel.library.search.exact import best_rows

SMALL = st.integers(-3, 3).map(float)  # few values: many ties


@st.composite
def problems(draw):
    rows, dim = draw(st.integers(0, 60)), draw(st.integers(1, 4))
    matrix = draw(arrays.arrays(np.float32, (rows, dim), elements=SMALL))
    query = draw(arrays.arrays(np.float32, (dim,), elements=SMALL))
    return matrix, query, draw(st.integers(1, 70))


@given(problems())
def test_the_top_rows_are_those_of_a_full_sort_with_ties_in_row_order(problem):
    matrix, query, count = problem
    scores = matrix @ query
    wanted = sorted(range(len(scores)), key=lambda row: (-scores[row], row))[:count]
    rows, found = best_rows(matrix @ query, count)
    assert rows.tolist() == wanted
    assert found.tolist() == scores[wanted].tolist()
    assert rows.dtype == np.int64


@pytest.mark.parametrize("count", [1, 10, 999, 1_000, 2_000])
def test_a_large_matrix_gives_the_same(count):
    generator = np.random.default_rng(0)
    matrix = generator.standard_normal((1_000, 16)).astype(np.float32)
    query = generator.standard_normal(16).astype(np.float32)
    rows, scores = best_rows(matrix @ query, count)
    assert rows.tolist() == np.argsort(-(matrix @ query), kind="stable")[:count].tolist()
    assert (np.diff(scores) <= 0).all()
