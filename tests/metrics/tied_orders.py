"""What a metric is, from first principles: its mean over every order that the scores allow."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations, product

import numpy as np
from hypothesis import strategies as st

from polyreel.metrics.ranks import Ranks, Relevance, rank_scores


def orders(scores: Sequence[float]) -> Iterator[list[int]]:
    """Every order of the items, best first, that ties allow; all are equally likely."""
    levels = sorted(set(scores), reverse=True)
    groups = [[i for i, own in enumerate(scores) if own == score] for score in levels]
    for choice in product(*(permutations(group) for group in groups)):
        yield [item for group in choice for item in group]


def expectation(
    measure: Callable[[list[bool]], float], scores: Sequence[float], relevant: Sequence[int]
) -> float:
    """Mean of ``measure`` of the hits in ranked order."""
    wanted = set(relevant)
    return float(np.mean([measure([item in wanted for item in order]) for order in orders(scores)]))


def recall(hits: list[bool], k: int) -> float:
    return float(any(hits[:k]))


def rank(hits: list[bool]) -> float:
    return 1.0 + hits.index(True)


def average_precision(hits: list[bool]) -> float:
    return sum(sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit) / sum(hits)


def ndcg(hits: list[bool], k: int) -> float:
    gain = sum(hit / math.log2(i + 2) for i, hit in enumerate(hits[:k]))
    return gain / sum(1 / math.log2(i + 2) for i in range(min(k, sum(hits))))


def ranks_of(scores: Sequence[float], relevant: Sequence[int]) -> Ranks:
    """Ranks of one query."""
    return rank_scores(np.array([scores], np.float64), Relevance.of([relevant], len(scores)))


@st.composite
def queries(
    draw: st.DrawFn, *, most_items: int, levels: int | None = None, most_relevant: int | None = None
) -> tuple[list[float], list[int]]:
    """Scores of one query, of so many levels (None: no two alike), and its relevant items."""
    items = draw(st.integers(2, most_items))
    if levels is None:
        scores = draw(st.permutations(range(items)))
    else:
        scores = draw(st.lists(st.integers(0, levels - 1), min_size=items, max_size=items))
    most = min(items, most_relevant or items)
    relevant = draw(st.lists(st.integers(0, items - 1), min_size=1, max_size=most, unique=True))
    return [float(score) for score in scores], relevant
