"""Training: a recipe -> a run -> checkpoints. Needs the extra ``train``."""

from polyreel.training.checking import Check, Estimate, check, require_recipe
from polyreel.training.checkpoints import Checkpoint, CheckpointState, load_checkpoint
from polyreel.training.events import Event, Noted, Preparing, Saved, Started, Stepped, Tell, Validated
from polyreel.training.logs import read_log
from polyreel.training.reading import read_recipe
from polyreel.training.recipe import Recipe
from polyreel.training.run import TrainingResult, train
from polyreel.training.step import StepReport
from polyreel.training.validation import ValidationSet

__all__ = [
    "Check",
    "Checkpoint",
    "CheckpointState",
    "Estimate",
    "Event",
    "Noted",
    "Preparing",
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
    "load_checkpoint",
    "read_log",
    "read_recipe",
    "require_recipe",
    "train",
]
