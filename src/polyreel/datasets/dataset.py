"""What a dataset is: its terms, how it is had, how it becomes records, and which benchmarks it offers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from polyreel.datasets.records import Creation, Record, created
from polyreel.packages.members import Archive
from polyreel.problems import Missing
from polyreel.progress import OnProgress

__all__ = ["BenchmarkSpec", "Dataset", "Fetch", "Reader", "Relevance", "Task"]

Task = Literal["text->video", "text->image", "text->text"]
Relevance = Literal["own item", "own item and equal captions", "entailed hypothesis", "same sentence"]
Reader = Callable[[Path], Iterable[Record | Missing]]
"""Reads a folder, streaming; what it cannot use is among the records as ``Missing``."""
Fetch = Callable[[Path, OnProgress | None], Path]
"""Brings a dataset below a cache folder and returns its own folder there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkSpec:
    """A part of a dataset to measure retrieval on. ``evaluation`` makes it runnable.

    Attributes:
        name: as commands call it.
        task: what is searched by what.
        description: one or two sentences.
        split: which part of the dataset, in words.
        gallery: number of items that must be there; None where the user's own data decide.
        queries: BCP-47 tag -> number of queries that must be there; empty where the user's own data decide.
        fewer_queries: how many of them a common copy may lack, in each language.
        relevance: which gallery items count for a query.
        languages: BCP-47 tags of the queries; None for those of the dataset.
        records: reads the part, where the dataset's own reader reads more; not for text against text.
        fetch: brings the part, where the dataset's own fetches more.
        known_faults: what a reader of the numbers should know, beyond the faults of the dataset.
        identify: where the user's own data are the benchmark, says which data they are.
    """

    name: str
    task: Task
    description: str
    split: str
    gallery: int | None = None
    queries: Mapping[str, int] = field(default_factory=dict)
    fewer_queries: int = 0
    relevance: Relevance = "own item"
    languages: tuple[str, ...] | None = None
    records: Reader | None = None
    fetch: Fetch | None = None
    known_faults: tuple[str, ...] = ()
    identify: Callable[[Path], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One row of the registry.

    Attributes:
        name: as commands call it.
        description: one sentence.
        licence: the terms of captions and media.
        source: where it comes from: a package, or a citation.
        languages: BCP-47 tags of its captions, as far as they are known beforehand.
        creation: how the captions in a language came about.
        records: its reader.
        fetch: brings it; None if people have to get it.
        packages: what it fetches, with digests.
        licences: package -> its terms, where they are not those of all.
        published: split -> number of clips, as published or as counted when the version was pinned; None if
            that depends on the user's own folder.
        remedy: how to get it and which layout is expected.
        knows_sources: whether its reader says what clips were cut from, where their names do not.
        known_faults: what a reader of numbers measured on it should know.
        benchmarks: what can be measured on it.
    """

    name: str
    description: str
    licence: str
    source: str
    languages: tuple[str, ...]
    creation: Creation = created
    records: Reader
    fetch: Fetch | None = None
    packages: tuple[Archive, ...] = ()
    licences: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, int] | None = None
    remedy: str
    knows_sources: bool = False
    known_faults: tuple[str, ...] = ()
    benchmarks: tuple[BenchmarkSpec, ...] = ()
