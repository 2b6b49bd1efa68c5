"""What a benchmark is: its gallery, its queries, what counts as relevant, and what is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from polyreel.clips import SampleCreation
from polyreel.datasets.dataset import BenchmarkSpec, Dataset, Relevance, Task

__all__ = ["BenchmarkCard", "card_of"]

# Results of versions before 0.2 have their own words.
_EARLIER_WORDS = {
    "human": "created",
    "human translation": "human-translated",
    "machine translation": "machine-translated",
    "written for this project": "created",
}


def _in_todays_words(given: Any) -> Any:
    return _EARLIER_WORDS.get(given, given) if isinstance(given, str) else given


class BenchmarkCard(BaseModel):
    """One benchmark, fixed. Results compare only where the digests of their cards agree.

    Attributes:
        name: registry name.
        task: what is searched by what.
        description: one or two sentences.
        split: which part of the dataset.
        gallery: items that must be there; None where the user's own data decide.
        queries: BCP-47 tag -> queries that must be there; empty where the user's own data decide.
        relevance: which gallery items count for a query.
        fewer_queries: how many of them a common copy may lack, in each language; results then say so.
        sample_creation: tag -> how the queries came about. Machine-translated queries favour models that were
            trained on machine translation.
        licence, citation: of the data.
        known_faults: what a reader of the numbers should know.
        data: what to get and where to put it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    task: Task
    description: str
    split: str
    gallery: int | None = Field(default=None, gt=0)
    queries: Mapping[str, int] = {}
    fewer_queries: int = Field(default=0, ge=0)
    relevance: Relevance
    sample_creation: Mapping[str, Annotated[SampleCreation, BeforeValidator(_in_todays_words)]]
    licence: str
    citation: str
    known_faults: tuple[str, ...] = ()
    data: str

    @property
    def digest(self) -> str:
        """Hex digest of everything that decides the numbers; prose does not."""
        decisive = self.model_dump_json(include={"name", "task", "split", "gallery", "queries", "relevance"})
        return hashlib.sha256(decisive.encode()).hexdigest()


def card_of(dataset: Dataset, spec: BenchmarkSpec) -> BenchmarkCard:
    """The card of one of a dataset's benchmarks."""
    languages = dataset.languages if spec.languages is None else spec.languages
    return BenchmarkCard(
        name=spec.name,
        task=spec.task,
        description=spec.description,
        split=spec.split,
        gallery=spec.gallery,
        queries=spec.queries,
        fewer_queries=spec.fewer_queries,
        relevance=spec.relevance,
        sample_creation={tag: dataset.creation(tag) for tag in languages},
        licence=dataset.licence,
        citation=dataset.source,
        known_faults=(*dataset.known_faults, *spec.known_faults),
        data=dataset.remedy if dataset.fetch else f"{dataset.remedy} and name it by --data",
    )
