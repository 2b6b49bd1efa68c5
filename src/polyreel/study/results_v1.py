"""What one trained arm was worth, value by value, as a file that is there whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from polyreel.evaluation.results import Matrix
from polyreel.files import write_atomically
from polyreel.study.design import Spec

__all__ = ["BenchmarkValues", "FirstCellResult", "ShownHit", "ShownQuery", "read_cell", "write_cell"]


class BenchmarkValues(Spec):
    """One benchmark.

    Attributes:
        name: of the benchmark.
        metric: ``r@1``, or ``accuracy@1`` among a premise's own three hypotheses.
        gallery: items searched.
        values: query language -> a value from 0 to 100 for each query; query i is about the same item in
            every language.
        together: for each query the chance, 0 to 100, that it succeeds in every language.
        agreement: for each query how far two languages agree on what they find, 0 to 100, mean over the
            pairs: overlap of the first ten, or for X-MNLI whether the same hypothesis comes first.
        figures: further figures over all queries: means of other metrics by ``metric/language``, and
            consistency.
        matrix: query language by gallery language, where galleries are texts.
    """

    name: str
    metric: Literal["r@1", "accuracy@1"]
    gallery: int
    values: Mapping[str, tuple[float, ...]]
    together: tuple[float, ...]
    agreement: tuple[float, ...]
    figures: Mapping[str, float] = {}
    matrix: Matrix | None = None

    @property
    def languages(self) -> tuple[str, ...]:
        """Of the queries."""
        return tuple(self.values)

    def array(self, tag: str) -> NDArray[np.float64]:
        """(queries,) values in one language."""
        return np.array(self.values[tag])


class ShownHit(Spec):
    """A clip that was found; ``picture`` is a small JPEG in base64."""

    clip: str
    picture: str | None = None
    wanted: bool


class ShownQuery(Spec):
    """One clip asked for in several languages: language -> query, and what came first."""

    clip: str
    picture: str | None = None
    queries: Mapping[str, str]
    hits: Mapping[str, tuple[ShownHit, ...]]


class FirstCellResult(Spec):
    """One arm with one encoder and one seed.

    Attributes:
        schema_version: of this document.
        encoder, arm, seed: which.
        digest: of everything that decides the figures.
        benchmarks: what was measured; a benchmark that cannot be asked of the arm is absent.
        switched: language -> share of all words that were switched into it.
        steps: of the training.
        texts: that the training saw.
        examples: nearest clips of a few queries.
        took_s: wall time of training and measuring; not part of any table.
    """

    schema_version: Literal[1] = 1
    encoder: str
    arm: str
    seed: int
    digest: str
    benchmarks: tuple[BenchmarkValues, ...]
    switched: Mapping[str, float] = {}
    steps: int = 0
    texts: int = 0
    examples: tuple[ShownQuery, ...] = ()
    took_s: float = 0.0

    def benchmark(self, name: str) -> BenchmarkValues | None:
        """The benchmark of that name, if the arm was measured on it."""
        return next((found for found in self.benchmarks if found.name == name), None)


def read_cell(path: Path, digest: str) -> FirstCellResult | None:
    """The result in ``path``; None if it is not there, damaged, or was made from something else."""
    try:
        found = FirstCellResult.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return found if found.digest == digest else None


def write_cell(path: Path, result: FirstCellResult) -> None:
    """Write the file whole."""
    write_atomically(path, result.model_dump_json().encode() + b"\n")
