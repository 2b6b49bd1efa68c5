"""The benchmarks by name: those that the datasets of the registry offer, made runnable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from polyreel.datasets.dataset import BenchmarkSpec, Dataset
from polyreel.datasets.readers.ntrex import read_ntrex
from polyreel.datasets.readers.xnli import read_xnli
from polyreel.datasets.registry import DATASETS
from polyreel.encoders.protocol import Encoder
from polyreel.errors import DatasetError
from polyreel.evaluation.cards import BenchmarkCard, card_of
from polyreel.evaluation.items import evaluation_set
from polyreel.evaluation.retrieval import Measured, run_retrieval
from polyreel.evaluation.texts import run_bitext, run_xnli
from polyreel.packages.members import cache_dir
from polyreel.progress import OnProgress

__all__ = ["BENCHMARKS", "Benchmark", "Inputs"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a benchmark is run with.

    Attributes:
        encoder: what is measured.
        data: folder of the user's data, None if none was named.
        languages: query languages, None for all.
        seed: of the resampling.
        progress: told of what is done.
        download: told of arriving bytes.
        score_normalizer: name in ``SCORE_NORMALIZERS``; None leaves the scores as they are.
    """

    encoder: Encoder
    data: Path | None
    languages: Sequence[str] | None
    seed: int
    progress: OnProgress
    download: OnProgress | None = None
    score_normalizer: str | None = None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A card and what measures it.

    Attributes:
        card: as it is published.
        run: measures.
        identify: where the user's own data are the benchmark, says which data they are.
    """

    card: BenchmarkCard
    run: Callable[[Inputs], Measured]
    identify: Callable[[Path], str] | None = None

    def card_for(self, data: Path | None) -> BenchmarkCard:
        """The card, with the user's own data as its split where they are what is measured on."""
        if self.identify is None or data is None or not data.is_dir():
            return self.card
        return self.card.model_copy(update={"split": self.identify(data)})


def _run(dataset: Dataset, spec: BenchmarkSpec, card: BenchmarkCard, inputs: Inputs) -> Measured:
    folder, fetch = inputs.data, spec.fetch or dataset.fetch
    if folder is None and fetch is not None:
        folder = fetch(cache_dir() / "corpora", inputs.download)
    if folder is None or not folder.is_dir():
        raise DatasetError(
            f"the data of {card.name} are not there",
            item=folder if folder is not None else "no --data was given",
            remedy=card.data if fetch is None else "Leave --data out: they are fetched then",
        )
    encoder, languages, seed, progress = inputs.encoder, inputs.languages, inputs.seed, inputs.progress
    if card.relevance == "same sentence":
        return run_bitext(read_ntrex(folder), encoder, languages=languages, seed=seed, progress=progress)
    if card.relevance == "entailed hypothesis":
        return run_xnli(read_xnli(folder), encoder, languages=languages, seed=seed, progress=progress)
    records = (spec.records or dataset.records)(folder)
    kind = "picture" if card.task == "text->image" else "video"
    return run_retrieval(
        evaluation_set(records, card.name, kind=kind, remedy=card.data),
        encoder,
        languages=languages,
        equal_captions=card.relevance == "own item and equal captions",
        seed=seed,
        progress=progress,
        score_normalizer=inputs.score_normalizer,
    )


def _benchmark(dataset: Dataset, spec: BenchmarkSpec) -> Benchmark:
    card = card_of(dataset, spec)
    return Benchmark(card, partial(_run, dataset, spec, card), spec.identify)


_OFFERED = [_benchmark(dataset, spec) for dataset in DATASETS.values() for spec in dataset.benchmarks]
BENCHMARKS: Mapping[str, Benchmark] = {
    benchmark.card.name: benchmark for benchmark in sorted(_OFFERED, key=lambda offered: offered.card.name)
}
"""Name -> benchmark, in order of the names."""
