"""Results as typed data: what was measured, of what, on what, with its noise, and how to do it again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from polyreel.errors import ResultError
from polyreel.evaluation.cards import BenchmarkCard
from polyreel.files import read_regular
from polyreel.media.sampling import Sampling
from polyreel.metrics.tables import data_frame

__all__ = [
    "Estimate",
    "Gap",
    "LanguageResult",
    "Matrix",
    "MissingItem",
    "Result",
    "SystemFacts",
    "WorstQuery",
    "differences",
    "read_result",
]


_NAMED_ITEMS = 5
_LEAST_OF_A_GAP = 30  # queries of a language


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(_Result):
    """A figure and its interval at 95%; the interval is None where none was asked for."""

    value: float
    low: float | None = None
    high: float | None = None


class Gap(_Result):
    """How much worse the other languages are than English.

    Absolute, relative to English, and each of them.
    """

    absolute: float
    relative: float
    per_language: Mapping[str, float]


class Matrix(_Result):
    """A square table of languages, or queries by galleries.

    Attributes:
        rows, columns: BCP-47 tags.
        values: one list for each row.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]


class LanguageResult(_Result):
    """One query language.

    Attributes:
        n_queries: queries that were scored.
        metrics: name -> figure.
        ranks: expected rank of each query's best relevant item, in the order of the queries.
        hits: probability that a relevant item comes first, 0 to 1, of each query.
        clusters: which item each query is about; queries of one item are resampled together.
    """

    n_queries: int
    metrics: Mapping[str, Estimate]
    ranks: tuple[float, ...]
    hits: tuple[float, ...]
    clusters: tuple[int, ...]


class SystemFacts(_Result):
    """What was measured."""

    bundle: str
    identity: str
    polyreel: str


class MissingItem(_Result):
    """Something that the benchmark should have and has not; it counts for nothing, and is said."""

    id: str
    reason: str


class WorstQuery(_Result):
    """A query that went wrong: what it is, what should have come, what came.

    Attributes:
        language, query: the query.
        wanted, found: ids of its own item and of the first hit.
        rank: expected rank of its own item.
        wanted_picture, found_picture: small JPEGs in base64, None where the items are text.
    """

    language: str
    query: str
    wanted: str
    found: str
    rank: float
    wanted_picture: str | None = None
    found_picture: str | None = None


class Result(_Result):
    """One system on one benchmark.

    Attributes:
        schema_version: of this document.
        command: what made it.
        card, card_digest: the benchmark.
        system: the bundle.
        gallery: items in the gallery.
        sampling: how the pictures of videos were taken; None of a result from before that was told.
        options: name of the score normalizer, if any, and what it used.
        languages: BCP-47 tag -> its figures.
        macro: mean over languages.
        gap: metric -> transfer gap; None without English or without another language.
        consistency: name -> agreement between languages; empty with one language.
        tables: named matrices (agreement of each pair of languages; queries by galleries).
        missing: items that should be there and are not.
        worst: queries that went wrong.
        seed: of the resampling.
        environment: machine and packages.
        date: ISO 8601, UTC.
        took_s, peak_memory_bytes: wall time and largest resident size.
    """

    schema_version: Literal[1] = 1
    command: str
    card: BenchmarkCard
    card_digest: str
    system: SystemFacts
    gallery: int
    sampling: Sampling | None = None
    options: Mapping[str, str] = {}
    languages: Mapping[str, LanguageResult]
    macro: Mapping[str, Estimate]
    gap: Mapping[str, Gap] | None = None
    consistency: Mapping[str, float] = {}
    tables: Mapping[str, Matrix] = {}
    missing: tuple[MissingItem, ...] = ()
    worst: tuple[WorstQuery, ...] = ()
    seed: int
    environment: Mapping[str, str]
    date: str
    took_s: float
    peak_memory_bytes: int

    @property
    def fewest_queries(self) -> int:
        """Queries of the language that has the fewest."""
        return min((language.n_queries for language in self.languages.values()), default=0)

    def told_gap(self, metric: str) -> Gap | None:
        """The transfer gap in a metric; None without one, and with so few queries that each moves it far.

        Args:
            metric: a name of ``gap``.
        """
        return (self.gap or {}).get(metric) if self.fewest_queries >= _LEAST_OF_A_GAP else None

    @property
    def label(self) -> str:
        """Bundle and start of its identity."""
        return f"{self.system.bundle} ({self.system.identity[:8]})"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, as ``--json`` prints it."""
        return self.model_dump(mode="json")

    def to_frame(self) -> Any:
        """A pandas DataFrame with a row for each language and metric.

        Raises:
            UsageError: pandas is not installed.
        """
        return data_frame(
            {"language": tag, "n_queries": found.n_queries, "metric": name, **figure.model_dump()}
            for tag, found in self.languages.items()
            for name, figure in found.metrics.items()
        )


def read_result(path: Path) -> Result:
    """A result from its JSON file.

    Raises:
        ResultError: the file cannot be read, is no result, or is of another schema.
    """
    try:
        return Result.model_validate_json(read_regular(path))
    except OSError as error:
        raise ResultError("the result cannot be read", item=path, value=error.strerror) from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "the document"
        raise ResultError(
            "not a result of this version of polyreel",
            item=path,
            value=f"{where}: {problem['msg']}",
            remedy="Make it again with 'polyreel eval'",
        ) from error


def differences(one: Result, other: Result) -> list[str]:
    """Why two results must not be compared; empty if they may."""
    found = []
    if one.card_digest != other.card_digest:
        found.append(" against ".join(f"benchmark {r.card.name} {r.card_digest[:8]}" for r in (one, other)))
    if one.gallery != other.gallery:
        found.append(f"gallery of {one.gallery:,} against {other.gallery:,}")
    for tag in sorted(one.languages.keys() | other.languages.keys()):
        counts = [r.languages[tag].n_queries if tag in r.languages else 0 for r in (one, other)]
        if counts[0] != counts[1]:
            found.append(f"{counts[0]:,} against {counts[1]:,} queries in {tag}")
        elif counts[0] and one.languages[tag].clusters != other.languages[tag].clusters:
            found.append(f"queries about other items in {tag}")
    if one.options != other.options:
        found.append(f"options {dict(one.options)} against {dict(other.options)}")
    absent = [{item.id for item in result.missing} for result in (one, other)]
    if apart := sorted(absent[0] ^ absent[1]):
        more = f" and {len(apart) - _NAMED_ITEMS} more" if len(apart) > _NAMED_ITEMS else ""
        found.append(f"items that only one of them lacks: {', '.join(apart[:_NAMED_ITEMS])}{more}")
    return found
