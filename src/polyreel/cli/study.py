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
    from polyreel.study.ledger import Claim
    from polyreel.study.running import StudyEvent
    from polyreel.study.study import StudyCheck, StudyOutcome

__all__ = ["study"]


def study(
    recipe: Path,
    /,
    *,
    out: Path,
    data: Path | None = None,
    check: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Train and measure all arms of a study, and write its report, its results and the ledger of claims.

    What is there already is not done again: a study that was stopped or killed goes on, and ends with the
    same tables.

    Example: polyreel study studies/mmp/smoke.yaml --out build/study --data ../shared/data

    Args:
        recipe: The study, a YAML file.
        out: Folder of the results.
        data: Folder that corpora and benchmarks are relative to.
        check: Only say what is wrong with the study, what is not there, and how large it is.
    """
    require_torch()
    from polyreel.study.recipe import read_study
    from polyreel.study.study import check_study, run_study

    wanted = read_study(recipe)
    if check:
        return _print_check(check_study(wanted, data=data), recipe, json)
    command = shlex.join(
        ["polyreel", "study", str(recipe), "--out", str(out), *(["--data", str(data)] if data else [])]
    )
    with show_progress(log_every_s=0) as show:  # a line for each cell
        outcome = run_study(wanted, out=out, data=data, command=command, on_progress=_follow(show))
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
    stdout.print(f"{recipe}: {mistakes}; {count(found.cells, 'cell')}", markup=False, soft_wrap=True)
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
                "claims": [claim.model_dump(mode="json") for claim in outcome.claims],
            }
        )
        return
    if outcome.missing:
        stdout.print(f"Stopped: {outcome.missing:,} of {outcome.cells:,} cells are missing. Go on with:")
        stdout.print(command, markup=False, soft_wrap=True)
        return
    if outcome.was_there:
        stdout.print("Nothing to do: all cells and the report are there.")
    for claim in outcome.claims:
        stdout.print(_line(claim), markup=False, soft_wrap=True)
    for name in ("report.html", "results.json", "claims.json", "index.md"):
        stdout.print(str(outcome.folder / name), markup=False, soft_wrap=True)


def _line(claim: Claim) -> str:
    figure = next((found for found in claim.measured if found.decides), None)
    shown = "" if figure is None else f" {figure.value:+.2f} [{figure.low:+.2f}, {figure.high:+.2f}]"
    return f"{claim.number:>2}  {claim.verdict}{shown}: {claim.sentence}"


def _follow(show: ProgressDisplay) -> Callable[[StudyEvent], None]:
    from polyreel.study.running import GridPlanned, GridProgressed

    def follow(event: StudyEvent) -> None:
        match event:
            case GridPlanned(cells, missing, seconds):
                show.say(_plan(cells, missing, seconds))
            case GridProgressed(done, cells, what):
                show(what, done, cells, amount=f"{int(done):,} of {cells:,} cells")

    return follow


def _plan(cells: int, missing: int, seconds: float) -> str:
    return (
        f"{missing:,} of {cells:,} cells to run, about {duration(seconds)}, "
        "and time to encode texts that a frozen encoder has not seen yet"
    )
