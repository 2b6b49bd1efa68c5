"""``polyreel study``: every arm with every seed, and what that says of the claims."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from polyreel.cli.options import Json, require_torch
from polyreel.cli.output import print_json, show_progress, stdout
from polyreel.progress import ProgressDisplay
from polyreel.units import count, duration

if TYPE_CHECKING:
    from polyreel.study.running import GridPlanned, StudyEvent
    from polyreel.study.study import StudyCheck, StudyOutcome

__all__ = ["study"]


def study(
    recipe: Path,
    /,
    *,
    out: Path,
    data: Path | None = None,
    workers: int = 1,
    check: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Train and measure all arms of a study, and write the rank of every query.

    What is there already is not done again: a study that was stopped or killed goes on, and ends with the
    same tables.

    Example: polyreel study studies/mmp/smoke.yaml --out build/study --data ../shared/data --workers 2

    Args:
        recipe: The study, a YAML file.
        out: Folder of the results.
        data: Folder that corpora and benchmarks are relative to.
        workers: Cells that are run side by side, each on one core.
        check: Only say what is wrong with the study, what is not there, and what it would cost.
    """
    require_torch()
    from polyreel.study.recipe import read_study
    from polyreel.study.study import check_study, run_study
    from polyreel.training.stopping import StopRequest

    wanted = read_study(recipe)
    if check:
        return _print_check(check_study(wanted, data=data), recipe, json)
    words = ["polyreel", "study", str(recipe), "--out", str(out)]
    words += ["--data", str(data)] if data else []
    command = shlex.join([*words, *(["--workers", str(workers)] if workers != 1 else [])])
    with StopRequest() as stop, show_progress(log_every_s=30) as show:
        outcome = run_study(
            wanted,
            out=out,
            data=data,
            workers=workers,
            is_stopped=lambda: stop.signal is not None,
            on_progress=_follow(show),
        )
    _print_outcome(outcome, command, json)
    return 1 if outcome.missing else 0  # as after Ctrl-C


def _print_check(found: StudyCheck, recipe: Path, json: bool) -> int:
    if json:
        from dataclasses import asdict

        print_json({"recipe": str(recipe), **asdict(found)})
        return 2 if found.problems else 0
    for problem in found.problems:
        stdout.print(f"  {problem}", style="yellow", markup=False, soft_wrap=True)
    mistakes = count(len(found.problems), "mistake")
    cells, tuning = count(found.cells, "cell"), count(found.tuning_runs, "tuning run")
    stdout.print(f"{recipe}: {mistakes}; {cells} and {tuning}", markup=False, soft_wrap=True)
    if found.hours:
        stdout.print(
            f"It would cost about {found.hours:,.1f} hours of one {found.device} ({found.measured})",
            markup=False,
            soft_wrap=True,
        )
    for line in found.absent:
        stdout.print(line, markup=False, soft_wrap=True)
    return 2 if found.problems else 0


def _print_outcome(outcome: StudyOutcome, command: str, json: bool) -> None:
    if json:
        print_json(
            {
                "out": str(outcome.folder),
                "cells": outcome.cells,
                "missing": outcome.missing,
                "nothing_to_do": outcome.was_there,
                "register_sha256": outcome.register_sha256,
                "registered": outcome.registered,
            }
        )
        return
    if outcome.register_sha256:
        stdout.print(
            f"{'registered' if outcome.registered else 'not registered'}: {outcome.register_sha256}",
            markup=False,
        )
    if outcome.missing:
        stdout.print(f"Stopped: {outcome.missing:,} of {outcome.cells:,} cells are missing. Go on with:")
        stdout.print(command, markup=False, soft_wrap=True)
        return
    if outcome.was_there:
        stdout.print("Nothing to do: all cells are there.")
    for name in ("cells.jsonl.gz", "tuning.json"):
        if (outcome.folder / name).is_file():
            stdout.print(str(outcome.folder / name), markup=False, soft_wrap=True)


def _follow(show: ProgressDisplay) -> Callable[[StudyEvent], None]:
    from polyreel.study.running import GridPlanned, GridProgressed

    def follow(event: StudyEvent) -> None:
        match event:
            case GridPlanned():
                show.say(_plan(event))
            case GridProgressed(what, done, total, unit):
                amount = f"{done:,} of {total:,} {unit}".strip() if total else None
                show(what if not unit else f"{unit}, last {what}", done, total or None, amount=amount)

    return follow


def _plan(event: GridPlanned) -> str:
    left = f"{event.missing:,} of {count(event.cells, 'cell')} to run"
    tuning = f"{count(event.tuning, 'tuning run')} first, " if event.tuning else ""
    if not event.cpu_s:
        return f"{tuning}{left}"
    wall = duration(event.cpu_s / max(1, event.workers))
    return f"{tuning}{left}, about {wall} with {count(event.workers, 'worker')}"
