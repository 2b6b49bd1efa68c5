"""What a report says that a random system would score is what a random system scores."""

from __future__ import annotations

import numpy as np
import pytest
from made_up import make_result

from polyreel.metrics.consistency import (
    all_languages_recall_at_1,
    kendall_top_k,
    mean_rank_spread,
    overlap_at,
    rank_c,
)
from polyreel.metrics.ranks import Relevance, rank_scores
from polyreel.report.agreement import describe_agreement


def test_random_systems_score_what_the_report_says() -> None:
    rng = np.random.default_rng(0)
    queries, gallery, tags = 3000, 30, ("en", "de", "sw")
    scores = {tag: rng.random((queries, gallery)) for tag in tags}
    truth = Relevance.of([[int(column)] for column in rng.integers(0, gallery, queries)], gallery)
    ranks = {tag: rank_scores(matrix, truth) for tag, matrix in scores.items()}
    measured = {
        "overlap@10": overlap_at(scores, 10).mean,
        "rank_c": rank_c(scores).mean,
        "kendall_tau_top": kendall_top_k(scores, 10).mean,
        "rank_spread": mean_rank_spread(ranks),
        "all_languages_r@1": 100 * all_languages_recall_at_1(ranks),
    }
    result = make_result(languages=tags, gallery=gallery).model_copy(update={"consistency": measured})
    rows = describe_agreement([result])
    said = [float(row.random.replace("−", "-").removeprefix("< ")) for row in rows]
    tolerance = [0.005, 0.005, 0.01, 0.15, 0.1]
    for row, value, claim, near in zip(rows, measured.values(), said, tolerance, strict=True):
        assert value == pytest.approx(claim, abs=near), row.title
        assert row.meaning
        assert row.range


def test_names_with_a_suffix_and_unknown_names() -> None:
    figures = {"overlap@5 over query languages": 0.25, "surprise": -0.5}
    rows = describe_agreement([make_result().model_copy(update={"consistency": figures}), make_result()])
    assert [row.title for row in rows[:2]] == ["Overlap@5 over query languages", "surprise"]
    assert rows[0].values == ("0.250", "–")
    assert rows[1].values == ("−0.500", "–")
    assert "Not known" in rows[1].meaning
