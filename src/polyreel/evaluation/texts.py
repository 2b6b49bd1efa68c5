"""Text to text: premises against hypotheses (X-MNLI), and sentences against their translations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from polyreel.datasets.readers.xnli import LABELS, NliPremise
from polyreel.encoders.protocol import Encoder
from polyreel.errors import DatasetError
from polyreel.evaluation.queries import entailed_first, hypotheses_of, languages_of, pair_matrix
from polyreel.evaluation.results import Matrix
from polyreel.evaluation.retrieval import Measured
from polyreel.evaluation.summary import agreement, language_result
from polyreel.metrics.ranks import Ranks, Relevance, rank_scores
from polyreel.metrics.retrieval import METRICS, hits_at
from polyreel.progress import OnProgress

__all__ = ["run_bitext", "run_xnli"]

_PIVOT = "en"


def run_xnli(
    premises: Sequence[NliPremise],
    encoder: Encoder,
    *,
    languages: Sequence[str] | None,
    seed: int,
    progress: OnProgress,
) -> Measured:
    """X-MNLI retrieval: a premise in one language against all hypotheses in another.

    A premise's entailed hypothesis is relevant; its neutral and its contradicting one are hard distractors
    about the same premise. Three measures, each for every pair of query language X and gallery language Y:

    - *accuracy@1*: the entailed hypothesis scores highest among the premise's own three. Random: 33.3.
    - *R@k*: it is among the first k of all hypotheses. Random: 100 k / (3 premises).
    - *triplet*: it scores above the contradicting one. Random: 50.

    The figures of a language are those of its queries against the English gallery; the tables hold all pairs.
    Agreement is measured twice: over query languages for the English gallery, and over gallery languages for
    English queries.

    Args:
        premises: Premises with their hypotheses.
        encoder: The model that is measured.
        languages: Languages of queries and galleries; all that every premise has by default.
        seed: Seed of the bootstrap.
        progress: Called with what is being done, how much of it is done, and how much there is.

    Raises:
        DatasetError: there is no premise, or a language is not among its texts.
    """
    available = languages_of(premises)
    chosen = list(languages or available)
    if absent := [tag for tag in chosen if tag not in available] or ([] if available else ["any"]):
        raise DatasetError("the premises have no text in this language", value=", ".join(absent))
    pivot = _PIVOT if _PIVOT in chosen else chosen[0]
    truth = Relevance.of([[len(LABELS) * i] for i in range(len(premises))], len(LABELS) * len(premises))
    queries, galleries = {}, {}
    for done, tag in enumerate(chosen):
        progress("encoding", done, len(chosen))
        queries[tag] = encoder.encode_text([premise.premise[tag] for premise in premises])
        galleries[tag] = encoder.encode_text(hypotheses_of(premises, tag))
    tables: dict[str, dict[tuple[str, str], float]] = defaultdict(dict)
    results = {}
    for done, x in enumerate(chosen):
        progress("ranking", done, len(chosen))
        for y in chosen:
            scores = queries[x] @ galleries[y].T
            accuracy, triplet = _among_own(scores)
            ranks = rank_scores(scores, truth)
            pair = {"accuracy@1": accuracy, "triplet": triplet} | {
                k: METRICS[k](ranks) for k in ("r@1", "r@10")
            }
            for name, values in pair.items():
                tables[name][x, y] = float(values.mean())
            if y == pivot:
                own = np.arange(len(premises))
                extra = {"accuracy@1": accuracy, "triplet": triplet}
                results[x] = language_result(ranks, own, seed=seed, percentages=extra)
    genres = _per_genre(premises, {tag: _among_own(queries[tag] @ galleries[pivot].T)[0] for tag in chosen})
    over_queries = _agreement(
        {x: queries[x] @ galleries[pivot].T for x in chosen}, truth, " over query languages"
    )
    over_galleries = _agreement(
        {y: queries[pivot] @ galleries[y].T for y in chosen}, truth, " over gallery languages"
    )
    matrices = {
        f"{name}: query language by gallery language": pair_matrix(chosen, table)
        for name, table in tables.items()
    }
    return Measured(
        gallery=truth.gallery,
        languages=results,
        consistency=over_queries[0] | over_galleries[0],
        tables=matrices
        | {"accuracy@1: query language by genre": genres}
        | over_queries[1]
        | over_galleries[1],
        missing=(),
        worst=(),
    )


def run_bitext(
    sentences: Mapping[str, Sequence[str]],
    encoder: Encoder,
    *,
    languages: Sequence[str] | None,
    seed: int,
    progress: OnProgress,
) -> Measured:
    """Find each sentence's English translation among all of them.

    Args:
        sentences: tag -> sentences, row by row translations of each other.
        encoder: what is measured.
        languages: query languages; all but English by default.
        seed: of the resampling.
        progress: told of what is done.

    Raises:
        DatasetError: English or a language that was asked for is not there.
    """
    chosen = list(languages or [tag for tag in sentences if tag != _PIVOT])
    if absent := [tag for tag in [_PIVOT, *chosen] if tag not in sentences]:
        raise DatasetError("no sentences in this language", value=", ".join(absent))
    count = len(sentences[_PIVOT])
    truth = Relevance.of([[i] for i in range(count)], count)
    gallery = encoder.encode_text(list(sentences[_PIVOT]))
    results, scores = {}, {}
    for done, tag in enumerate(chosen):
        progress("encoding and ranking", done, len(chosen))
        scores[tag] = encoder.encode_text(list(sentences[tag])) @ gallery.T
        ranks = rank_scores(scores[tag], truth)
        back = rank_scores(np.ascontiguousarray(scores[tag].T), truth)
        extra = {"r@1 from English": 100 * hits_at(back, 1)}
        results[tag] = language_result(ranks, np.arange(count), seed=seed, percentages=extra)
    figures, tables = _agreement(scores, truth, "")
    return Measured(count, results, figures, tables, (), ())


def _among_own(scores: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Accuracy@1 among each premise's own three, and entailed above contradicting; 0 to 100, ties shared."""
    count, own = len(scores), len(LABELS)
    triples = scores[np.arange(count)[:, None], own * np.arange(count)[:, None] + np.arange(own)].astype(
        np.float64
    )
    against = triples[:, LABELS.index("contradiction")]
    triplet = (triples[:, 0] > against) + 0.5 * (triples[:, 0] == against)
    return 100 * entailed_first(triples), 100 * triplet


def _agreement(
    scores: Mapping[str, NDArray[np.float32]], truth: Relevance, suffix: str
) -> tuple[dict[str, float], dict[str, Matrix]]:
    ranks: dict[str, Ranks] = {tag: rank_scores(matrix, truth) for tag, matrix in scores.items()}
    agreed = agreement(scores, ranks, suffix=suffix)
    return agreed.figures, agreed.tables


def _per_genre(premises: Sequence[NliPremise], accuracy: Mapping[str, NDArray[np.float64]]) -> Matrix:
    genres = np.array([premise.genre for premise in premises])
    names = tuple(sorted(set(genres.tolist())))
    values = tuple(
        tuple(float(values[genres == name].mean()) for name in names) for values in accuracy.values()
    )
    return Matrix(rows=tuple(accuracy), columns=names, values=values)
