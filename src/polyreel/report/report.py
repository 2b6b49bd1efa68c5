"""Results in the form that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from polyreel.evaluation.results import Result
from polyreel.report.grouping import BenchmarkGroup, group_results
from polyreel.report.rendering import report_packages
from polyreel.report.tables import latex_tables, markdown_tables

__all__ = ["Format", "make_report", "write_report"]

Format = Literal["html", "markdown", "latex"]


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
    with report_packages():
        from polyreel.report.page import render_page
    return render_page(groups)
