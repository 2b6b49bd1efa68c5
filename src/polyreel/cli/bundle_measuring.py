"""Bundles on one benchmark and this machine: quality per language, size, speed, memory; two side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

from polyreel.cli.bundle_speed import speed
from polyreel.cli.options import AskedPath
from polyreel.cli.output import stdout
from polyreel.errors import DatasetError, FetchError, PolyreelError, ResultError
from polyreel.units import size

if TYPE_CHECKING:
    from polyreel.encoders.card import Measurement
    from polyreel.encoders.runtime import Bundle
    from polyreel.evaluation.results import Result
    from polyreel.progress import ProgressDisplay
    from polyreel.report.comparison import Comparison

__all__ = ["BundleFacts", "Measuring", "compared", "comparison_document", "print_comparison"]

_RECALLS = ("r@1", "r@5", "r@10")


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """What a bundle costs here.

    Attributes:
        name, identity: of the bundle.
        bytes: of its files.
        texts_per_s, pictures_per_s: short texts and pictures a second, once all is loaded.
        resident_bytes: of a process that searches with it; None where that could not be measured.
    """

    name: str
    identity: str
    bytes: int
    texts_per_s: float
    pictures_per_s: float
    resident_bytes: int | None

    @classmethod
    def of(cls, bundle: Bundle) -> BundleFacts:
        """Measure a bundle."""
        from polyreel.encoders.footprint import resident_while_searching

        texts, pictures = speed(bundle)
        return cls(
            name=bundle.card.name,
            identity=bundle.card.identity,
            bytes=sum((bundle.folder / name).stat().st_size for name in bundle.card.files),
            texts_per_s=round(texts, 1),
            pictures_per_s=round(pictures, 1),
            resident_bytes=resident_while_searching(bundle.folder),
        )


class Measuring:
    """One benchmark, on which each bundle is measured once.

    Args:
        benchmark: as ``polyreel eval`` lists them.
        data: folder of the benchmark's data.
        languages: of the queries; None takes all.
        seed: of the resampling.
        offline: whether data that are not here are not asked for.
        show: told of what is done.

    Attributes:
        problem: why nothing can be measured, None if it can or was not tried.
    """

    def __init__(
        self,
        benchmark: str,
        *,
        data: AskedPath | None = None,
        languages: Sequence[str] | None = None,
        seed: int = 0,
        offline: bool = False,
        show: ProgressDisplay,
    ) -> None:
        from polyreel.evaluation.run import find_benchmark

        find_benchmark(benchmark)
        self.benchmark, self._data, self._languages, self._seed = benchmark, data, languages, seed
        self._show, self._results = show, dict[str, "Result"]()
        self.problem: PolyreelError | None = None
        if offline and data is None and not _demo_is_here(benchmark):
            self.problem = DatasetError(
                "the data of the benchmark are not here, and --offline asks nobody", item=benchmark
            )

    @property
    def command(self) -> str:
        """What measures a bundle so again."""
        return f"polyreel eval {self.benchmark}"

    def result(self, bundle: Bundle) -> Result:
        """How well a bundle does.

        Raises:
            FetchError: the data cannot be had.
            DatasetError: the data are not as they should be.
        """
        from polyreel.evaluation.run import evaluate

        card = bundle.card
        if card.identity not in self._results:
            self._results[card.identity] = evaluate(
                bundle,
                self.benchmark,
                data=self._data,
                languages=self._languages,
                seed=self._seed,
                command=f"{self.command} --bundle {card.name}",
                progress=self._show,
                download=self._show.download,
            )
        return self._results[card.identity]

    def measurement(self, bundle: Bundle) -> Measurement | None:
        """The figures for a card; None, with the ``problem``, where the data cannot be had."""
        from polyreel.encoders.card import Measurement

        if self.problem is None:
            try:
                result = self.result(bundle)
            except (FetchError, DatasetError) as error:
                self.problem = error
        if self.problem is not None:
            return None
        return Measurement(
            benchmark=f"{result.card.name} ({result.card.split}), measured here",
            command=result.command,
            gallery=result.gallery,
            queries=min(language.n_queries for language in result.languages.values()),
            recall={
                tag: {name: round(found.metrics[name].value, 1) for name in _RECALLS}
                for tag, found in result.languages.items()
            },
        )


def _demo_is_here(benchmark: str) -> bool:
    from polyreel.datasets.readers.demo import shown_in_demo
    from polyreel.packages.members import cache_dir

    clips = (cache_dir() / "clips" / clip.source.file_name for clip in shown_in_demo())
    return benchmark == "demo" and all(clip.is_file() for clip in clips)


def compared(measuring: Measuring, old: Bundle, new: Bundle) -> Comparison:
    """The new bundle against the old one, query by query.

    Args:
        measuring: the benchmark.
        old: positive differences speak against it.
        new: positive differences speak for it.

    Raises:
        ResultError: they cannot be compared.
        FetchError: the data cannot be had.
        DatasetError: the data are not as they should be.
    """
    from polyreel.report.comparison import compare
    from polyreel.report.labelled import labelled

    found = compare(*labelled([measuring.result(old), measuring.result(new)]))
    if found.obstacles:
        raise ResultError(
            "the two bundles cannot be compared", item=measuring.benchmark, value="; ".join(found.obstacles)
        )
    return found


def comparison_document(benchmark: str, found: Comparison, facts: Sequence[BundleFacts]) -> dict[str, Any]:
    """What ``--json`` prints of two bundles.

    Args:
        benchmark: name of it.
        found: the new bundle against the old one.
        facts: of the old bundle and of the new one.
    """
    return {"benchmark": benchmark, "bundles": [asdict(fact) for fact in facts], "comparison": asdict(found)}


def print_comparison(benchmark: str, found: Comparison, facts: Sequence[BundleFacts]) -> None:
    """R@1 by language with paired intervals, then what each bundle costs here.

    Args:
        benchmark: name of it.
        found: the new bundle against the old one.
        facts: of the old bundle and of the new one.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("R@1", "queries", found.one, found.other, "difference", "95% interval", "p", ""):
        table.add_column(column, justify="left" if column in {"R@1", ""} else "right")
    for row in found.rows:
        table.add_row(
            row.language,
            f"{row.n_queries:,}",
            f"{row.one:.1f}",
            f"{row.other:.1f}",
            f"{row.difference:+.1f}",
            f"[{row.low:+.1f}, {row.high:+.1f}]",
            f"{row.p_holm:.3g}",
            row.verdict,
        )
    stdout.print(f"On {benchmark}:")
    stdout.print(table)
    stdout.print(found.words)
    for fact in facts:
        memory = "" if fact.resident_bytes is None else f"{size(fact.resident_bytes)} while searching, "
        stdout.print(
            f"{fact.name}: {size(fact.bytes)}, {memory}{fact.texts_per_s} short texts and "
            f"{fact.pictures_per_s} pictures a second here."
        )
