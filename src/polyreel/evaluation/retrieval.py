"""Text to media: every caption is a query, every item is in the gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.protocol import Encoder
from polyreel.errors import DatasetError
from polyreel.evaluation.gallery import Gallery, encode_gallery, thumbnails
from polyreel.evaluation.items import EvaluationSet, Item
from polyreel.evaluation.queries import QuerySet, query_set
from polyreel.evaluation.results import LanguageResult, Matrix, MissingItem, WorstQuery
from polyreel.evaluation.summary import Agreement, agreement, language_result
from polyreel.languages import in_study_order
from polyreel.metrics.ranks import Ranks, Relevance, rank_scores
from polyreel.metrics.retrieval import METRICS, expected_rank
from polyreel.metrics.score_normalizers import normalize_scores
from polyreel.progress import OnProgress

__all__ = ["Measured", "query_sets", "run_retrieval"]

_WORST = 12
_RECALLS = ("r@1", "r@5", "r@10")
_BACKWARD = "media to text: language by recall"


@dataclass(frozen=True, slots=True)
class Measured:
    """What a runner hands back; ``run`` makes a ``Result`` of it."""

    gallery: int
    languages: Mapping[str, LanguageResult]
    consistency: Mapping[str, float]
    tables: Mapping[str, Matrix]
    missing: tuple[MissingItem, ...]
    worst: tuple[WorstQuery, ...]


def query_sets(items: Sequence[Item], *, equal_captions: bool) -> dict[str, QuerySet]:
    """Every caption of every item as a query, by language, in order of the items.

    Args:
        items: the gallery.
        equal_captions: a caption that several items carry makes all of them relevant.
    """
    place = {item.id: i for i, item in enumerate(items)}
    related = [[place[other] for other in item.also_relevant if other in place] for item in items]
    return {
        tag: query_set([item.captions.get(tag, ()) for item in items], related, equal_captions=equal_captions)
        for tag in in_study_order({tag for item in items for tag in item.captions})
    }


def run_retrieval(
    corpus: EvaluationSet,
    encoder: Encoder,
    *,
    languages: Sequence[str] | None,
    equal_captions: bool,
    seed: int,
    progress: OnProgress,
    score_normalizer: str | None = None,
) -> Measured:
    """Encode a corpus and measure text-to-media retrieval, and media-to-text beside it, in each language.

    Args:
        corpus: what to measure on.
        encoder: what is measured.
        languages: the ones to measure; all by default.
        equal_captions: see ``query_sets``.
        seed: of the resampling.
        progress: told of what is done.
        score_normalizer: name in ``SCORE_NORMALIZERS``; None leaves the scores as they are.

    Raises:
        DatasetError: a language has no query, or no item can be read.
    """
    gallery = encode_gallery(
        corpus.items, encoder, progress=lambda done, total: progress("encoding the gallery", done, total)
    )
    sets = query_sets(gallery.items, equal_captions=equal_captions)
    chosen = list(languages or sets)
    if absent := [tag for tag in chosen if tag not in sets]:
        raise DatasetError("no query in this language", item=corpus.name, value=", ".join(absent))
    results, ranks, scores, backward = {}, {}, {}, {}
    for done, tag in enumerate(chosen):
        progress("ranking queries", done, len(chosen))
        queries = sets[tag]
        scores[tag] = normalize_scores(score_normalizer, gallery.score(encoder.encode_text(queries.texts)))
        truth = Relevance.of(queries.truth, len(gallery.items))
        ranks[tag] = rank_scores(scores[tag], truth)
        backward[tag] = _backward(scores[tag], truth)
        results[tag] = language_result(ranks[tag], queries.items, seed=seed)
    agreed = _agreement_of_first_captions(sets, scores, ranks, chosen)
    missing = [*corpus.missing, *gallery.missing]
    return Measured(
        gallery=len(gallery.items),
        languages=results,
        consistency=agreed.figures,
        tables=agreed.tables
        | {_BACKWARD: Matrix(rows=tuple(backward), columns=_RECALLS, values=tuple(backward.values()))},
        missing=tuple(MissingItem(id=item.id, reason=item.reason) for item in missing),
        worst=_worst(gallery, sets, scores, ranks, chosen),
    )


def _backward(scores: NDArray[np.floating], truth: Relevance) -> tuple[float, ...]:
    """Recalls of the other direction: an item finds any of the captions that are about it."""
    items, inverse = truth.inverse()
    found = rank_scores(np.ascontiguousarray(scores.T[items]), inverse)
    return tuple(float(METRICS[name](found).mean()) for name in _RECALLS)


def _agreement_of_first_captions(
    sets: Mapping[str, QuerySet],
    scores: Mapping[str, NDArray[np.floating]],
    ranks: Mapping[str, Ranks],
    languages: Sequence[str],
) -> Agreement:
    """Languages are compared on each item's first caption, over the items that have one in all of them."""
    first = {tag: dict(zip(*np.unique(sets[tag].items, return_index=True), strict=True)) for tag in languages}
    shared = sorted(set.intersection(*(set(rows) for rows in first.values())))
    if not shared:
        return Agreement({}, {})
    rows = {tag: np.array([first[tag][item] for item in shared], np.int64) for tag in languages}
    return agreement(
        {tag: scores[tag][rows[tag]] for tag in languages},
        {tag: ranks[tag].take(rows[tag]) for tag in languages},
    )


def _worst(
    gallery: Gallery,
    sets: Mapping[str, QuerySet],
    scores: Mapping[str, NDArray[np.floating]],
    ranks: Mapping[str, Ranks],
    languages: Sequence[str],
) -> tuple[WorstQuery, ...]:
    """The queries with the highest ranks, the same number from each language."""
    per_language = max(1, _WORST // len(languages))
    found = []
    for tag in languages:
        expected = expected_rank(ranks[tag])
        for query in np.argsort(-expected, kind="stable")[:per_language]:
            wanted = gallery.items[sets[tag].items[query]]
            top = gallery.items[int(scores[tag][query].argmax())]
            found.append((tag, sets[tag].texts[query], float(expected[query]), wanted, top))
    pictures = thumbnails(item for *_, wanted, top in found[:_WORST] for item in (wanted, top))
    return tuple(
        WorstQuery(
            language=tag,
            query=text,
            wanted=wanted.id,
            found=top.id,
            rank=rank,
            wanted_picture=pictures[wanted.id],
            found_picture=pictures[top.id],
        )
        for tag, text, rank, wanted, top in found[:_WORST]
    )
