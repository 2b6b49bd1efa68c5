"""What one trained arm was worth: the rank of every query, in files that are there whole or not at all.

Ranks and not scores are kept, so that every measure (R@k, MRR, mean log2 rank, found in both) can be had from
them later. A study of a thousand cells keeps half a million of them: they are written as one text of numbers
and the whole as gzipped lines, which ``gunzip -c`` shows.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, PlainSerializer, ValidationError, model_validator

from polyreel.errors import ResultError
from polyreel.files import write_atomically
from polyreel.metrics.ranks import Ranks
from polyreel.study.design import Spec

__all__ = [
    "CellResult",
    "QueryList",
    "StudyCells",
    "TaskRanks",
    "expected_ranks",
    "read_cell",
    "read_cells",
    "write_cell",
    "write_cells",
]

Task = Literal["text to text", "text to video", "x-mnli"]


def _as_numbers(value: object) -> object:
    return tuple(map(float, value.split())) if isinstance(value, str) else value


def _as_text(ranks: Sequence[float]) -> str:
    return " ".join(f"{rank:g}" for rank in ranks)


RankList = Annotated[tuple[float, ...], BeforeValidator(_as_numbers), PlainSerializer(_as_text)]


class QueryList(Spec):
    """Queries that several cells share.

    Attributes:
        ids: of what is asked for, a clip or a premise; the same in every language and in every fold.
        sources: what each was cut from: a video, a photo, a concept. Queries of one source are not
            independent of each other.
    """

    ids: tuple[str, ...]
    sources: tuple[str, ...]

    @model_validator(mode="after")
    def _one_source_each(self) -> Self:
        if len(self.ids) != len(self.sources):
            raise ValueError(f"{len(self.ids)} ids and {len(self.sources)} sources")
        return self


class TaskRanks(Spec):
    """One retrieval task of one cell.

    Attributes:
        task: ``text to text``, ``text to video``, or ``x-mnli``, where a premise is asked among its own three
            hypotheses and 1 is the entailed one first.
        query_language: of the queries.
        gallery_language: of what is searched; empty where those are videos.
        gallery: number of items searched.
        ranks: of each query's own item, from 1, in the order of the query list. Among items of equal score it
            is the expected place, so that a system that tells nothing apart has (gallery + 1) / 2.
        queries: name of the query list.
    """

    task: Task
    query_language: str
    gallery_language: str = ""
    gallery: int
    ranks: RankList
    queries: str

    @property
    def array(self) -> NDArray[np.float64]:
        """(queries,) ranks."""
        return np.array(self.ranks, np.float64)


class CellResult(Spec):
    """One arm with one setting, encoder and seed.

    Attributes:
        schema_version: of this document.
        setting, encoder, arm, seed: which.
        digest: of everything that decides the ranks.
        ranks: of every task; one that cannot be asked of the arm is absent.
        switched: language -> share of all words that were switched into it: mean over the epochs, the first,
            the last.
        steps: of the training.
        texts: language -> how many the training saw.
        register_sha256: of the register as it was when the cell was run; empty without one.
        took_s: seconds of one core, training and measuring; not part of any table.
    """

    schema_version: Literal[2] = 2
    setting: str
    encoder: str
    arm: str
    seed: int
    digest: str
    ranks: tuple[TaskRanks, ...]
    switched: Mapping[str, tuple[float, ...]] = {}
    steps: int = 0
    texts: Mapping[str, int] = {}
    register_sha256: str = ""
    took_s: float = 0.0

    def task(self, task: Task, query_language: str, gallery_language: str = "") -> TaskRanks | None:
        """The ranks of one task and pair of languages, if the arm was measured on it.

        Args:
            task: What was asked.
            query_language: Of the queries.
            gallery_language: Of what is searched; empty for videos.
        """
        wanted = (task, query_language, gallery_language)
        return next((r for r in self.ranks if (r.task, r.query_language, r.gallery_language) == wanted), None)


class StudyCells(Spec):
    """All cells of a study that are there.

    Attributes:
        schema_version: of this document.
        study: its name.
        queries: name -> query list.
        cells: in the order of the grid.
    """

    schema_version: Literal[2] = 2
    study: str
    queries: Mapping[str, QueryList]
    cells: tuple[CellResult, ...]


def expected_ranks(levels: Ranks) -> tuple[float, ...]:
    """Rank of each query's best relevant item, from 1, to half a place.

    Among ``t`` items of equal score of which ``r`` are relevant it is the expected place of the first
    relevant one over their random orders, ``(t + 1) / (r + 1)``.
    """
    above, tied, relevant = levels.first
    return tuple((np.round(2 * (above + (tied + 1) / (relevant + 1))) / 2).tolist())


def read_cell(path: Path, digest: str) -> CellResult | None:
    """The result in ``path``; None if it is not there, damaged, or was made from something else."""
    try:
        found = CellResult.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return found if found.digest == digest else None


def write_cell(path: Path, result: CellResult) -> None:
    """Write the file whole."""
    write_atomically(path, result.model_dump_json().encode() + b"\n")


def read_cells(path: Path) -> StudyCells | None:
    """What ``write_cells`` wrote; None if it is not there.

    Raises:
        ResultError: it is damaged or of another version.
    """
    try:
        head, *lines = gzip.decompress(path.read_bytes()).splitlines()
        cells = tuple(CellResult.model_validate_json(line) for line in lines)
        return StudyCells.model_validate({**json.loads(head), "cells": cells})
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError) as error:
        raise ResultError(
            "the results of the study cannot be read",
            item=path,
            value=str(error).splitlines()[0],
            remedy="Restore the file, or delete it: missing cells are run again",
        ) from error


def write_cells(
    path: Path, *, study: str, queries: Mapping[str, QueryList], cells: Iterable[CellResult]
) -> None:
    """Write the file whole; the same cells make the same bytes.

    Args:
        path: Where, a ``.jsonl.gz``.
        study: Its name.
        queries: Name -> query list.
        cells: In the order of the grid.
    """
    head = StudyCells(study=study, queries=queries, cells=()).model_dump_json(exclude={"cells"})
    lines = [head, *(cell.model_dump_json() for cell in cells)]
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as file:
        file.write("\n".join(lines).encode() + b"\n")
    write_atomically(path, packed.getvalue())
