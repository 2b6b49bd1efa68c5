"""Checkpoints: all that a run needs to go on as if nothing had happened. Nothing in them is ever unpickled.

::

    RUN/checkpoints/
      checkpoints.json            which is the last and which the best; replacing it is what commits
      step-00001000/
        state.json                recipe, step, position in the data, figures, random generators
        weights.safetensors       what the recipe does not bring back by itself
        average.safetensors       the running average, where there is one
        optimiser.safetensors     moments of every parameter
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from polyreel.errors import TrainingError
from polyreel.files import new_folder, read_regular, write_atomically
from polyreel.models.towers import TwoTowers, build_model
from polyreel.training.recipe import Recipe
from polyreel.training.sampling import Position

__all__ = [
    "CHECKPOINTS",
    "OBJECTIVES_PREFIX",
    "Checkpoint",
    "CheckpointState",
    "Checkpoints",
    "Tensors",
    "find_checkpoint",
    "load_checkpoint",
    "recipe_differences",
]

CHECKPOINTS = "checkpoints"
OBJECTIVES_PREFIX = "objectives."
"""Of the names of tensors that belong to objectives and not to the model."""

Tensors = dict[str, Tensor]
_INDEX, _STATE = "checkpoints.json", "state.json"
# What a run may change when it goes on: none of these changes more than a device's rounding.
_FREE_TO_CHANGE = {"run", "description", "device", "folders", "processes", "save_every_steps"}


class CheckpointState(BaseModel):
    """Contents of ``state.json``.

    Attributes:
        schema_version: layout of a checkpoint.
        recipe: of the run, whole.
        step: steps done.
        total_steps: of the run.
        position: in the data.
        figures: of the last validation, by name.
        best: best figure so far, and the step it is from; None before the first validation.
        without_gain: validations since then.
        random: state of the generators of each process.
        switched: epoch -> words of its code-switched texts, by language, and all under ``mixed``.
        files: name -> size in bytes.
        made_with: versions of polyreel and PyTorch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    recipe: Recipe
    step: int
    total_steps: int
    position: Position
    figures: Mapping[str, float] = {}
    best: tuple[float, int] | None = None
    without_gain: int = 0
    random: tuple[dict[str, Any], ...] = Field(repr=False)
    switched: Mapping[int, Mapping[str, int]] = {}
    files: Mapping[str, int] = {}
    made_with: Mapping[str, str] = {}


class _Index(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    last: str | None = None
    best: str | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint on disk.

    Attributes:
        folder: of the checkpoint.
        state: all that is not a tensor.
    """

    folder: Path
    state: CheckpointState

    def tensors(self, name: Literal["weights", "average", "optimiser"]) -> Tensors:
        """The tensors of one part, on the CPU; none if the checkpoint has no such part.

        Raises:
            TrainingError: the file is damaged.
        """
        if f"{name}.safetensors" not in self.state.files:
            return {}
        path = self.folder / f"{name}.safetensors"
        try:
            return load_file(path)
        except (OSError, SafetensorError) as error:
            raise _damaged(path, error) from error

    def load_into(self, model: TwoTowers) -> None:
        """Give ``model`` the weights that were validated: the running average where there is one.

        Raises:
            TrainingError: the files are damaged.
            UsageError: the weights are of a model of another specification.
        """
        weights = {**self.tensors("weights"), **self.tensors("average")}
        own = {name: tensor for name, tensor in weights.items() if not name.startswith(OBJECTIVES_PREFIX)}
        model.load_own_state(own)

    def build_model(self) -> TwoTowers:
        """The model that was trained, on the CPU, ready to be used.

        Raises:
            FetchError, UsageError: a part that the checkpoint does not hold cannot be had.
            TrainingError: the files are damaged.
        """
        model = build_model(self.state.recipe.model)
        self.load_into(model)
        return model.eval()


class Checkpoints:
    """The checkpoints of one run: the last and the best are kept.

    Args:
        run_folder: of the run.
    """

    def __init__(self, run_folder: Path) -> None:
        self.folder = run_folder / CHECKPOINTS

    def save(self, state: CheckpointState, parts: Mapping[str, Tensors], *, is_best: bool) -> Path:
        """Write a checkpoint; it counts once it is whole and on the disk.

        Args:
            state: All that is not a tensor.
            parts: Name of a file -> its tensors.
            is_best: Whether it replaces the best checkpoint as well.

        Raises:
            TrainingError: the disk is full or fails; the checkpoints that were there still are.
        """
        index = _read_index(self.folder) or _Index()
        name = f"step-{state.step:08d}"
        folder = self.folder / name
        try:
            if name != index.last:
                _write(folder, state, parts)
            index = _Index(last=name, best=name if is_best else index.best)
            write_atomically(self.folder / _INDEX, f"{index.model_dump_json(indent=1)}\n".encode())
        except (OSError, SafetensorError) as error:
            raise TrainingError(
                "the checkpoint cannot be saved",
                item=folder,
                value=error,
                remedy=(
                    f"Free some space, then go on from {index.last} with --resume auto"
                    if index.last
                    else "Free some space and start again"
                ),
            ) from error
        for other in self.folder.iterdir():  # scratch folders of a run that was killed, too
            if other.is_dir() and other.name not in {index.last, index.best}:
                shutil.rmtree(other, ignore_errors=True)
        return folder


def find_checkpoint(path: Path, which: Literal["best", "last"] = "last") -> Path | None:
    """The checkpoint that ``path`` means: itself, or the one of a run's folder; None if it has none.

    Where a run has no best one, its last is the best.

    Raises:
        TrainingError: the run's index cannot be read.
    """
    if (path / _STATE).is_file():
        return path
    index = _read_index(path / CHECKPOINTS)
    name = None if index is None else (index.best or index.last) if which == "best" else index.last
    return None if name is None else path / CHECKPOINTS / name


def load_checkpoint(path: Path, which: Literal["best", "last"] = "best") -> Checkpoint:
    """Open the checkpoint that ``path`` means: a checkpoint's folder, or a run's.

    Raises:
        TrainingError: there is none, or it is damaged or cut short.
    """
    folder = find_checkpoint(path, which)
    if folder is None:
        raise TrainingError(
            "no checkpoint is here",
            item=path,
            remedy="Name the folder of a run, such as runs/small, or of a checkpoint",
        )
    try:
        state = CheckpointState.model_validate_json(read_regular(folder / _STATE))
        sizes = {name: (folder / name).stat().st_size for name in state.files}
    except (OSError, ValidationError) as error:
        raise _damaged(folder, error) from error
    for name, size in sizes.items():
        if size != state.files[name]:
            raise _damaged(folder / name, f"{size:,} bytes, not {state.files[name]:,}")
    return Checkpoint(folder, state)


def recipe_differences(saved: Recipe, now: Recipe) -> list[str]:
    """What differs between two recipes and changes what a run computes: ``place: saved, now``."""
    exclude = _FREE_TO_CHANGE
    return _differences(
        saved.model_dump(mode="json", exclude=exclude), now.model_dump(mode="json", exclude=exclude), ""
    )


def _differences(saved: Any, now: Any, place: str) -> list[str]:
    if isinstance(saved, dict) and isinstance(now, dict):
        keys = sorted(saved.keys() | now.keys())
        return [
            found for key in keys for found in _differences(saved.get(key), now.get(key), f"{place}.{key}")
        ]
    if isinstance(saved, list) and isinstance(now, list) and len(saved) == len(now):
        pairs = enumerate(zip(saved, now, strict=True))
        return [found for number, pair in pairs for found in _differences(*pair, f"{place}.{number}")]
    return [] if saved == now else [f"{place.lstrip('.')} was {saved!r}, is {now!r}"]


def _write(folder: Path, state: CheckpointState, parts: Mapping[str, Tensors]) -> None:
    with new_folder(folder) as scratch:
        sizes = {}
        for name, tensors in parts.items():
            path = scratch / f"{name}.safetensors"
            save_file({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, path)
            sizes[path.name] = path.stat().st_size
        made_with = {"torch": torch.__version__, **state.made_with}
        state = state.model_copy(update={"files": sizes, "made_with": made_with})
        write_atomically(scratch / _STATE, f"{state.model_dump_json(indent=1)}\n".encode())


def _read_index(folder: Path) -> _Index | None:
    path = folder / _INDEX
    try:
        return _Index.model_validate_json(read_regular(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValidationError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: object) -> TrainingError:
    return TrainingError(
        "the checkpoint is damaged or cut short",
        item=path,
        value=str(error).splitlines()[0],
        remedy="Resume from another checkpoint of the run, or start it again",
    )
