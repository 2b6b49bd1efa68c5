"""Measure an encoder on a benchmark and make a result of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from polyreel._version import __version__
from polyreel.encoders.protocol import CheckedEncoder, Encoder
from polyreel.errors import DatasetError, UnknownNameError, UsageError, require_seed, require_type
from polyreel.evaluation.benchmarks import BENCHMARKS, Benchmark, Inputs
from polyreel.evaluation.cards import BenchmarkCard
from polyreel.evaluation.results import Result, SystemFacts
from polyreel.evaluation.retrieval import Measured
from polyreel.evaluation.summary import environment, gaps, macro_means
from polyreel.media.sampling import DEFAULT_SAMPLING
from polyreel.memory import peak_memory_bytes
from polyreel.metrics.score_normalizers import SCORE_NORMALIZERS
from polyreel.progress import OnProgress, ignore_progress

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
    encoder: Encoder,
    benchmark: str,
    *,
    data: Path | str | None = None,
    languages: Sequence[str] | None = None,
    seed: int = 0,
    score_normalizer: str | None = None,
    command: str = "",
    progress: OnProgress | None = None,
    download: OnProgress | None = None,
) -> Result:
    """Measure an encoder on a benchmark.

    Args:
        encoder: a bundle, or any object with the methods of ``Encoder``.
        benchmark: registry name, as ``polyreel eval`` lists them.
        data: folder of the data, where the benchmark is not fetched.
        languages: BCP-47 tags of the queries; all by default.
        seed: seed of the bootstrap.
        score_normalizer: name in ``SCORE_NORMALIZERS``, for benchmarks of media. It uses the other test
            queries, and is written on the result.
        command: the command that the result names as its origin.
        progress: called with the step, the work done and the work in all.
        download: called as bytes arrive.

    Raises:
        UnknownNameError: no benchmark or score normalizer has this name.
        UsageError: the encoder lacks a method or gives wrong answers, or the score normalizer cannot be
            applied to this benchmark.
        DatasetError: data are missing, damaged, or not of the size that the card states.
    """
    require_type(benchmark, str, "a benchmark's name")
    require_seed(seed)
    if data is not None:
        require_type(data, (str, os.PathLike), "the folder of the data")
    languages = [languages] if isinstance(languages, str) else languages
    if languages is not None:
        require_type(languages, Iterable, "languages")
        languages = list(languages)
        for tag in languages:
            require_type(tag, str, "a language")
        if not languages:
            raise UsageError("no language to measure", value="languages is empty", remedy="None takes all")
    chosen = find_benchmark(benchmark)
    _require_score_normalizer(score_normalizer, chosen.card)
    checked = CheckedEncoder(encoder)
    folder = None if data is None else Path(data)
    began = time.monotonic()
    inputs = Inputs(
        checked,
        folder,
        languages,
        seed,
        progress or ignore_progress,
        download,
        score_normalizer,
    )
    measured = chosen.run(inputs)
    card = chosen.card_for(folder)
    card = _counted(card, measured)
    return Result(
        sampling=DEFAULT_SAMPLING,
        command=command,
        card=card,
        card_digest=card.digest,
        system=SystemFacts(bundle=checked.card.name, identity=checked.card.identity, polyreel=__version__),
        gallery=measured.gallery,
        options={}
        if score_normalizer is None
        else {score_normalizer: SCORE_NORMALIZERS[score_normalizer][1]},
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


def _require_score_normalizer(name: str | None, card: BenchmarkCard) -> None:
    if name is None:
        return
    if name not in SCORE_NORMALIZERS:
        raise UnknownNameError("score normalizer", name, SCORE_NORMALIZERS)
    if card.task == "text->text":
        raise UsageError("text against text takes no score normalizer", item=card.name, value=name)


def _counted(card: BenchmarkCard, measured: Measured) -> BenchmarkCard:
    """The card, once what is there and what is noted as missing are together what it states. Queries that the
    copy of the data lacks, as far as the card allows that, are among its faults then.
    """
    lost = len(measured.missing)
    if card.gallery is not None and measured.gallery + lost != card.gallery:
        raise DatasetError(
            f"the gallery of {card.name} is not of the stated size",
            value=f"{measured.gallery:,} items and {lost:,} missing, stated {card.gallery:,}",
            remedy=card.data,
        )
    if lost:
        return card  # every missing item takes its queries along, and is listed
    faults = []
    for tag, result in measured.languages.items():
        stated = card.queries.get(tag, result.n_queries)
        if not stated - card.fewer_queries <= result.n_queries <= stated:
            raise DatasetError(
                f"{card.name} has not the stated number of queries in {tag}",
                value=f"{result.n_queries:,}, stated {stated:,}",
                remedy=card.data,
            )
        if result.n_queries < stated:
            faults.append(f"this copy of the data has {result.n_queries:,} of {stated:,} queries in {tag}")
    return card.model_copy(update={"known_faults": (*card.known_faults, *faults)})
