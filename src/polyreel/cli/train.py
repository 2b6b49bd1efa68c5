"""``polyreel train``: a recipe -> a run."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from polyreel.cli.formats import out_folder
from polyreel.cli.options import AskedPath, Json, require_torch
from polyreel.cli.output import print_json, show_progress, stdout
from polyreel.units import count, duration, size

if TYPE_CHECKING:
    from polyreel.progress import ProgressDisplay
    from polyreel.training.checking import Check
    from polyreel.training.events import Event, Validated
    from polyreel.training.recipe import Recipe
    from polyreel.training.run import TrainingResult

__all__ = ["train"]

_AUTO = "auto"


def train(
    recipe: AskedPath,
    /,
    *,
    set: Annotated[list[str] | None, Parameter(negative="")] = None,  # noqa: A002  the option is --set
    resume: str | None = None,
    check: Annotated[bool, Parameter(negative="")] = False,
    data: AskedPath | None = None,
    out: AskedPath | None = None,
    json: Json = False,
) -> int:
    """Train a model as a recipe says; with torchrun, on several processes.

    A run that is stopped (SIGTERM, Ctrl-C) saves where it is; --resume auto goes on.

    Example: polyreel train recipes/smoke.yaml

    Args:
        recipe: The recipe, a YAML file.
        set: Change the recipe: optimiser.steps=500, objectives.inter_modal.weight=2. Can be repeated.
        resume: Go on: 'auto' from where the run is, or a checkpoint or run's folder.
        check: Only say what is wrong with the recipe and what a run would take.
        data: Folder that corpora and lexicons are relative to.
        out: Folder of the run; by default runs/NAME.
    """
    require_torch()
    from polyreel.training.checking import check as check_recipe
    from polyreel.training.checking import require_recipe
    from polyreel.training.run import train as train_recipe

    if out is not None:
        out_folder(out)
    changes = set or []
    if check:
        return _print_check(check_recipe(recipe, changes, data=data), recipe, json)
    wanted = require_recipe(recipe, changes, data=data)
    folder = out or Path("runs") / wanted.run
    with show_progress() as show:
        result = train_recipe(
            wanted,
            out=folder,
            data=data,
            resume="auto" if resume == _AUTO else None if resume is None else Path(resume),
            on_progress=_follow(show, wanted),
        )
    if int(os.environ.get("RANK", "0")) == 0:
        again = [
            "polyreel",
            "train",
            str(recipe),
            *(part for change in changes for part in ("--set", change)),
        ]
        again += [] if data is None else ["--data", str(data)]
        again += [] if out is None else ["--out", str(out)]
        _print_result(result, shlex.join([*again, "--resume", _AUTO]), json)
    return 1 if result.stopped_by == signal.SIGINT else 0


def _print_check(found: Check, recipe: Path, json: bool) -> int:
    estimate = found.estimate
    if json:
        from dataclasses import asdict

        print_json({"recipe": str(recipe), **asdict(found)})
        return 2 if found.problems else 0
    for problem in found.problems:
        stdout.print(f"  {problem}", style="yellow", markup=False, soft_wrap=True)
    stdout.print(f"{recipe}: {count(len(found.problems), 'mistake')}", markup=False, soft_wrap=True)
    for note in found.notes:
        stdout.print(note, markup=False, soft_wrap=True)
    if estimate is not None:
        stdout.print(f"Parameters: {estimate.trained:,} trained, {estimate.frozen:,} frozen")
        stdout.print(f"Memory of a process, about: {size(estimate.memory_bytes)} beside PyTorch itself")
        stdout.print(
            f"Time of a step of {estimate.texts:,} texts on this machine ({estimate.device}), about: "
            f"{estimate.step_s:.3g} s"
            + (
                ""
                if estimate.steps is None
                else f"; of all {estimate.steps:,}: {duration(estimate.steps * estimate.step_s)}"
            )
        )
        if estimate.unread:
            stdout.print(
                f"Beside that the frozen text encoder reads {estimate.unread:,} texts that it has not read "
                f"before, about: {duration(estimate.unread_s)}, once"
            )
    return 2 if found.problems else 0


def _print_result(result: TrainingResult, again: str, json: bool) -> None:
    if json:
        print_json(
            {
                "run": str(result.folder),
                "step": result.step,
                "steps": result.total,
                "figures": dict(result.figures),
                "best": None if result.best is None else {"score": result.best[0], "step": result.best[1]},
                "go_on_with": None if result.stopped_by is None else again,
            }
        )
        return
    if result.stopped_by is not None:
        stdout.print(
            f"Stopped after step {result.step:,} of {result.total:,}; everything is saved. Go on with:"
        )
        stdout.print(f"  {again}", markup=False, soft_wrap=True)
    else:
        why = "nothing got better any more" if result.gave_up else "done"
        stdout.print(f"{why.capitalize()} after step {result.step:,} of {result.total:,}.")
    if result.best is not None:
        stdout.print(f"Best: {result.best[0]:.3g} after step {result.best[1]:,}.")
    stdout.print(f"Run: {result.folder}", markup=False, soft_wrap=True)


def _follow(show: ProgressDisplay, recipe: Recipe) -> Callable[[Event], None]:
    from polyreel.training.events import Noted, Preparing, Started, Stepped, Validated

    steps = items = 0

    def follow(event: Event) -> None:
        nonlocal steps, items
        match event:
            case Preparing(what, done, total):
                show(what, done, total)
            case Started(step, steps, trained, frozen, items):
                show.say(
                    f"{trained:,} parameters are trained, {frozen:,} frozen; {steps - step:,} steps to go."
                )
                show("training", step, steps)
            case Stepped(report):
                rate = f"loss {report.loss:.3f}, {items / report.seconds:,.0f} items/s"
                show("training", report.step, steps, amount=f"{report.step:,}/{steps:,}, {rate}")
            case Validated():
                show.say(_validated(event, recipe))
            case Noted(text):
                show.say(text)
            case _:
                pass

    return follow


def _validated(event: Validated, recipe: Recipe) -> str:
    assert recipe.validation is not None
    metric = recipe.validation.metric
    by_language: dict[str, list[float]] = {}
    for name, figure in event.figures.items():
        *_, what, tag = name.split("/")
        if what == metric:
            by_language.setdefault(tag, []).append(figure)
    shown = " ".join(f"{tag} {sum(found) / len(found):.3g}" for tag, found in by_language.items())
    star = " (best)" if event.best[1] == event.step else ""
    return f"step {event.step:,}: {metric} {event.score:.3g}{star}: {shown}"
