"""Results in the form that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from polyreel.errors import UsageError
from polyreel.evaluation.results import Result
from polyreel.report.grouping import BenchmarkGroup, group_results
from polyreel.report.tables import latex_tables, markdown_tables

__all__ = ["Format", "make_report", "write_report"]

Format = Literal["html", "markdown", "latex"]

_EXTRA = ("jinja2", "markupsafe", "matplotlib")


def make_report(results: Sequence[Result], form: Format = "html") -> str:
    """A self-contained page, or tables, about ``results`` by benchmark; equal results give equal texts.

    Whatever a results file holds is shown as text: no script of it runs and nothing is fetched.

    Raises:
        UsageError: there is no result, or the packages of the extra ``report`` are not installed.
        ResultError: a result contradicts itself.
    """
    return write_report(group_results(results), form)


def write_report(groups: Sequence[BenchmarkGroup], form: Format = "html") -> str:
    """As ``make_report``, of results that are grouped and compared already."""
    if form == "markdown":
        return markdown_tables(groups)
    if form == "latex":
        return latex_tables(groups)
    try:
        # Late, since jinja2 and matplotlib are an extra that tables do without.
        from polyreel.report.page import render_page
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise UsageError(
            "a report as HTML needs more packages",
            value=f"no {error.name}",
            remedy="Run pip install 'polyreel[report]'",
        ) from error
    return render_page(groups)
