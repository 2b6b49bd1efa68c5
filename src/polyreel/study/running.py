"""The grid: every arm with every encoder and seed, one after the other, each once."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from polyreel._version import __version__
from polyreel.codeswitch.lexicons import load_lexicons
from polyreel.codeswitch.switching import CodeSwitcher, SwitchRule
from polyreel.errors import RecipeError, UsageError
from polyreel.files import exclusive_lock
from polyreel.recipes import form_problems, recipe_error
from polyreel.study.arms import Cell, cells_of, text_tower, training_document
from polyreel.study.measuring import BenchmarkData, measure
from polyreel.study.pretraining import PretrainedEncoder, ensure_pretrained, pretrained_encoders
from polyreel.study.recipe import StudyRecipe
from polyreel.study.results_v1 import FirstCellResult, read_cell, write_cell
from polyreel.study.study_data import StudyData, TrainTable

if TYPE_CHECKING:
    from polyreel.study.encoding import TowerCache, Towers
    from polyreel.training.recipe import Recipe

__all__ = [
    "Grid",
    "GridPlanned",
    "GridProgressed",
    "OnStudyEvent",
    "StudyEvent",
    "prepare_grid",
    "run_grid",
    "training_problems",
]

_CELLS, _RUNS = "cells", "runs"
# Besides its steps a cell builds a model and is measured; measured on two cores, e5-small.
_AROUND_A_CELL_S = 8.0
_SAMPLE = 400
_PROBES, _SURPRISING_S = 3, 30.0


@dataclass(frozen=True, slots=True)
class GridPlanned:
    """What is to be done.

    Attributes:
        cells: Number of cells of the grid.
        missing: Number of cells that have no result yet.
        seconds: Time that these will take, about.
    """

    cells: int
    missing: int
    seconds: float


@dataclass(frozen=True, slots=True)
class GridProgressed:
    """How far the grid is.

    Attributes:
        done: Number of cells that are done, with a fraction for the one that is being trained.
        cells: Number of cells of the grid.
        what: Description of what is being done.
    """

    done: float
    cells: int
    what: str


StudyEvent = GridPlanned | GridProgressed
OnStudyEvent = Callable[[StudyEvent], None]


@dataclass(frozen=True, slots=True)
class _Task:
    cell: Cell
    digest: str
    path: Path
    document: dict[str, Any] | None
    recipe: Recipe | None

    @property
    def result(self) -> FirstCellResult | None:
        """The result of the cell; None while it has to be run."""
        return read_cell(self.path, self.digest)


@dataclass(frozen=True, slots=True)
class Grid:
    """A study that can be run.

    Attributes:
        recipe: Recipe of the study.
        study_data: Its tables.
        benchmarks: What its arms are measured on.
        pretrained: Encoders of our own -> how they are pretrained before any arm begins.
        tasks: One for each cell.
        out: Folder of the results.
        data: Folder that corpora are relative to.
    """

    recipe: StudyRecipe
    study_data: StudyData
    benchmarks: BenchmarkData
    pretrained: Mapping[str, PretrainedEncoder]
    tasks: tuple[_Task, ...]
    out: Path
    data: Path | None

    @property
    def digest(self) -> str:
        """Of everything that decides the results."""
        facts = [self.recipe.grid_json, *(task.digest for task in self.tasks)]
        return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:16]

    def results(self) -> tuple[FirstCellResult, ...] | None:
        """All cells; None while one is missing."""
        found = tuple(result for task in self.tasks if (result := task.result) is not None)
        return found if len(found) == len(self.tasks) else None


def prepare_grid(recipe: StudyRecipe, *, out: Path, data: Path | None, on_progress: OnStudyEvent) -> Grid:
    """Build what arms train and are measured on, and check every arm's training recipe.

    Args:
        recipe: Of the study.
        out: Folder of the results.
        data: Folder that corpora are relative to; None takes the working folder.
        on_progress: Called with every event.

    Raises:
        RecipeError: arms cannot be trained; lists everything.
        PolyreelError: data is not there.
    """
    cells = cells_of(recipe)

    def report(what: str, done: int, total: int | None) -> None:
        share = f" {done:,} of {total:,}" if total else ""
        on_progress(GridProgressed(0.0, len(cells), what + share))

    study_data = StudyData(recipe, data, on_progress=report)
    report("reading the benchmarks", 0, 0)
    benchmarks = BenchmarkData(
        galleries=tuple(study_data.gallery(spec) for spec in recipe.measure.retrieval),
        premises=study_data.premises() if recipe.measure.xnli else (),
        sentences=study_data.sentences() if recipe.measure.bitext else {},
        languages=recipe.languages,
        examples=recipe.examples,
        show_pictures=recipe.show_pictures,
    )
    problems: dict[str, None] = {}
    tasks = []
    pretrained = pretrained_encoders(recipe, study_data)
    for cell in cells:
        encoder = pretrained.get(cell.encoder)
        tables: Sequence[TrainTable] = ()
        document: dict[str, Any] | None = None
        if cell.arm.is_trained:
            tables = study_data.train_tables(cell.arm)
            entries, languages = [table.entry for table in tables], study_data.languages(cell.arm, tables)
            document = training_document(recipe, cell, data=entries, languages=languages)
        facts = [
            __version__,
            cell.encoder,
            recipe.encoders[cell.encoder],
            encoder and encoder.identity,
            document and {**document, "data": [[table.identity, table.weight] for table in tables]},
            list(benchmarks.facts),
        ]
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]
        path = out / _CELLS / f"{cell.name}.json"
        there = read_cell(path, digest) is not None
        if document is not None and encoder is not None:  # only now, for a cache may lie anywhere
            document["model"]["text"] = text_tower(recipe, cell.encoder, str(encoder.weights))
        # What is there already needs no trainer, nor the seconds that it takes to load one.
        trained = None if document is None or there else _validated(document, cell, problems)
        tasks.append(_Task(cell, digest, path, document, trained))
    if problems:
        raise recipe_error(recipe.study, list(problems))
    return Grid(recipe, study_data, benchmarks, pretrained, tuple(tasks), out, data)


def training_problems(recipe: StudyRecipe) -> list[str]:
    """What is wrong with the training recipes of the arms, whatever the data are."""
    problems: dict[str, None] = {}
    for cell in cells_of(recipe):
        if cell.arm.is_trained:
            languages = recipe.languages if cell.arm.multilingual else ("en",)
            document = training_document(recipe, cell, data=[{"corpus": "any"}], languages=languages)
            _validated(document, cell, problems)
    return list(problems)


def run_grid(grid: Grid, *, on_progress: OnStudyEvent) -> tuple[FirstCellResult, ...] | None:
    """Run the cells that are missing; None if the study was asked to stop before the last.

    Raises:
        UsageError: another process runs this study.
        PolyreelError: an arm cannot be trained or measured.
    """
    missing = [task for task in grid.tasks if task.result is None]
    if not missing:
        return grid.results()
    from polyreel.study.encoding import TowerCache

    with _alone(grid.out):
        cache = TowerCache()
        _pretrain(grid, missing, on_progress)
        on_progress(GridPlanned(len(grid.tasks), len(missing), _estimate(grid, missing)))
        (grid.out / _CELLS).mkdir(parents=True, exist_ok=True)
        done = len(grid.tasks) - len(missing)
        for number, task in enumerate(missing):
            result = _cell_result(grid, task, cache, done + number, on_progress)
            if result is None:
                return None
            write_cell(task.path, result)
            shutil.rmtree(_run_folder(grid, task), ignore_errors=True)
        shutil.rmtree(grid.out / _RUNS, ignore_errors=True)
    return grid.results()


def _pretrain(grid: Grid, missing: Sequence[_Task], on_progress: OnStudyEvent) -> None:
    done = len(grid.tasks) - len(missing)
    for name in dict.fromkeys(task.cell.encoder for task in missing):
        if (encoder := grid.pretrained.get(name)) is not None:
            ensure_pretrained(
                grid.recipe,
                encoder,
                on_progress=lambda what, step, steps: on_progress(
                    GridProgressed(done, len(grid.tasks), f"{what} {step:,} of {steps:,}")
                ),
            )


def _validated(document: dict[str, Any], cell: Cell, problems: dict[str, None]) -> Recipe | None:
    from polyreel.training.recipe import Recipe

    try:
        recipe = Recipe.model_validate(document)
    except ValidationError as error:
        for _, (place, what) in form_problems(Recipe, document, error):
            problems.setdefault(f"training.{place} ({cell.arm.name}, {cell.encoder}): {what}")
        return None
    for place, what in recipe.contradictions():
        problems.setdefault(f"training.{place} ({cell.arm.name}, {cell.encoder}): {what}")
    return recipe


def _cell_result(
    grid: Grid, task: _Task, cache: TowerCache, done: int, on_progress: OnStudyEvent
) -> FirstCellResult | None:
    """Train if there is anything to train, then measure; None if it was asked to stop."""
    began = time.monotonic()
    cell, count = task.cell, len(grid.tasks)
    steps, texts = 0, 0
    switched: dict[str, float] = {}
    if task.recipe is None:
        on_progress(GridProgressed(done, count, f"measuring {cell.name}"))
        towers = _untrained(grid, cell, cache)
    else:
        folder = _run_folder(grid, task)

        def on_share(share: float) -> None:
            on_progress(GridProgressed(done + share, count, f"training {cell.name}"))

        trained = _train(grid, task, on_share)
        if trained is None:
            return None
        on_progress(GridProgressed(done + 1.0, count, f"measuring {cell.name}"))
        steps = trained
        texts, switched = _texts_seen(folder), _switched(grid, task.recipe)
        from polyreel.training.checkpoints import load_checkpoint

        towers = cache.trained(load_checkpoint(folder, "last"))
    first = cell.seed == grid.recipe.seeds[0] and cell.arm.name in grid.recipe.design.examples
    measured, examples = measure(towers, grid.benchmarks, with_examples=first)
    return FirstCellResult(
        encoder=cell.encoder,
        arm=cell.arm.name,
        seed=cell.seed,
        digest=task.digest,
        benchmarks=tuple(measured),
        switched=switched,
        steps=steps,
        texts=texts,
        examples=examples,
        took_s=round(time.monotonic() - began, 1),
    )


def _untrained(grid: Grid, cell: Cell, cache: TowerCache) -> Towers:
    from polyreel.models.specs import TextTowerSpec

    encoder = grid.pretrained.get(cell.encoder)
    tower = text_tower(grid.recipe, cell.encoder, None if encoder is None else str(encoder.weights))
    return cache.untrained(TextTowerSpec.model_validate(tower), seed=cell.seed)


def _train(grid: Grid, task: _Task, on_share: Callable[[float], None]) -> int | None:
    """Steps done; None if it was asked to stop."""
    from polyreel.training.events import Event, Started, Stepped
    from polyreel.training.run import train

    assert task.recipe is not None
    total = [1]

    def on_event(event: Event) -> None:
        if isinstance(event, Started):
            total[0] = event.total
        elif isinstance(event, Stepped):
            on_share(0.95 * event.report.step / total[0])

    try:
        result = train(
            task.recipe, out=_run_folder(grid, task), data=grid.data, resume="auto", on_progress=on_event
        )
    except RecipeError as error:
        raise RecipeError("an arm cannot be trained", item=task.cell.name, value=error.value) from error
    return None if result.stopped_by is not None else result.step


def _texts_seen(folder: Path) -> int:
    """Texts that the run saw."""
    from polyreel.training.logs import read_log

    return sum(int(line["texts"]) for line in read_log(folder) if line["kind"] == "step")


def _switched(grid: Grid, recipe: Recipe) -> dict[str, float]:
    """Language -> share of all words that is switched into it, over a sample of the training captions.

    Not what the run counted: one that was interrupted counts only what came after.
    """
    spec = recipe.code_switching
    if spec is None:
        return {}
    lexicons = load_lexicons((grid.data or Path()) / spec.lexicons, spec.languages)
    rule = SwitchRule(mode=spec.mode, p=spec.p, candidates=spec.candidates)
    sample = grid.study_data.english(most=_SAMPLE)
    switcher = CodeSwitcher(lexicons, rule, seed=recipe.seed)
    if spec.rate is not None:
        switcher = switcher.equalised(sample, rate=spec.rate)
    counts = dict.fromkeys(spec.languages, 0)
    words = 0
    for number, text in enumerate(sample):
        switched = switcher.switch(text, key=number, epoch=0)
        words += switched.words
        for tag, count in switched.switched.items():
            counts[tag] += count
    return {tag: round(count / max(1, words), 4) for tag, count in counts.items()}


def _run_folder(grid: Grid, task: _Task) -> Path:
    return grid.out / _RUNS / f"{task.cell.name}-{task.digest[:8]}"


def _estimate(grid: Grid, missing: Sequence[_Task]) -> float:
    """Seconds, from cells of this study where there are any, else from a few steps on made-up input."""
    known: dict[tuple[str, bool, bool], list[float]] = {}
    for task in grid.tasks:
        if (found := task.result) is not None:
            known.setdefault(_kind(task), []).append(found.took_s)
    seconds = 0.0
    for task in missing:
        kind = _kind(task)
        if kind not in known:
            known[kind] = [_probed(grid, task)]
        seconds += sum(known[kind]) / len(known[kind])
    return seconds


def _kind(task: _Task) -> tuple[str, bool, bool]:
    return task.cell.encoder, task.cell.arm.is_trained, task.cell.arm.sees


def _probed(grid: Grid, task: _Task) -> float:
    """Seconds of a cell, from steps on made-up input.

    Raises:
        RecipeError: the arm cannot be trained on this data.
    """
    if task.document is None:
        return _AROUND_A_CELL_S
    import yaml

    from polyreel.training.checking import check

    folder = grid.out / _RUNS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "estimate.yaml"
    path.write_text(yaml.safe_dump(task.document, allow_unicode=True), encoding="utf-8")
    seconds = []
    for _ in range(_PROBES):
        checked = check(path, data=grid.data)
        if checked.problems:
            raise recipe_error(f"{grid.recipe.study}, {task.cell.arm.name}", list(checked.problems))
        estimate = checked.estimate
        if estimate is None or estimate.steps is None:
            break
        seconds.append(estimate.steps * estimate.step_s)
        # On a busy machine a step can take a hundred times as long as the next.
        if seconds[-1] < _SURPRISING_S:
            break
    return _AROUND_A_CELL_S + min(seconds, default=0.0)


def _alone(out: Path) -> AbstractContextManager[None]:
    out.mkdir(parents=True, exist_ok=True)
    remedy = "Wait for it to end, or name another folder by --out"
    busy = UsageError("another process runs this study", item=out, remedy=remedy)
    return exclusive_lock(out / ".lock", busy=busy)
