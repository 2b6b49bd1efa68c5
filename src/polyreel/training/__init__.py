"""Training: a recipe -> a run -> checkpoints. Needs the extra ``train``."""

from polyreel.training.assembly import judge_checkpoint
from polyreel.training.checking import Check, Estimate, check, require_recipe
from polyreel.training.checkpoints import Checkpoint, CheckpointState, load_checkpoint
from polyreel.training.events import Event, Noted, Preparing, Saved, Started, Stepped, Tell, Validated
from polyreel.training.exporting import (
    Details,
    Exported,
    export_checkpoint,
    export_details,
    learnt_parts,
)
from polyreel.training.logs import read_log
from polyreel.training.pretraining import pretrain
from polyreel.training.reading import read_recipe
from polyreel.training.recipe import Recipe
from polyreel.training.run import TrainingResult, train
from polyreel.training.step import StepReport
from polyreel.training.validation import QueryValues, ValidationSet

__all__ = [
    "Check",
    "Checkpoint",
    "CheckpointState",
    "Details",
    "Estimate",
    "Event",
    "Exported",
    "Noted",
    "Preparing",
    "QueryValues",
    "Recipe",
    "Saved",
    "Started",
    "StepReport",
    "Stepped",
    "Tell",
    "TrainingResult",
    "Validated",
    "ValidationSet",
    "check",
    "export_checkpoint",
    "export_details",
    "judge_checkpoint",
    "learnt_parts",
    "load_checkpoint",
    "pretrain",
    "read_log",
    "read_recipe",
    "require_recipe",
    "train",
]
