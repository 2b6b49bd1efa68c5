"""A training run from its first step, or from a checkpoint, to its end."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from polyreel._version import __version__
from polyreel.datasets.dataset_catalog import DatasetCatalog
from polyreel.errors import RecipeError, TrainingError
from polyreel.files import write_atomically
from polyreel.training.assembly import (
    build_batches,
    build_engine,
    build_validator,
    device_of,
    open_training_sets,
    step_count,
)
from polyreel.training.batches import Batch, Batches
from polyreel.training.checkpoints import (
    Checkpoint,
    Checkpoints,
    CheckpointState,
    find_checkpoint,
    load_checkpoint,
    recipe_differences,
)
from polyreel.training.distributed import Group, joined
from polyreel.training.events import Event, Noted, OnProgress, Preparing, Saved, Started, Stepped, Validated
from polyreel.training.logs import RunLog
from polyreel.training.problems import problems_of
from polyreel.training.randomness import random_state, restore_random_state
from polyreel.training.recipe import Recipe
from polyreel.training.sampling import Position
from polyreel.training.step import train_step
from polyreel.training.stopping import StopRequest
from polyreel.training.switch_rates import SwitchRates

__all__ = ["TrainingResult", "train"]


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How a run ended.

    Attributes:
        folder: of the run.
        step, total: steps done, and in all.
        figures: of the last validation.
        best: best score, and the step it is from; None without validation.
        stopped_by: number of the signal that stopped it; None if none did, or nothing was left to do.
        gave_up: whether it ended early because nothing got better.
        switched: language -> share of all words of the code-switched texts that were switched into it, 0 to
            1, in each epoch; of the main process's part.
    """

    folder: Path
    step: int
    total: int
    figures: Mapping[str, float]
    best: tuple[float, int] | None
    stopped_by: int | None
    gave_up: bool
    switched: Mapping[str, tuple[float, ...]]


def train(
    recipe: Recipe,
    *,
    out: Path,
    data: Path | None = None,
    resume: Path | Literal["auto"] | None = None,
    on_progress: OnProgress | None = None,
) -> TrainingResult:
    """Train as a recipe says, alone or with the other processes of a ``torchrun``.

    A run that is asked to stop while it trains saves where it is; asked in its last step, it has ended as one
    that was not asked. A run that goes on computes what it would have computed without the break, on a CPU
    bit for bit.

    Args:
        recipe: the run.
        out: its folder.
        data: folder that corpora and lexicons are relative to.
        resume: ``auto`` goes on from the last checkpoint of ``out`` if there is one; or a checkpoint or run.
        on_progress: called with every event, in the first process alone.

    Raises:
        RecipeError: data, features or lexicons that it names are not there or do not fit; lists everything.
        TrainingError: the run's folder is in use, a checkpoint does not fit, a number is not finite any more,
            a checkpoint cannot be saved, or another process died.
        PolyreelError: parts of the model are not there or do not fit, or a corpus cannot be built.
    """
    with joined(device_of(recipe)) as group:
        report = on_progress if on_progress is not None and group.is_main else _to_nobody
        checkpoint = _resumed(recipe, out, resume)
        catalog = DatasetCatalog(
            data, recipe.folders, tell=lambda what, done, total: report(Preparing(what, done, total or 0))
        )
        if problems := problems_of(recipe, catalog):
            lines = tuple(f"{place}: {what}" for place, what in problems)
            raise RecipeError("the recipe cannot be run", item=recipe.run, value=lines)
        run = _Run(recipe, out, catalog, checkpoint, group, report)
        # What went before keeps nothing that is to be saved: asked to stop, it ends at once.
        with contextlib.closing(run), StopRequest() as stop:
            return run.go(stop)


def _to_nobody(_event: Event) -> None:
    pass


def _resumed(recipe: Recipe, out: Path, resume: Path | Literal["auto"] | None) -> Checkpoint | None:
    there = find_checkpoint(out)
    if resume is None:
        if there is not None:
            raise TrainingError(
                "a run of this name is there already",
                item=out,
                remedy="Go on with --resume auto, or give another name with --set run=NAME",
            )
        return None
    if resume == "auto" and there is None:
        return None
    checkpoint = load_checkpoint(out if isinstance(resume, str) else resume, "last")
    if differences := recipe_differences(checkpoint.state.recipe, recipe):
        raise TrainingError(
            "the checkpoint is of another recipe",
            item=checkpoint.folder,
            value="; ".join(differences[:5]) + ("; .." if len(differences) > 5 else ""),
            remedy="Give the recipe and --set that it was made with, or another run name without --resume",
        )
    return checkpoint


class _Run:
    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        catalog: DatasetCatalog,
        checkpoint: Checkpoint | None,
        group: Group,
        on_progress: OnProgress,
    ) -> None:
        self._recipe, self._out, self._group, self._report = recipe, out, group, on_progress
        device = device_of(recipe)
        with _main_first(group, device):
            self._training_sets = open_training_sets(recipe, catalog)
            self._validator = build_validator(recipe, catalog) if group.is_main else None
        on_progress(Preparing("building the model", 0, 0))
        self._total = step_count(recipe, self._training_sets)
        self._engine = build_engine(
            recipe,
            self._training_sets,
            total_steps=self._total,
            device=device,
            group=group,
            catalog=catalog,
        )
        state = None if checkpoint is None else checkpoint.state
        position = None if state is None else state.position
        batches = build_batches(recipe, self._training_sets, self._engine, catalog=catalog, position=position)
        self._ahead = _Ahead(batches)
        self._step = 0 if state is None else state.step
        self._figures: Mapping[str, float] = {} if state is None else state.figures
        self._best = None if state is None else state.best
        self._without_gain = 0 if state is None else state.without_gain
        self._position = position or Position.start(len(self._training_sets))
        self._switched = SwitchRates({} if state is None else state.switched)
        self._checkpoints, self._saved_at = Checkpoints(out), self._step if state else None
        if checkpoint is not None:
            self._engine.load(checkpoint)
            random = checkpoint.state.random
            restore_random_state(random[min(group.rank, len(random) - 1)])
        self._log = self._open_log() if group.is_main else None

    def close(self) -> None:
        self._ahead.close()
        if self._log is not None:
            self._log.close()
        if self._engine.memo is not None:
            self._engine.memo.close()

    def go(self, stop: StopRequest) -> TrainingResult:
        self._report_start()
        gave_up, stopped = self._has_given_up(), False
        while self._step < self._total and not gave_up and not stopped:
            self._take_step(self._ahead.next())
            if self._is_due(self._recipe.validation.every_steps if self._recipe.validation else None):
                gave_up = self._validate()
            elif self._is_due(self._recipe.save_every_steps):
                self._save(is_best=False)
            stopped = self._group.any(stop.signal is not None, self._engine.device)
        if self._saved_at != self._step:
            self._save(is_best=False)
        has_ended = gave_up or self._step == self._total
        return TrainingResult(
            folder=self._out,
            step=self._step,
            total=self._total,
            figures=self._figures,
            best=self._best,
            stopped_by=stop.signal if stopped and not has_ended else None,
            gave_up=gave_up,
            switched=self._switched.by_language(),
        )

    def _take_step(self, batch: Batch) -> None:
        report = train_step(self._engine, batch, self._step)
        self._step, self._position = report.step, batch.position
        self._switched.add(batch.switched)
        if self._log is not None:
            self._log.step(
                report, passed_over=sum(training_set.passed_over for training_set in self._training_sets)
            )
        self._report(Stepped(report))

    def _is_due(self, every: int | None) -> bool:
        return every is not None and (self._step % every == 0 or self._step == self._total)

    def _validate(self) -> bool:
        """Validate and save; whether to give up. The main process validates, all go by its score."""
        assert self._recipe.validation is not None
        score = 0.0
        if self._validator is not None:
            self._figures = self._validator.figures(self._engine, frames=self._recipe.batch.frames)
            score = self._validator.score(self._figures)
        score = self._group.from_main(score, self._engine.device)
        is_best = self._best is None or score > self._best[0]
        if is_best:
            self._best = (score, self._step)
        self._without_gain = 0 if is_best else self._without_gain + 1
        if self._log is not None and self._best is not None:
            self._log.validation(self._step, self._figures)
            self._report(Validated(self._step, self._figures, score, self._best))
        self._save(is_best=is_best)
        return self._has_given_up()

    def _has_given_up(self) -> bool:
        patience = self._recipe.validation.patience if self._recipe.validation else None
        return patience is not None and self._without_gain >= patience

    def _save(self, *, is_best: bool) -> None:
        random = _states_of_all(self._group, self._engine.device)
        if self._group.is_main:
            state = CheckpointState(
                recipe=self._recipe,
                step=self._step,
                total_steps=self._total,
                position=self._position,
                figures=self._figures,
                best=self._best,
                without_gain=self._without_gain,
                random=random,
                switched=self._switched.counts,
                made_with={"polyreel": __version__},
            )
            for epoch, rates in self._switched.news().items():
                if self._log is not None:
                    self._log.switching(self._step, epoch, rates)
            folder = self._checkpoints.save(state, self._engine.state(), is_best=is_best)
            self._report(Saved(folder))
        self._saved_at = self._step

    def _open_log(self) -> RunLog:
        try:
            self._out.mkdir(parents=True, exist_ok=True)
            text = json.dumps(self._recipe.model_dump(mode="json"), ensure_ascii=False, indent=1)
            write_atomically(self._out / "recipe.json", f"{text}\n".encode())
            return RunLog(self._out, step=self._step)
        except OSError as error:
            raise TrainingError(
                "the run's folder cannot be written",
                item=self._out,
                value=error.strerror,
                remedy="Free some space, or name another folder by --out",
            ) from error

    def _report_start(self) -> None:
        parameters = list(self._engine.model.parameters())
        frozen = sum(p.numel() for p in parameters if not p.requires_grad)
        trained = sum(p.numel() for p in self._engine.named.values())
        self._report(Started(self._step, self._total, trained, frozen, self._recipe.batch.batch_size))
        for found in (training_set.left_out for training_set in self._training_sets):
            if len(found.rows):
                self._report(Noted(str(found)))
                if self._log is not None:
                    self._log.note(self._step, str(found))
        if self._log is not None and not self._log.has_tensorboard:
            self._report(Noted("TensorBoard is not installed: the run is logged to log.jsonl alone"))


class _Ahead:
    """Makes the next batch in another thread while the present one is computed."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._next: Future[Batch] = self._worker.submit(batches.make)

    def next(self) -> Batch:
        batch = self._next.result()
        self._next = self._worker.submit(self._batches.make)
        return batch

    def close(self) -> None:
        self._worker.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _main_first(group: Group, device: torch.device) -> Iterator[None]:
    """The first process goes through the block alone, and builds what is missing; then the others do."""
    if not group.is_main:
        group.any(False, device)
    yield
    if group.is_main:
        group.any(False, device)


def _states_of_all(group: Group, device: torch.device) -> tuple[dict[str, object], ...]:
    """State of the random generators of every process."""
    own = torch.frombuffer(bytearray(json.dumps(random_state()).encode()), dtype=torch.uint8)
    return tuple(json.loads(bytes(part.cpu().numpy())) for part in group.collect(own.to(device)))
