"""Rank every query of a cell: captions against captions, captions against videos, X-MNLI."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from polyreel.datasets.readers.xnli import LABELS, NliPremise
from polyreel.evaluation.queries import hypotheses_of, languages_of, places_of_concepts
from polyreel.languages import Parts
from polyreel.metrics.ranks import rank_scores
from polyreel.study.results import QueryList, TaskRanks, expected_ranks
from polyreel.study.study_data import Part, TestClips

__all__ = ["CellQueries", "TowersLike", "log2_rank_of_switched", "measure", "query_lists"]

_XNLI = "x-mnli"
Rows = NDArray[np.float32]


class TowersLike(Protocol):
    """What can be measured."""

    def texts(self, texts: Sequence[str], language: str) -> Rows:
        """(texts, dim) unit vectors of texts in one language."""
        ...

    def parts(self, parts: Sequence[Parts]) -> Rows:
        """(texts, dim) unit vectors of texts in several languages each."""
        ...

    def can_see(self, *, has_classes: bool) -> bool:
        """Whether ``clips`` can be asked, of features that the class layer reads or others."""
        ...

    def clips(self, frames: Sequence[Rows]) -> Rows:
        """(clips, dim) unit vectors."""
        ...


@dataclass(frozen=True, slots=True)
class CellQueries:
    """What a cell is measured on.

    Attributes:
        part: of the setting.
        clips: that are asked for.
        premises: of X-MNLI, none if it is not asked for.
        languages: of the setting, English first.
    """

    part: Part
    clips: TestClips
    premises: tuple[NliPremise, ...]
    languages: tuple[str, ...]

    @property
    def nli_languages(self) -> tuple[str, ...]:
        """Those of the setting that X-MNLI has, English first."""
        there = set(languages_of(self.premises))
        return tuple(tag for tag in self.languages if tag in there)


def query_lists(data: CellQueries) -> dict[str, QueryList]:
    """Name -> what the queries of ``measure`` ask for."""
    clips = data.clips
    found = {}
    for tag in data.languages:
        name, rows = _asked(data, tag)
        found[name] = QueryList(
            ids=tuple(clips.ids[row] for row in rows), sources=tuple(clips.sources[row] for row in rows)
        )
    if data.premises:
        ids = tuple(premise.id for premise in data.premises)
        found[_XNLI] = QueryList(ids=ids, sources=ids)
    return found


def measure(towers: TowersLike, data: CellQueries) -> tuple[TaskRanks, ...]:
    """Rank the queries of every task that the arm can be asked.

    Captions of one clip in English and each other language ask for each other, among those of all clips that
    have both; captions in each language ask for their videos among those of all test clips. A query's answers
    are the clips of its concept and those that carry the same caption. X-MNLI is asked from every language in
    English and from English in every language.
    """
    return (*_texts(towers, data), *_videos(towers, data), *_nli(towers, data))


def log2_rank_of_switched(towers: TowersLike, english: Sequence[str], switched: Sequence[Parts]) -> float:
    """Mean log2 rank, both ways, of English captions and the same captions switched, among all of them.

    Args:
        towers: that are asked.
        english: captions.
        switched: the same by language.
    """
    one, other = towers.texts(english, "en"), towers.parts(switched)
    written = ["".join([text for _, text in parts]).casefold() for parts in switched]
    truth = _answers([text.casefold() for text in english], written)
    ranks = [expected_ranks(rank_scores(scores, truth)) for scores in (one @ other.T, other @ one.T)]
    return float(np.log2(np.array(ranks)).mean())


def _asked(data: CellQueries, tag: str) -> tuple[str, list[int]]:
    """Name of the query list of a language, and the places of its clips."""
    base = data.part.setting if data.part.fold is None else f"{data.part.setting}/fold-{data.part.fold}"
    rows = [row for row, text in enumerate(data.clips.captions[tag]) if text is not None]
    return (base if len(rows) == len(data.clips.ids) else f"{base}/{tag}"), rows


def _texts(towers: TowersLike, data: CellQueries) -> Iterator[TaskRanks]:
    english, clips = data.languages[0], data.clips
    for tag in data.languages[1:]:
        name, rows = _asked(data, tag)
        if len(rows) < 2:
            continue
        texts = {each: [clips.captions[each][row] or "" for row in rows] for each in (english, tag)}
        vectors = {each: towers.texts(own, each) for each, own in texts.items()}
        truth = _answers(
            [clips.concepts[row] for row in rows],
            *([text.casefold() for text in own] for own in texts.values()),
        )
        for query, gallery in ((english, tag), (tag, english)):
            scores = vectors[query] @ vectors[gallery].T
            yield TaskRanks(
                task="text to text",
                query_language=query,
                gallery_language=gallery,
                gallery=len(rows),
                ranks=expected_ranks(rank_scores(scores, truth)),
                queries=name,
            )


def _videos(towers: TowersLike, data: CellQueries) -> Iterator[TaskRanks]:
    clips = data.clips
    if not towers.can_see(has_classes=clips.has_classes):
        return
    videos = towers.clips(clips.frames)
    alike = places_of_concepts(clips.concepts)
    for tag in data.languages:
        name, rows = _asked(data, tag)
        texts = [clips.captions[tag][row] or "" for row in rows]
        carriers = defaultdict(set)
        for row, text in zip(rows, texts, strict=True):
            carriers[text.casefold()].add(row)
        truth = [
            sorted({*alike[row], *carriers[text.casefold()]}) for row, text in zip(rows, texts, strict=True)
        ]
        yield TaskRanks(
            task="text to video",
            query_language=tag,
            gallery=len(videos),
            ranks=expected_ranks(rank_scores(towers.texts(texts, tag) @ videos.T, truth)),
            queries=name,
        )


def _nli(towers: TowersLike, data: CellQueries) -> Iterator[TaskRanks]:
    premises, tags = data.premises, data.nli_languages
    if not premises:
        return
    queries = {tag: towers.texts([premise.premise[tag] for premise in premises], tag) for tag in tags}
    answers = {
        tag: towers.texts(hypotheses_of(premises, tag), tag).reshape(len(premises), len(LABELS), -1)
        for tag in tags
    }
    truth = [[LABELS.index("entailment")]] * len(premises)
    pairs = [(tag, tags[0]) for tag in tags] + [(tags[0], tag) for tag in tags[1:]]
    for query, gallery in pairs:
        scores = np.einsum("qd,qld->ql", queries[query], answers[gallery])
        yield TaskRanks(
            task="x-mnli",
            query_language=query,
            gallery_language=gallery,
            gallery=len(LABELS),
            ranks=expected_ranks(rank_scores(scores, truth)),
            queries=_XNLI,
        )


def _answers(*names: Sequence[str]) -> list[list[int]]:
    """For each place all places that share one of its names with it, its own among them."""
    found = [set[int]() for _ in names[0]]
    for kind in names:
        for place, alike in enumerate(places_of_concepts(kind)):
            found[place].update(alike)
    return [sorted(places) for places in found]
