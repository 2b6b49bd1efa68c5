"""``polyreel eval``: measure a bundle on a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.table import Table

from polyreel.cli.formats import out_folder
from polyreel.cli.options import AskedPath, Json, Seed, load_bundle
from polyreel.cli.output import print_json, show_progress, stdout
from polyreel.errors import ResultError, UsageError
from polyreel.files import write_atomically
from polyreel.units import count

if TYPE_CHECKING:
    from polyreel.evaluation.results import Result

__all__ = ["evaluate", "result_table"]

_SHOWN_METRICS = ("r@1", "r@5", "r@10", "median_rank", "mrr")
Rerun = Literal["always", "never", "only-missing"]


def evaluate(
    benchmark: str | None = None,
    /,
    *,
    bundle: str = "small",
    data: AskedPath | None = None,
    languages: str | None = None,
    out: AskedPath | None = None,
    rerun: Rerun = "always",
    transductive: str | None = None,
    seed: Seed = 0,
    json: Json = False,
) -> int:
    """Measure text-to-video, text-to-image or text-to-text retrieval, per language and across languages.

    Example: polyreel eval demo --bundle small

    Args:
        benchmark: Name of the benchmark; without one, they are listed.
        bundle: Bundle to measure: name or folder.
        data: Folder of the benchmark's data.
        languages: Query languages, as en,de,sw; all by default.
        out: Folder to keep the result in, as BENCHMARK-BUNDLE.json.
        rerun: What to do about a result that --out holds already.
        transductive: Score normalizer that uses the other test queries: dual-softmax. Labelled as such.
    """
    if benchmark is None:
        return _list(json)
    if out is not None:
        out_folder(out)
    result = _result(benchmark, bundle, data, languages, out, rerun, seed, transductive)
    if json:
        print_json(result.model_dump(mode="json"))
    else:
        _print(result)
    return 0


def result_table(result: Result) -> Table:
    """Figures with intervals, a row a language."""
    extra = tuple(
        name for name in next(iter(result.languages.values())).metrics if name.startswith("accuracy")
    )
    names = extra + _SHOWN_METRICS
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("queries", justify="right")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for tag, language in result.languages.items():
        cells = []
        for name in names:
            figure = language.metrics[name]
            interval = "" if figure.low is None else f" [{figure.low:.3g}, {figure.high:.3g}]"
            cells.append(f"{figure.value:.3g}{interval}" if name in names[:1] else f"{figure.value:.3g}")
        table.add_row(tag, f"{language.n_queries:,}", *cells)
    table.add_row("mean", "", *(f"{result.macro[name].value:.3g}" for name in names), style="bold")
    return table


def _result(
    benchmark: str,
    bundle: str,
    data: Path | None,
    languages: str | None,
    out: Path | None,
    rerun: Rerun,
    seed: int,
    score_normalizer: str | None,
) -> Result:
    from polyreel.evaluation.results import read_result
    from polyreel.evaluation.run import evaluate as measure
    from polyreel.evaluation.run import find_benchmark
    from polyreel.media.sampling import DEFAULT_SAMPLING

    card = find_benchmark(benchmark).card_for(data)
    if rerun != "always" and out is None:
        raise UsageError("--rerun needs --out", value=rerun, remedy="Name the folder of results by --out")
    loaded = load_bundle(bundle)
    kept = None if out is None else out / f"{benchmark}-{loaded.card.name}.json"
    if kept is not None and rerun != "always" and kept.is_file():
        found = read_result(kept)
        options = [score_normalizer] if score_normalizer else []
        own = (loaded.card.identity, card.digest, options, DEFAULT_SAMPLING)
        if (found.system.identity, found.card_digest, list(found.options), found.sampling) == own:
            return found
        if rerun == "never":
            raise ResultError(
                "the result is of another bundle or benchmark, or of an earlier way to measure",
                item=kept,
                value=found.label,
            )
    elif kept is not None and rerun == "never":
        raise ResultError("there is no such result", item=kept, remedy="Measure it with --rerun only-missing")
    command = f"polyreel eval {benchmark} --bundle {bundle}" + (f" --data {data}" if data else "")
    command += f" --transductive {score_normalizer}" if score_normalizer else ""
    with show_progress() as show:
        result = measure(
            loaded,
            benchmark,
            data=data,
            languages=languages.split(",") if languages else None,
            seed=seed,
            score_normalizer=score_normalizer,
            command=command,
            progress=show,
            download=show.download,
        )
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, (result.model_dump_json(indent=1) + "\n").encode())
    return result


def _list(json: bool) -> int:
    from polyreel.evaluation.benchmarks import BENCHMARKS

    if json:
        print_json([benchmark.card.model_dump(mode="json") for benchmark in BENCHMARKS.values()])
        return 0
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("benchmark", "task", "languages", "what"):
        table.add_column(column, overflow="fold")
    for name, benchmark in BENCHMARKS.items():
        card = benchmark.card
        table.add_row(
            name, card.task, str(len(card.sample_creation)) if card.sample_creation else "", card.description
        )
    stdout.print(table)
    return 0


def _print(result: Result) -> None:
    card = result.card
    stdout.print(f"{card.name}: {card.task}, gallery {result.gallery:,}, {result.label}, seed {result.seed}")
    stdout.print(result_table(result))
    for name, used in result.options.items():
        stdout.print(
            f"TRANSDUCTIVE: {name}, {used}. Not comparable with results without it.", style="bold red"
        )
    if result.gap is not None:
        name = next(iter(result.gap))
        told = f"undecided, with {count(result.fewest_queries, 'query', 'queries')} in a language"
        if (gap := result.told_gap(name)) is not None:
            told = f"{gap.absolute:.1f} points, {gap.relative:.0%} of English"
        stdout.print(f"Transfer gap in {name}: {told}.")
    if result.consistency:
        stdout.print(
            "Agreement between languages: " + ", ".join(f"{n} {v:.3g}" for n, v in result.consistency.items())
        )
    if result.missing:
        missing = count(len(result.missing), "item is missing and counts", "items are missing and count")
        stdout.print(f"{missing} for nothing:", style="yellow")
        for item in result.missing[:10]:
            stdout.print(f"  {item.id}: {item.reason}", markup=False, soft_wrap=True)
    for fault in card.known_faults:
        stdout.print(f"Note: {fault}.", style="dim")
