"""The study: arms that differ in one thing, the same seeds and queries, and what that says of the claims."""

from polyreel.study.experiment.arms import ARMS, Arm
from polyreel.study.experiment.ledger import Claim, Measured
from polyreel.study.experiment.recipe import StudyRecipe, read_study
from polyreel.study.experiment.running import Planned, Progressed, StudyEvent
from polyreel.study.experiment.study import StudyCheck, StudyOutcome, check_study, run_study

__all__ = [
    "ARMS",
    "Arm",
    "Claim",
    "Measured",
    "Planned",
    "Progressed",
    "StudyCheck",
    "StudyEvent",
    "StudyOutcome",
    "StudyRecipe",
    "check_study",
    "read_study",
    "run_study",
]
