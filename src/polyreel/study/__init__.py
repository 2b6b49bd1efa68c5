"""What came out: results side by side, as a page and as tables for papers."""

from polyreel.study.comparison import Comparison, LanguageComparison, compare
from polyreel.study.entries import Entry, check_result
from polyreel.study.grouping import BenchmarkGroup, group_results
from polyreel.study.report import Format, make_report, write_report

__all__ = [
    "BenchmarkGroup",
    "Comparison",
    "Entry",
    "Format",
    "LanguageComparison",
    "check_result",
    "compare",
    "group_results",
    "make_report",
    "write_report",
]
