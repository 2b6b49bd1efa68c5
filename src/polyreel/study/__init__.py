"""What came out: results side by side, and the study of what vision and code-switched text are worth."""

from polyreel.study.comparison import Comparison, LanguageComparison, compare
from polyreel.study.entries import Entry, check_result
from polyreel.study.experiment.arms import ARMS, Arm
from polyreel.study.experiment.ledger import Claim, Measured
from polyreel.study.experiment.recipe import StudyRecipe, read_study
from polyreel.study.experiment.running import Planned, Progressed, StudyEvent
from polyreel.study.experiment.study import StudyCheck, StudyOutcome, check_study, run_study
from polyreel.study.grouping import BenchmarkGroup, group_results
from polyreel.study.report import Format, make_report, write_report

__all__ = [
    "ARMS",
    "Arm",
    "BenchmarkGroup",
    "Claim",
    "Comparison",
    "Entry",
    "Format",
    "LanguageComparison",
    "Measured",
    "Planned",
    "Progressed",
    "StudyCheck",
    "StudyEvent",
    "StudyOutcome",
    "StudyRecipe",
    "check_result",
    "check_study",
    "compare",
    "group_results",
    "make_report",
    "read_study",
    "run_study",
    "write_report",
]
