"""A study from its recipe to its results."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from polyreel.errors import UnknownNameError, UsageError
from polyreel.models.specs import E5_SMALL, HASHED_BAG
from polyreel.progress import ignore_progress
from polyreel.recipes import Problem
from polyreel.study.arms import Cell, cells_of, tuned_arms
from polyreel.study.recipe import StudyRecipe
from polyreel.study.register import digest_of_register
from polyreel.study.results import StudyCells, read_cells
from polyreel.study.running import (
    CELLS_FILE,
    Grid,
    OnStudyEvent,
    declared_s,
    run_grid,
    training_problems,
)
from polyreel.study.study_data import StudyData
from polyreel.study.tuning import candidates

__all__ = ["StudyCheck", "StudyOutcome", "check_study", "run_study"]

# OWNER/NAME; the oldest models have no owner and begin with their family.
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w.-]+|(?:(?:distil)?(?:bert|roberta)|xlm|albert|camembert)-[\w.-]+")
_OURS = (E5_SMALL, HASHED_BAG)


@dataclass(frozen=True, slots=True)
class StudyCheck:
    """What ``check_study`` found.

    Attributes:
        cells: of the grid.
        tuning_runs: before them.
        hours: of ``device`` that both take, as the recipe declares their cost.
        device: what the hours are of.
        measured: how the cost was had.
        register_sha256: of the register; empty without one.
        problems: mistakes in the arms' training recipes, and names that mean nothing: of encoders, datasets,
            their splits and features.
        absent: data that are not there.
    """

    cells: int
    tuning_runs: int
    hours: float
    device: str
    measured: str
    register_sha256: str
    problems: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StudyOutcome:
    """How a study ended.

    Attributes:
        folder: of the results.
        cells: of the grid.
        missing: that are not there because the study was asked to stop; 0 for a finished one.
        by_setting: (encoder, setting) -> cells that are there, and of how many, in the order of the grid.
        was_there: whether there was nothing to do.
        register_sha256: of the register as it is; empty without one.
        registered: whether every cell was run under that very register.
    """

    folder: Path
    cells: int
    missing: int
    was_there: bool
    by_setting: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    register_sha256: str = ""
    registered: bool = False


def check_study(recipe: StudyRecipe, *, data: Path | None) -> StudyCheck:
    """Examine a study, and say what it would cost. Nothing is fetched, built or trained for it.

    Args:
        recipe: of the study.
        data: folder that datasets, lexicons and benchmarks are relative to.
    """
    study_data = StudyData(recipe, data, on_progress=ignore_progress)
    names = [*_unknown_encoders(recipe), *study_data.unknown_names()]
    problems = [*training_problems(recipe), *(f"{place}: {what}" for place, what in names)]
    cells, tuning = cells_of(recipe), tuple(_tuning_cells(recipe))
    return StudyCheck(
        cells=len(cells),
        tuning_runs=len(tuning),
        hours=round(sum(declared_s(recipe, cell) for cell in (*cells, *tuning)) / 3600, 2),
        device=recipe.cost.device,
        measured=recipe.cost.measured,
        register_sha256=digest_of_register(recipe.register_file),
        problems=tuple(problems),
        absent=tuple(study_data.absent()),
    )


def _tuning_cells(recipe: StudyRecipe) -> Iterator[Cell]:
    """A cell for every run of the tuning, which costs about as much."""
    tuning = recipe.tuning
    for encoder, arm in tuned_arms(recipe):
        assert tuning is not None
        for _ in candidates(tuning, arm):
            for setting in tuning.settings[encoder]:
                yield Cell(setting, encoder, arm, tuning.seed)


def _unknown_encoders(recipe: StudyRecipe) -> Iterator[Problem]:
    """Encoders that are neither our own, nor a folder, nor have the form of a name on the hub."""
    for name, spec in recipe.encoders.items():
        encoder = str(spec.text.get("encoder", E5_SMALL))
        if encoder in _OURS or _HUB_NAME.fullmatch(encoder):
            continue
        if not Path(encoder).expanduser().is_dir():
            known = str(UnknownNameError("text encoder", encoder, _OURS))
            yield f"encoders.{name}.text.encoder", f"{known} It is neither a folder nor OWNER/NAME on the hub"


def run_study(
    recipe: StudyRecipe,
    *,
    out: Path,
    data: Path | None = None,
    workers: int = 1,
    is_stopped: Callable[[], bool] = lambda: False,
    on_progress: OnStudyEvent,
) -> StudyOutcome:
    """Tune, run what is missing of a study, and write all cells into one file.

    A study that is stopped or killed goes on where it was, and ends with the very same cells. One whose
    ``cells.jsonl.gz`` and ``tuning.json`` are there, as where they were committed, has nothing to do.

    Args:
        recipe: of the study.
        out: folder of the results.
        data: folder that datasets, lexicons and benchmarks are relative to.
        workers: processes side by side, each with one thread.
        is_stopped: whether to begin nothing more.
        on_progress: Called with every event.

    Raises:
        RecipeError: arms cannot be trained; lists everything.
        UsageError: another process runs the study, ``out`` cannot be written, or packages are missing.
        PolyreelError: data is not there, or training fails.
    """
    if workers < 1:
        raise UsageError("a study needs a worker", item="--workers", value=workers)
    grid = Grid(recipe, out, data, on_progress=on_progress)
    began = read_cells(out / CELLS_FILE)
    try:
        jobs = run_grid(grid, workers=workers, is_stopped=is_stopped, on_progress=on_progress)
    except OSError as error:
        raise UsageError(
            "the results cannot be written",
            item=out,
            value=error.strerror,
            remedy="Free some space, then give the same command again",
        ) from error
    found = read_cells(out / CELLS_FILE)
    there = [job.trial.cell for job in jobs if grid.result(job) is not None]
    missing = len(grid.cells) - len(there)
    return StudyOutcome(
        folder=out,
        cells=len(grid.cells),
        missing=missing,
        was_there=not missing and began is not None and began == found,
        by_setting=_by_setting(grid.cells, there),
        register_sha256=grid.register_sha256,
        registered=_is_registered(found, grid.register_sha256),
    )


def _by_setting(cells: Sequence[Cell], there: Sequence[Cell]) -> dict[tuple[str, str], tuple[int, int]]:
    done, all_cells = (Counter((cell.encoder, cell.setting) for cell in each) for each in (there, cells))
    return {key: (done[key], number) for key, number in all_cells.items()}


def _is_registered(cells: StudyCells | None, sha256: str) -> bool:
    return bool(sha256) and cells is not None and all(c.register_sha256 == sha256 for c in cells.cells)
