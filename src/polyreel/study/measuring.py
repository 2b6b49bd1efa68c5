"""Measure one arm of a study on every benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from polyreel.datasets.readers.xnli import LABELS, NliPremise
from polyreel.datasets.records import Frames, Media
from polyreel.evaluation.gallery import thumbnail
from polyreel.evaluation.queries import entailed_first, hypotheses_of, languages_of, pair_matrix
from polyreel.metrics.consistency import mean_rank_spread, overlap_at, rank_c
from polyreel.metrics.ranks import Relevance, rank_scores
from polyreel.metrics.retrieval import METRICS
from polyreel.study.results_v1 import BenchmarkValues, ShownHit, ShownQuery
from polyreel.study.study_data import GallerySet

__all__ = ["BenchmarkData", "TowersLike", "measure"]

_TOP = 10
_SHOWN = 3
_THUMBNAIL_PX = (112, 84)
_DIGITS = 4
Rows = NDArray[np.float32]
Scores = Mapping[str, Rows]


class TowersLike(Protocol):
    """What can be measured."""

    def texts(self, texts: Sequence[str]) -> Rows:
        """(texts, dim) unit vectors."""
        ...

    @property
    def sees(self) -> bool:
        """Whether there is a video tower; without one clips are seen through the names of classes."""
        ...

    def clips(self, frames: Sequence[Rows]) -> Rows:
        """(clips, dim) unit vectors."""
        ...


@dataclass(frozen=True, slots=True)
class BenchmarkData:
    """The benchmarks of a study.

    Attributes:
        galleries: text to video.
        premises: of X-MNLI, none if it is not asked for.
        sentences: language -> sentences of NTREX, row by row.
        languages: of the study.
        examples: queries whose nearest clips are kept.
        show_pictures: with thumbnails.
    """

    galleries: tuple[GallerySet, ...]
    premises: tuple[NliPremise, ...]
    sentences: Mapping[str, tuple[str, ...]]
    languages: tuple[str, ...]
    examples: int
    show_pictures: bool

    @property
    def facts(self) -> tuple[object, ...]:
        """What decides the figures."""
        return (
            *(f"{gallery.name} {gallery.identity}" for gallery in self.galleries),
            [premise.id for premise in self.premises],
            {tag: len(rows) for tag, rows in self.sentences.items()},
            self.languages,
            (self.examples, self.show_pictures),
        )


def measure(
    towers: TowersLike, data: BenchmarkData, *, with_examples: bool
) -> tuple[list[BenchmarkValues], tuple[ShownQuery, ...]]:
    """Measure an arm on all benchmarks that it can be measured on.

    Args:
        towers: the arm.
        data: the benchmarks.
        with_examples: also the nearest clips of a few queries, of the first benchmark.
    """
    found: list[BenchmarkValues] = []
    examples: tuple[ShownQuery, ...] = ()
    for gallery in data.galleries:
        if not towers.sees and not gallery.has_classes:
            continue
        clips = towers.clips(gallery.frames)
        scores = {tag: towers.texts(asked.texts) @ clips.T for tag, asked in gallery.queries.items()}
        relevant = {tag: Relevance.of(asked.truth, len(clips)) for tag, asked in gallery.queries.items()}
        found.append(_retrieval(gallery.name, scores, relevant))
        if with_examples and not examples:
            examples = _examples(gallery, scores, data)
    if data.premises:
        found.append(_xnli(towers, data.premises, data.languages))
    if data.sentences:
        found.append(_bitext(towers, data.sentences))
    return found, examples


def _retrieval(name: str, scores: Scores, relevant: Mapping[str, Relevance]) -> BenchmarkValues:
    ranks = {tag: rank_scores(matrix, relevant[tag]) for tag, matrix in scores.items()}
    values = {tag: METRICS["r@1"](own) for tag, own in ranks.items()}
    figures = {
        f"{metric}/{tag}": float(METRICS[metric](own).mean())
        for metric in ("r@5", "r@10", "mrr")
        for tag, own in ranks.items()
    }
    if len(scores) > 1:
        figures |= {"rank_c": rank_c(scores).mean, "rank_spread": mean_rank_spread(ranks)}
    return BenchmarkValues(
        name=name,
        metric="r@1",
        gallery=next(iter(scores.values())).shape[1],
        values={tag: _rounded(own) for tag, own in values.items()},
        together=_rounded(_product(values)),
        agreement=_rounded(_agreement(scores, _TOP)),
        figures=figures,
    )


def _bitext(towers: TowersLike, sentences: Mapping[str, tuple[str, ...]]) -> BenchmarkValues:
    """Each sentence asks for its English translation among all English sentences."""
    english = towers.texts(sentences["en"])
    scores = {tag: towers.texts(rows) @ english.T for tag, rows in sentences.items() if tag != "en"}
    own = Relevance.of([[place] for place in range(len(english))], len(english))
    return _retrieval("ntrex", scores, dict.fromkeys(scores, own))


def _xnli(towers: TowersLike, premises: Sequence[NliPremise], languages: Sequence[str]) -> BenchmarkValues:
    """Does the entailed hypothesis score highest among a premise's own three? Random: 33.3.

    Queries of every language meet English hypotheses; ``matrix`` holds every pair of languages.
    """
    tags = [tag for tag in languages_of(premises) if tag in languages]
    queries = {tag: towers.texts([premise.premise[tag] for premise in premises]) for tag in tags}
    answers = {
        tag: towers.texts(hypotheses_of(premises, tag)).reshape(len(premises), len(LABELS), -1)
        for tag in tags
    }

    def scores(query: str, answer: str) -> NDArray[np.float64]:
        found = np.einsum("qd,qld->ql", queries[query], answers[answer])
        return np.asarray(found, np.float64)

    against_english = {tag: scores(tag, "en") for tag in tags}
    values = {tag: 100 * entailed_first(found) for tag, found in against_english.items()}
    pairs = {(x, y): float(100 * entailed_first(scores(x, y)).mean()) for x in tags for y in tags}
    return BenchmarkValues(
        name="xnli",
        metric="accuracy@1",
        gallery=len(LABELS),
        values={tag: _rounded(own) for tag, own in values.items()},
        together=_rounded(_product(values)),
        agreement=_rounded(_agreement(against_english, 1)),
        matrix=pair_matrix(tags, pairs),
    )


def _product(values: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    product: NDArray[np.float64] = 100 * np.prod([own / 100 for own in values.values()], axis=0)
    return product


def _agreement(scores: Mapping[str, NDArray[np.floating]], k: int) -> NDArray[np.float64]:
    """``overlap_at`` of each query, 0 to 100; nan with one language."""
    first = next(iter(scores.values()))
    if len(scores) < 2:
        return np.full(len(first), np.nan)
    return np.asarray(100 * overlap_at(scores, min(k, first.shape[1])).values)


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(np.round(values, _DIGITS).tolist())


def _examples(gallery: GallerySet, scores: Scores, data: BenchmarkData) -> tuple[ShownQuery, ...]:
    """Clips spread over the gallery, so that they do not depend on what any arm finds."""
    places = np.unique(np.linspace(0, len(gallery.rows) - 1, data.examples + 2)[1:-1].astype(int))
    pictures: dict[int, str | None] = {}

    def picture(place: int) -> str | None:
        if not data.show_pictures:
            return None
        if place not in pictures:
            pictures[place] = _picture_of(gallery.table.media(gallery.rows[place]))
        return pictures[place]

    def hits(tag: str, query: int) -> tuple[ShownHit, ...]:
        order = np.argsort(-scores[tag][query], kind="stable")[:_SHOWN]
        wanted = gallery.queries[tag].truth[query]
        return tuple(
            ShownHit(clip=_clip_id(gallery, place), picture=picture(place), wanted=place in wanted)
            for place in map(int, order)
        )

    return tuple(
        ShownQuery(
            clip=_clip_id(gallery, query),
            picture=picture(query),
            queries={tag: asked.texts[query] for tag, asked in gallery.queries.items()},
            hits={tag: hits(tag, query) for tag in scores},
        )
        for query in map(int, places)
    )


def _clip_id(gallery: GallerySet, place: int) -> str:
    return gallery.table.clip(gallery.rows[place]).clip_id


def _picture_of(media: Media | None) -> str | None:
    return thumbnail(media, size=_THUMBNAIL_PX) if isinstance(media, Frames) else None
