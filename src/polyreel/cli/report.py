"""``polyreel report``: results as one page, or as tables for a paper."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from polyreel.cli.formats import REPORTS, format_of
from polyreel.cli.options import AskedPath, Json
from polyreel.cli.output import print_json, stderr
from polyreel.errors import UsageError
from polyreel.files import write_atomically
from polyreel.units import count

if TYPE_CHECKING:
    from polyreel.evaluation.results import Result
    from polyreel.report.grouping import BenchmarkGroup

__all__ = ["report"]

Format = Literal["html", "markdown", "latex"]


def report(
    results: list[AskedPath],
    /,
    *,
    out: AskedPath | None = None,
    format: Format | None = None,  # noqa: A002  the option is --format
    json: Json = False,
) -> int:
    """Set results side by side: figures with intervals, plots, paired comparisons, and how each was made.

    Results of one benchmark are compared query by query where gallery and queries agree; else the difference
    is named.

    Example: polyreel report results/*.json --out report.html

    Args:
        results: Files that 'polyreel eval --out' wrote.
        out: File to write; tables go to stdout without it.
        format: A page to read, or tables for a paper; by default as the ending of --out says.
    """
    form = _form(out, format)
    from polyreel.report.grouping import group_results
    from polyreel.report.report import write_report

    groups = group_results(_read(results))
    text = write_report(groups, form)
    if out is not None:
        _write(out, text)
    if json:
        print_json(_document(groups, out, form, text))
    elif out is None:
        sys.stdout.write(text)
    else:
        stderr.print(f"Wrote {out}: {count(len(results), 'result')}.", markup=False, soft_wrap=True)
    return 0


def _form(out: Path | None, given: Format | None) -> Format:
    if out is None:
        if given in (None, "html"):
            raise UsageError(
                "a report as HTML needs a file",
                remedy="Name it by --out FILE.html, or print tables by --format markdown or latex",
            )
        return given
    form = cast(Format, format_of(out, given, REPORTS, option="--format"))
    _require_place(out)
    return form


def _require_place(out: Path) -> None:
    if not out.absolute().parent.is_dir():
        raise UsageError(
            "no folder to write the report into", item=out.absolute().parent, remedy="Make it first"
        )


def _read(paths: list[Path]) -> list[Result]:
    from polyreel.evaluation.results import read_result
    from polyreel.report.labelled import check_result

    results = []
    for path in paths:
        result = read_result(path)
        check_result(result, item=path)
        results.append(result)
    return results


def _write(out: Path, text: str) -> None:
    try:
        write_atomically(out, text.encode())
    except OSError as error:
        raise UsageError("the report cannot be written", item=out, value=error.strerror) from error


def _document(
    groups: Sequence[BenchmarkGroup], out: Path | None, form: Format, text: str
) -> dict[str, object]:
    place = {"out": str(out.absolute())} if out is not None else {"text": text}
    benchmarks = [
        {
            "name": group.card.name,
            "systems": [entry.label for entry in group.entries],
            "comparisons": [asdict(comparison) for comparison in group.comparisons],
        }
        for group in groups
    ]
    return {"format": form, **place, "benchmarks": benchmarks}
