"""Results of a study: ranks with ties, and files that say the same again."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from polyreel.errors import ResultError
from polyreel.metrics.ranks import rank_scores
from polyreel.study.results import CellResult, QueryList, TaskRanks, expected_ranks, read_cells, write_cells


def cell(seed: int, ranks: tuple[float, ...] = (1, 2.5, 273)) -> CellResult:
    table = TaskRanks(
        task="text to text", query_language="en", gallery_language="it", gallery=273, ranks=ranks, queries="q"
    )
    return CellResult(
        setting="clips-it", encoder="u", arm="C", seed=seed, digest="d", ranks=(table,),
        switched={"it": (0.4, 0.41, 0.39)}, steps=3, texts={"en": 9, "it": 9}, register_sha256="0f", took_s=1,
    )  # fmt: skip


QUERIES = {"q": QueryList(ids=("a", "b", "c"), sources=("s", "s", "t"))}


def test_what_is_written_is_read_again_and_the_same_cells_make_the_same_bytes(tmp_path: Path) -> None:
    path, again = tmp_path / "cells.jsonl.gz", tmp_path / "again.jsonl.gz"
    cells = (cell(0), cell(1, (3, 1, 1)))
    for place in (path, again):
        write_cells(place, study="toy", queries=QUERIES, cells=cells)
    found = read_cells(path)
    assert found is not None
    assert (found.study, dict(found.queries), found.cells) == ("toy", QUERIES, cells)
    assert found.cells[0].task("text to text", "en", "it") == cells[0].ranks[0]
    assert found.cells[0].task("text to video", "en") is None
    assert path.read_bytes() == again.read_bytes()
    assert b'"ranks":"1 2.5 273"' in gzip.decompress(path.read_bytes())


def test_half_a_million_ranks_stay_under_two_megabytes(tmp_path: Path) -> None:
    path, rng = tmp_path / "cells.jsonl.gz", np.random.default_rng(0)
    some = [cell(seed, tuple(rng.integers(1, 274, 1000).astype(float).tolist())) for seed in range(100)]
    write_cells(path, study="toy", queries=QUERIES, cells=some)
    assert 5 * path.stat().st_size < 2e6


def test_there_may_be_no_results_but_damaged_ones_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "cells.jsonl.gz"
    assert read_cells(path) is None
    write_cells(path, study="toy", queries=QUERIES, cells=[cell(0)])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ResultError, match="cannot be read"):
        read_cells(path)


def test_a_system_that_tells_nothing_apart_has_the_middle_rank() -> None:
    ranks = expected_ranks(rank_scores(np.zeros((2, 9)), [[0], [3, 4]]))
    assert ranks == (5.0, 3.5)  # (9 + 1) / 2, and (9 + 1) / 3 to half a place
    assert expected_ranks(rank_scores(np.eye(3), [[0], [2], [2]])) == (1.0, 2.5, 1.0)


def test_every_query_has_a_source() -> None:
    with pytest.raises(ValueError, match="2 ids and 1 sources"):
        QueryList(ids=("a", "b"), sources=("s",))
