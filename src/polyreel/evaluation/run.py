"""Measure a bundle on a benchmark and make a result of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from polyreel._version import __version__
from polyreel.encoders.runtime import Bundle
from polyreel.errors import DatasetError, UnknownNameError, UsageError
from polyreel.evaluation.benchmarks import BENCHMARKS, Benchmark, Inputs
from polyreel.evaluation.cards import BenchmarkCard
from polyreel.evaluation.results import Result, SystemFacts
from polyreel.evaluation.retrieval import Measured, Progress
from polyreel.evaluation.summary import environment, gaps, macro_means, peak_memory_bytes
from polyreel.metrics.score_normalizers import SCORE_NORMALIZERS
from polyreel.packages.fetch import Progress as ArchiveProgress

__all__ = ["evaluate", "find_benchmark"]


def find_benchmark(name: str) -> Benchmark:
    """The benchmark of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in BENCHMARKS:
        raise UnknownNameError("benchmark", name, BENCHMARKS)
    return BENCHMARKS[name]


def evaluate(
    name: str,
    bundle: Bundle,
    *,
    data: Path | None = None,
    languages: Sequence[str] | None = None,
    seed: int = 0,
    trick: str | None = None,
    command: str = "",
    progress: Progress | None = None,
    download: ArchiveProgress | None = None,
) -> Result:
    """Measure ``bundle`` on the benchmark ``name``.

    Args:
        name: registry name.
        bundle: what is measured.
        data: folder of the data, where the benchmark is not fetched.
        languages: query languages; all by default.
        seed: of the resampling.
        trick: score normalizer that uses the other queries (``SCORE_NORMALIZERS``), for media;
            written on the result.
        command: kept in the result.
        progress: told of what is done, and of how much of how much.
        download: told of arriving bytes.

    Raises:
        UnknownNameError: no benchmark or trick has this name.
        UsageError: a trick was asked for where it cannot be applied.
        DatasetError: data are missing, damaged, or not of the size that the card states.
    """
    benchmark = find_benchmark(name)
    _require_trick(trick, benchmark.card)
    began = time.monotonic()
    inputs = Inputs(
        bundle, data, languages, seed, progress or (lambda _what, _done, _total: None), download, trick
    )
    measured = benchmark.run(inputs)
    card = benchmark.card_for(data)
    _require_counts(card, measured)
    return Result(
        command=command,
        card=card,
        card_digest=card.digest,
        system=SystemFacts(bundle=bundle.card.name, identity=bundle.card.identity, polyreel=__version__),
        gallery=measured.gallery,
        options={} if trick is None else {trick: SCORE_NORMALIZERS[trick][1]},
        languages=measured.languages,
        macro=macro_means(measured.languages),
        gap=gaps(measured.languages),
        consistency=measured.consistency,
        tables=measured.tables,
        missing=measured.missing,
        worst=measured.worst,
        seed=seed,
        environment=environment(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        took_s=round(time.monotonic() - began, 3),
        peak_memory_bytes=peak_memory_bytes(),
    )


def _require_trick(trick: str | None, card: BenchmarkCard) -> None:
    if trick is None:
        return
    if trick not in SCORE_NORMALIZERS:
        raise UnknownNameError("transductive trick", trick, SCORE_NORMALIZERS)
    if card.task == "text->text":
        raise UsageError("no transductive trick for text against text", item=card.name, value=trick)


def _require_counts(card: BenchmarkCard, measured: Measured) -> None:
    """What is there and what is noted as missing must together be what the card states."""
    lost = len(measured.missing)
    if card.gallery is not None and measured.gallery + lost != card.gallery:
        raise DatasetError(
            f"the gallery of {card.name} is not of the stated size",
            value=f"{measured.gallery:,} items and {lost:,} missing, stated {card.gallery:,}",
            remedy=card.data,
        )
    if lost:
        return  # every missing item takes its queries along, and is listed
    for tag, result in measured.languages.items():
        if tag in card.queries and result.n_queries != card.queries[tag]:
            raise DatasetError(
                f"{card.name} has not the stated number of queries in {tag}",
                value=f"{result.n_queries:,}, stated {card.queries[tag]:,}",
                remedy=card.data,
            )
