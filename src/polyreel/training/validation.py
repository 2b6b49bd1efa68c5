"""Judging a run while it trains, on what it may look at: a type that no test split can become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from polyreel.datasets.store.table import DatasetTable
from polyreel.errors import TrainingError
from polyreel.evaluation.queries import QuerySet, places_of_concepts, query_set
from polyreel.languages import parts_in
from polyreel.metrics.ranks import Relevance, rank_embeddings
from polyreel.metrics.retrieval import METRICS
from polyreel.training.batches import padded
from polyreel.training.engine import Engine
from polyreel.training.recipe import HELD_OUT, VALIDATION_SPLITS
from polyreel.training.training_set import TrainingSet, is_held_out, texts_of

__all__ = ["QueryValues", "ValidationSet", "Validator"]

SHOWN = ("r@1", "r@5", "r@10", "mrr")
_AT_ONCE = 256
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ValidationSet:
    """Clips that a run may be judged on.

    Attributes:
        table: the corpus.
        rows: indices of the clips.
        share: of the training split that is held back, where the clips are from it.

    Raises:
        TrainingError: a clip is of a split that is not for validation, or of a training split and not held
            back; there are fewer than two.
    """

    table: DatasetTable
    rows: tuple[int, ...]
    share: float | None = None

    def __post_init__(self) -> None:
        for row in self.rows:
            split = self.table.split(row)
            if split in VALIDATION_SPLITS and split != HELD_OUT:
                continue
            if split == "train" and self.share is not None and is_held_out(self.table, row, self.share):
                continue
            raise TrainingError(
                "a run may not look at this clip while it trains",
                item=f"{self.table.name}, {self.table.clip(row).clip_id}",
                value=f"split {split!r}",
                remedy="Validate on dev, or on what 'held_out' keeps back of the training split",
            )
        if len(self.rows) < 2:
            raise TrainingError("too few clips to validate on", item=self.table.name, value=len(self.rows))

    @classmethod
    def of_split(cls, table: DatasetTable, split: str, *, items: int | None = None) -> ValidationSet:
        """The first ``items`` clips of a dev split.

        Args:
            table: Dataset.
            split: Name of the split.
            items: Number of clips; None takes all.

        Raises:
            UnknownNameError: the corpus has no such split.
            TrainingError: the split is not for validation.
        """
        return cls(table, tuple(map(int, table.rows(split)[:items])))

    @classmethod
    def held_out(cls, table: DatasetTable, share: float, *, items: int | None = None) -> ValidationSet:
        """The first ``items`` clips of the part of the training split that is kept back.

        Args:
            table: Dataset.
            share: Share of the training split that is kept back, 0 to 1.
            items: Number of clips; None takes all.

        Raises:
            TrainingError: that are fewer than two.
        """
        rows = [row for row in map(int, table.rows("train")) if is_held_out(table, row, share)]
        return cls(table, tuple(rows[:items]), share)

    @property
    def name(self) -> str:
        """Of the corpus, and what part of it."""
        return self.table.name if self.share is None else f"{self.table.name}/{HELD_OUT}"


class Validator:
    """Judges a model on validation sets.

    Args:
        shown: what on, each with what reads its features; text alone where that has none.
        languages: of the queries.
        metric: what is best.
    """

    def __init__(
        self, shown: Sequence[tuple[ValidationSet, TrainingSet]], *, languages: Sequence[str], metric: str
    ) -> None:
        self._shown, self._languages, self._metric = shown, tuple(languages), metric

    def figures(self, engine: Engine, *, frames: int) -> dict[str, float]:
        """``corpus/metric/language`` -> mean over the queries, and ``mean/metric`` over corpora and
        languages.

        Args, errors: see ``values``.
        """
        found = {
            f"{values.corpus}/{values.metric}/{values.language}": float(values.values.mean())
            for values in self.values(engine, frames=frames)
        }
        means = {
            f"mean/{name}": float(np.mean([value for key, value in found.items() if f"/{name}/" in key]))
            for name in SHOWN
        }
        return found | means

    def values(self, engine: Engine, *, frames: int) -> list[QueryValues]:
        """Every metric of every query.

        Args:
            engine: whose model, as it would be exported.
            frames: most feature rows of a clip.

        Raises:
            TrainingError: there is nothing to ask or to find.
        """
        found: list[QueryValues] = []
        with engine.evaluating():
            for validation, training_set in self._shown:
                cases = _cases(validation, training_set, self._languages)
                texts = partial(_text_vectors, engine)
                gallery = (
                    texts(cases.texts, "en")
                    if cases.texts
                    else _clip_vectors(engine, training_set, frames, cases.rows)
                )
                for tag, asked in cases.queries.items():
                    truth = Relevance.of(asked.truth, len(gallery))
                    ranks = rank_embeddings(texts(asked.texts, tag), gallery, truth)
                    found += [
                        QueryValues(validation.name, name, tag, METRICS[name](ranks), asked.items)
                        for name in SHOWN
                    ]
        return found

    def score(self, figures: Mapping[str, float]) -> float:
        """The figure that is to be as high as can be."""
        return figures[f"mean/{self._metric}"]


@dataclass(frozen=True, slots=True)
class QueryValues:
    """One metric of the queries in one language.

    Attributes:
        corpus, metric, language: which.
        values: (queries,).
        places: (queries,) place in the gallery of the clip that each is about.
    """

    corpus: str
    metric: str
    language: str
    values: NDArray[np.float64]
    places: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Cases:
    """What is asked of a validation set.

    Attributes:
        rows: clips of the gallery, in order.
        texts: English texts that stand for them where there is no video.
        queries: language -> captions of the clips.
    """

    rows: list[int]
    texts: list[str]
    queries: dict[str, QuerySet]


def _cases(validation: ValidationSet, training_set: TrainingSet, languages: Sequence[str]) -> _Cases:
    captions = {row: texts_of(validation.table, row, languages) for row in validation.rows}
    by_text = not training_set.has_video
    rows = [
        row
        for row in validation.rows
        if ("en" in captions[row] if by_text else training_set.has_features(row))
    ]
    alike = places_of_concepts([training_set.concept(row) for row in rows])
    queries = {}
    for tag in languages:
        asked = query_set([captions[row].get(tag, ()) for row in rows], alike, equal_captions=False)
        if asked.texts and not (by_text and tag == "en"):
            queries[tag] = asked
    if len(rows) < 2 or not queries:
        raise TrainingError(
            "there is nothing to find in the validation set",
            item=validation.name,
            value=f"{len(rows)} clips, queries in {', '.join(queries) or 'no language'}",
            remedy="Check its features and the languages of its captions",
        )
    return _Cases(rows, [captions[row]["en"][0] for row in rows] if by_text else [], queries)


def _text_vectors(engine: Engine, texts: Sequence[str], language: str) -> Rows:
    parts = []
    for start in range(0, len(texts), _AT_ONCE):
        some = tuple(texts[start : start + _AT_ONCE])
        inputs = engine.prepare(some, parts_in(some, language)).to(engine.device)
        parts.append(engine.model.embed_text(inputs))
    return torch.cat(parts).float().cpu().numpy()


def _clip_vectors(engine: Engine, training_set: TrainingSet, most: int, rows: Sequence[int]) -> Rows:
    parts = []
    for start in range(0, len(rows), _AT_ONCE):
        frames, mask = padded(
            [training_set.frames(row, at_most=most) for row in rows[start : start + _AT_ONCE]]
        )
        parts.append(engine.model.embed_video(frames.to(engine.device), mask.to(engine.device)))
    return torch.cat(parts).float().cpu().numpy()
