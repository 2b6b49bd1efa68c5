"""Queries and what each should find: captions of items, and texts of X-MNLI."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyreel.datasets.readers.xnli import LABELS, NliPremise
from polyreel.evaluation.results import Matrix
from polyreel.languages import in_study_order

__all__ = [
    "QuerySet",
    "entailed_first",
    "hypotheses_of",
    "languages_of",
    "pair_matrix",
    "places_of_concepts",
    "query_set",
]


@dataclass(frozen=True, slots=True)
class QuerySet:
    """The queries of one language.

    Attributes:
        texts: The queries.
        items: (queries,) place of each one's own item in the gallery.
        truth: Relevant places of each query.
    """

    texts: tuple[str, ...]
    items: NDArray[np.int64]
    truth: tuple[tuple[int, ...], ...]


def query_set(
    captions: Sequence[Sequence[str]], related: Sequence[Iterable[int]], *, equal_captions: bool
) -> QuerySet:
    """Every caption of every item as a query, in order of the items.

    Args:
        captions: Texts of each item of the gallery, in one language.
        related: Places of the items that an item's captions describe as well, for each item.
        equal_captions: Whether a caption that several items carry makes all of them relevant.
    """
    carriers: dict[str, list[int]] = defaultdict(list)
    if equal_captions:
        for place, texts in enumerate(captions):
            for text in texts:
                carriers[text.casefold()].append(place)
    asked = [(text, place) for place, texts in enumerate(captions) for text in texts]
    return QuerySet(
        tuple(text for text, _ in asked),
        np.array([place for _, place in asked], np.int64),
        tuple(
            tuple(sorted({place, *related[place], *carriers.get(text.casefold(), ())}))
            for text, place in asked
        ),
    )


def places_of_concepts(concepts: Sequence[Hashable]) -> list[list[int]]:
    """For each item the places of all items of its concept, its own among them."""
    found: dict[Hashable, list[int]] = defaultdict(list)
    for place, concept in enumerate(concepts):
        found[concept].append(place)
    return [found[concept] for concept in concepts]


def languages_of(premises: Sequence[NliPremise]) -> list[str]:
    """Languages that every premise has, in the order of the study; none without a premise."""
    return in_study_order(set.intersection(*(set(each.premise) for each in premises)) if premises else ())


def hypotheses_of(premises: Sequence[NliPremise], language: str) -> list[str]:
    """The hypotheses of all premises, those of one premise side by side in the order of ``LABELS``."""
    return [premise.hypotheses[label][language] for premise in premises for label in LABELS]


def entailed_first(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability, 0 to 1, that the entailed hypothesis comes first; it is shared where scores are equal.

    Args:
        scores: (premises, labels) scores of each premise's own hypotheses.
    """
    best = scores == scores.max(axis=1, keepdims=True)
    share: NDArray[np.float64] = best[:, LABELS.index("entailment")] / best.sum(axis=1)
    return share


def pair_matrix(languages: Sequence[str], figures: Mapping[tuple[str, str], float]) -> Matrix:
    """Query languages by gallery languages, from the figure of each pair."""
    values = tuple(tuple(figures[x, y] for y in languages) for x in languages)
    return Matrix(rows=tuple(languages), columns=tuple(languages), values=values)
