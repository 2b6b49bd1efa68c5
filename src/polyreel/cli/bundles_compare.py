"""``polyreel bundles compare``: is another bundle better here, before a library is moved to it?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from polyreel.cli.bundle_speed import speed
from polyreel.cli.options import Json, Seed, load_bundle
from polyreel.cli.output import print_json, show_progress, stdout
from polyreel.errors import ResultError
from polyreel.units import size

__all__ = ["compare"]


def compare(
    new: str,
    old: str = "small",
    /,
    *,
    benchmark: str = "demo",
    data: Path | None = None,
    languages: str | None = None,
    seed: Seed = 0,
    json: Json = False,
) -> int:
    """Measure two bundles on the same queries: R@1 by language with paired intervals, size and speed here.

    Example: polyreel bundles compare siglip2 small

    Args:
        new: Name or folder of the one that might be better.
        old: Name or folder of the one to hold it against.
        benchmark: As 'polyreel eval' lists them.
        data: Folder of the benchmark's data.
        languages: Query languages, as en,de,sw; all by default.
        seed: Of the resampling.
    """
    from polyreel.evaluation.run import evaluate
    from polyreel.report.comparison import compare as compare_results
    from polyreel.report.labelled import labelled

    bundles, results = [load_bundle(old), load_bundle(new)], []
    for bundle in bundles:
        with show_progress() as show:
            results.append(
                evaluate(
                    bundle,
                    benchmark,
                    data=data,
                    languages=languages.split(",") if languages else None,
                    seed=seed,
                    command=f"polyreel bundles compare {new} {old} --benchmark {benchmark}",
                    progress=show,
                    download=show.download,
                )
            )
    found = compare_results(*labelled(results))
    if found.obstacles:
        raise ResultError(
            "the two bundles cannot be compared", item=benchmark, value="; ".join(found.obstacles)
        )
    facts = [
        {
            "name": bundle.card.name,
            "identity": bundle.card.identity,
            "bytes": sum((bundle.folder / name).stat().st_size for name in bundle.card.files),
            "texts_per_s": round(speed(bundle)[0], 1),
            "pictures_per_s": round(speed(bundle)[1], 1),
        }
        for bundle in bundles
    ]
    if json:
        print_json({"benchmark": benchmark, "bundles": facts, "comparison": asdict(found)})
        return 0
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
    stdout.print(table)
    stdout.print(found.words)
    for fact, bundle in zip(facts, bundles, strict=True):
        stdout.print(
            f"{bundle.card.name}: {size(int(str(fact['bytes'])))}, {fact['texts_per_s']} short texts and "
            f"{fact['pictures_per_s']} pictures a second here."
        )
    return 0
