"""The cells of a study: what is missing, what was chosen for each arm, and running it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from polyreel._version import __version__
from polyreel.errors import UsageError
from polyreel.files import exclusive_lock, write_atomically
from polyreel.recipes import form_problems, recipe_error
from polyreel.study.arms import Cell, cells_of, needs_video, training_document, tuned_arms
from polyreel.study.design import Arm
from polyreel.study.measuring import CellQueries, query_lists
from polyreel.study.recipe import StudyRecipe
from polyreel.study.register import digest_of_register
from polyreel.study.results import CellResult, QueryList, read_cell, read_cells, write_cells
from polyreel.study.study_data import Part, StudyData
from polyreel.study.trial import Trial
from polyreel.study.tuning import (
    Choice,
    candidates,
    chosen,
    read_choices,
    read_score,
    write_choices,
)
from polyreel.study.workers import TrialJob, run_jobs

__all__ = [
    "CELLS_FILE",
    "CHOICES_FILE",
    "Grid",
    "GridPlanned",
    "GridProgressed",
    "OnStudyEvent",
    "StudyEvent",
    "declared_s",
    "run_grid",
    "training_problems",
]

CELLS_FILE, CHOICES_FILE = "cells.jsonl.gz", "tuning.json"
_CELLS, _TUNING = "cells", "tuning"
_NOT_COMMITTED = f"{_CELLS}/\n{_TUNING}/\n.lock\n".encode()
# A study that goes on for hours keeps what it has in the one file that is committed.
_PACKED_EVERY = 50


@dataclass(frozen=True, slots=True)
class GridPlanned:
    """What is to be done.

    Attributes:
        cells: Number of cells of the grid.
        missing: Number of cells that have no result yet.
        tuning: Number of tuning runs that have none.
        cpu_s: Seconds of one core that these take, about.
        workers: That share them.
    """

    cells: int
    missing: int
    tuning: int
    cpu_s: float
    workers: int


@dataclass(frozen=True, slots=True)
class GridProgressed:
    """How far the study is.

    Attributes:
        what: Description of what was done last.
        done: Number that are done.
        total: Of how many; 0 where it is not known.
        unit: What is counted.
    """

    what: str
    done: int
    total: int
    unit: str = "cells"


StudyEvent = GridPlanned | GridProgressed
OnStudyEvent = Callable[[StudyEvent], None]


class Grid:
    """A study that can be run.

    Args:
        recipe: Of the study.
        out: Folder of the results.
        data: Folder that datasets are relative to.
        on_progress: Called with every event.

    Raises:
        RecipeError: arms cannot be trained; lists everything.
        PolyreelError: data is not there.
    """

    def __init__(
        self, recipe: StudyRecipe, out: Path, data: Path | None, *, on_progress: OnStudyEvent
    ) -> None:
        self.recipe, self.out, self.data, self._tell = recipe, out, data, on_progress
        self.study_data = StudyData(recipe, data, on_progress=self._report)
        self.register_sha256 = digest_of_register(recipe.register_file)
        if problems := training_problems(recipe):
            raise recipe_error(recipe.study, problems)
        self.cells = cells_of(recipe)
        self._packed = {_key(cell): cell for cell in _packed_cells(out)}

    def missing_tuning(self) -> list[TrialJob]:
        """Candidates that have no score; none of an arm that was chosen for already."""
        known = {
            (choice.encoder, choice.arm): choice.digest for choice in read_choices(self.out / CHOICES_FILE)
        }
        missing = []
        for encoder, arm in tuned_arms(self.recipe):
            jobs = [job for each in self._tuning_jobs(encoder, arm) for job in each]
            if known.get((encoder, arm.name)) != _digest_of(jobs):
                missing += [job for job in jobs if read_score(job.path, job.trial.digest) is None]
        return missing

    def choose(self) -> None:
        """Write what was chosen for each arm, once every candidate has its score."""
        known = {(choice.encoder, choice.arm): choice for choice in read_choices(self.out / CHOICES_FILE)}
        choices = []
        for encoder, arm in tuned_arms(self.recipe):
            jobs = self._tuning_jobs(encoder, arm)
            digest = _digest_of([job for each in jobs for job in each])
            choice = known.get((encoder, arm.name))
            if choice is None or choice.digest != digest:
                assert self.recipe.tuning is not None
                scores = [[_score(job) for job in each] for each in jobs]
                tried = candidates(self.recipe.tuning, arm)
                values, means = chosen(tried, scores)
                choice = Choice(
                    encoder=encoder,
                    arm=arm.name,
                    digest=digest,
                    values=values,
                    tried=tuple(zip(tried, means, strict=True)),
                )
            choices.append(choice)
        if choices and tuple(choices) != read_choices(self.out / CHOICES_FILE):
            write_choices(self.out / CHOICES_FILE, choices)

    def jobs(self) -> list[TrialJob]:
        """Every cell, once its arm was chosen for."""
        choices = {(c.encoder, c.arm): c.values for c in read_choices(self.out / CHOICES_FILE)}
        jobs = []
        for number, cell in enumerate(self.cells):
            self._report("reading the grid, cell", number, len(self.cells))
            part = Part(cell.setting, self.recipe.settings[cell.setting].fold(cell.seed))
            tuned = choices.get((cell.encoder, cell.arm.tuned_as or cell.arm.name), {})
            trial = self._trial(cell, part, tuned)
            jobs.append(TrialJob(trial, "cell", self.out / _CELLS / f"{cell.name}.json"))
        return jobs

    def result(self, job: TrialJob) -> CellResult | None:
        """The result of a cell; None while it has to be run."""
        packed = self._packed.get(_cell_key(job.trial.cell))
        if packed is not None and packed.digest == job.trial.digest:
            return packed
        return read_cell(job.path, job.trial.digest)

    def pack(self, jobs: Sequence[TrialJob]) -> None:
        """Write all results that are there into the one file that is committed."""
        cells = [result for job in jobs if (result := self.result(job)) is not None]
        lists: dict[str, QueryList] = {}
        for part in dict.fromkeys(job.trial.part for job in jobs):
            lists |= query_lists(self._measured(part))
        write_cells(self.out / CELLS_FILE, study=self.recipe.study, queries=lists, cells=cells)

    def estimated_s(self, missing: Sequence[TrialJob], jobs: Sequence[TrialJob]) -> float:
        """Seconds of one core: as alike cells took, or else as the recipe says."""
        known: dict[tuple[str, ...], list[float]] = {}
        for job in jobs:
            if (result := self.result(job)) is not None:
                for kind in _kinds(job.trial.cell):
                    known.setdefault(kind, []).append(result.took_s)
        seconds = 0.0
        for job in missing:
            alike = next((known[kind] for kind in _kinds(job.trial.cell) if kind in known), None)
            seconds += sum(alike) / len(alike) if alike else declared_s(self.recipe, job.trial.cell)
        return seconds

    def _tuning_jobs(self, encoder: str, arm: Arm) -> list[list[TrialJob]]:
        """For each candidate its runs, one a setting."""
        tuning = self.recipe.tuning
        assert tuning is not None
        found = []
        for number, values in enumerate(candidates(tuning, arm)):
            jobs = []
            for name in tuning.settings[encoder]:
                cell = Cell(name, encoder, arm, tuning.seed)
                part = Part(name, self.recipe.settings[name].fold(tuning.seed), held_out=True)
                path = self.out / _TUNING / f"{cell.name}-{number}.json"
                jobs.append(TrialJob(self._trial(cell, part, values), "tuning", path))
            found.append(jobs)
        return found

    def _trial(self, cell: Cell, part: Part, tuned: Mapping[str, float]) -> Trial:
        table = self.study_data.table(part)
        identity = [table.manifest.version]
        if cell.arm.videos == "shuffled":
            table = self.study_data.shuffled(part, cell.seed)
            identity.append(f"shuffled {cell.seed}")
        document = training_document(
            self.recipe,
            cell,
            folder=str(table.folder),
            features=self.study_data.features(part.setting),
            tuned=tuned,
        )
        data = [{**entry, "corpus": identity} for entry in document["data"]]
        setting, encoder = self.recipe.settings[cell.setting], self.recipe.encoders[cell.encoder]
        facts = [
            __version__,
            {**document, "data": data},
            setting.languages,
            encoder.reads_class_names,
            [premise.id for premise in self.study_data.premises(part.setting)],
            part.held_out,
        ]
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
        return Trial(cell, part, document, digest, self.register_sha256)

    def _measured(self, part: Part) -> CellQueries:
        data, languages = self.study_data, self.recipe.settings[part.setting].languages
        return CellQueries(part, data.test_clips(part), data.premises(part.setting), languages)

    def _report(self, what: str, done: int, total: int | None) -> None:
        self._tell(GridProgressed(what, done, total or 0, unit=""))


def run_grid(
    grid: Grid, *, workers: int, is_stopped: Callable[[], bool], on_progress: OnStudyEvent
) -> list[TrialJob]:
    """Tune what is not tuned, then run the cells that are missing; what is there is packed at the end,
    however it ends.

    Args:
        grid: Of the study.
        workers: Processes side by side.
        is_stopped: Whether to begin nothing more.
        on_progress: Called with every event.

    Returns:
        All cells; those without a result were left because it was asked to stop. None at all where the tuning
        was.

    Raises:
        UsageError: another process runs this study.
        PolyreelError: an arm cannot be trained or measured.
    """
    with _alone(grid.out):
        write_atomically(grid.out / ".gitignore", _NOT_COMMITTED)
        tuning = grid.missing_tuning()
        if tuning:
            seconds = grid.estimated_s(tuning, ()) + sum(declared_s(grid.recipe, cell) for cell in grid.cells)
            on_progress(GridPlanned(len(grid.cells), len(grid.cells), len(tuning), seconds, workers))
            _run(grid, tuning, len(tuning), "tuning runs", workers, is_stopped, on_progress)
            if is_stopped() and grid.missing_tuning():
                return []
        grid.choose()
        jobs = grid.jobs()
        missing = [job for job in jobs if grid.result(job) is None]
        if missing:
            seconds = grid.estimated_s(missing, jobs)
            on_progress(GridPlanned(len(jobs), len(missing), 0, seconds, workers))
            try:
                _run(grid, missing, len(jobs), "cells", workers, is_stopped, on_progress, jobs)
            finally:
                grid.pack(jobs)
        return jobs


def _run(
    grid: Grid,
    missing: Sequence[TrialJob],
    total: int,
    unit: str,
    workers: int,
    is_stopped: Callable[[], bool],
    on_progress: OnStudyEvent,
    packed: Sequence[TrialJob] = (),
) -> None:
    done = total - len(missing)
    for folder in {job.path.parent for job in missing}:
        folder.mkdir(parents=True, exist_ok=True)

    def on_done(job: TrialJob) -> None:
        nonlocal done
        done += 1
        if packed and done % _PACKED_EVERY == 0:
            grid.pack(packed)
        on_progress(GridProgressed(job.name, done, total, unit))

    on_progress(GridProgressed("training", done, total, unit))
    run_jobs(missing, grid.recipe, grid.data, workers=workers, on_done=on_done, is_stopped=is_stopped)


def training_problems(recipe: StudyRecipe) -> list[str]:
    """What is wrong with the training recipes of the arms, whatever the data are."""
    from polyreel.training.recipe import Recipe

    problems: dict[str, None] = {}
    for cell in {(c.setting, c.encoder, c.arm.name): c for c in cells_of(recipe)}.values():
        document = training_document(recipe, cell, folder="any", features="any", tuned={})
        where = f"({cell.arm.name}, {cell.encoder}, {cell.setting})"
        try:
            found = Recipe.model_validate(document).contradictions()
        except ValidationError as error:
            found = [problem for _, problem in form_problems(Recipe, document, error)]
        if not cell.arm.sees:
            blind = [term["name"] for term in cell.arm.objectives if needs_video(term)]
            found += [("objectives", f"{name!r} means nothing without videos") for name in blind]
        for place, what in found:
            problems.setdefault(f"training.{place} {where}: {what}")
    return list(problems)


def declared_s(recipe: StudyRecipe, cell: Cell) -> float:
    """Seconds of a cell as the recipe says."""
    document = training_document(recipe, cell, folder="any", features="any", tuned={})
    steps = int(document.get("optimiser", {}).get("steps") or 0)
    cost = recipe.cost
    return cost.around_s.get(cell.encoder, 0.0) + steps * cost.step_s.get(cell.encoder, 0.0)


def _score(job: TrialJob) -> float:
    found = read_score(job.path, job.trial.digest)
    assert found is not None
    return found.log2_rank


def _digest_of(jobs: Sequence[TrialJob]) -> str:
    return hashlib.sha256("\0".join(job.trial.digest for job in jobs).encode()).hexdigest()[:16]


def _packed_cells(out: Path) -> tuple[CellResult, ...]:
    found = read_cells(out / CELLS_FILE)
    return () if found is None else found.cells


def _key(result: CellResult) -> tuple[Any, ...]:
    return result.setting, result.encoder, result.arm, result.seed


def _cell_key(cell: Cell) -> tuple[Any, ...]:
    return cell.setting, cell.encoder, cell.arm.name, cell.seed


def _kinds(cell: Cell) -> tuple[tuple[str, ...], ...]:
    """What cells have in common that take about as long, most alike first."""
    return (cell.setting, cell.encoder, cell.arm.name), (cell.setting, cell.encoder), (cell.encoder,)


def _alone(out: Path) -> AbstractContextManager[None]:
    out.mkdir(parents=True, exist_ok=True)
    remedy = "Wait for it to end, or name another folder by --out"
    busy = UsageError("another process runs this study", item=out, remedy=remedy)
    return exclusive_lock(out / ".lock", busy=busy)
