"""What a benchmark is: its gallery, its queries, what counts as relevant, and what is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["BenchmarkCard", "SampleCreation", "Task"]

Task = Literal["text->video", "text->image", "text->text"]
SampleCreation = Literal["human", "human translation", "machine translation", "written for this project"]


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
    relevance: Literal["own item", "own item and equal captions", "entailed hypothesis", "same sentence"]
    sample_creation: Mapping[str, SampleCreation]
    licence: str
    citation: str
    known_faults: tuple[str, ...] = ()
    data: str

    @property
    def digest(self) -> str:
        """Hex digest of everything that decides the numbers; prose does not."""
        decisive = self.model_dump_json(include={"name", "task", "split", "gallery", "queries", "relevance"})
        return hashlib.sha256(decisive.encode()).hexdigest()
