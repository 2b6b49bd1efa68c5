"""``polyreel study``: every arm with every seed, and what that says of the claims."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from polyreel.cli.formats import out_folder
from polyreel.cli.options import AskedPath, Json, require_torch
from polyreel.cli.output import print_json, show_progress, stdout
from polyreel.errors import UsageError
from polyreel.progress import ProgressDisplay
from polyreel.units import count, duration

if TYPE_CHECKING:
    from polyreel.study.recipe import StudyRecipe
    from polyreel.study.reporting import StudyReport
    from polyreel.study.running import GridPlanned, StudyEvent
    from polyreel.study.study import StudyCheck, StudyOutcome

__all__ = ["study"]


def study(
    recipe: AskedPath,
    /,
    *,
    out: AskedPath,
    data: AskedPath | None = None,
    workers: int = 1,
    register: AskedPath | None = None,
    claims: AskedPath | None = None,
    check: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Train and measure all arms of a study, and answer the questions of its register.

    What is there already is not done again: a study that was stopped or killed goes on, and ends with the
    same tables.

    Example: polyreel study studies/mmp/smoke.yaml --out build/study --data ../shared/data --workers 2

    Args:
        recipe: The study, a YAML file; or a CSV file of ranks that you measured, which is only judged.
        out: Folder of the results.
        data: Folder that corpora and benchmarks are relative to.
        workers: Cells that are run side by side, each on one core.
        register: Questions and rules that a CSV file is judged by; a study names its own.
        claims: Ledger of claims for a CSV file; a study names its own.
        check: Only say what is wrong with the study, what is not there, and what it would cost.
    """
    out_folder(out)
    if recipe.suffix.lower() == ".csv":
        for option, is_given in (
            ("--check", check),
            ("--data", data is not None),
            ("--workers", workers != 1),
        ):
            if is_given:
                raise UsageError(
                    f"{option} is for a study that is run; ranks that you measured are only judged",
                    item=recipe,
                    remedy="Leave it out",
                )
        return _judge_table(recipe, register, claims, out=out, json=json)
    if register is not None or claims is not None:
        raise UsageError(
            "a study names its register and its claims itself",
            item="--register" if register is not None else "--claims",
            remedy="Leave it out, or give a CSV file of ranks",
        )
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
    report = None if outcome.missing else _report(wanted, out, command)
    _print_outcome(outcome, report, command, json)
    return 1 if outcome.missing else 0  # as after Ctrl-C


def _report(recipe: StudyRecipe, out: Path, command: str) -> StudyReport | None:
    """Of a study that has a register."""
    from polyreel.study.recipe_facts import facts_of
    from polyreel.study.register import read_register
    from polyreel.study.reporting import write_report
    from polyreel.study.results import read_cells
    from polyreel.study.running import CELLS_FILE

    cells = read_cells(out / CELLS_FILE)
    if not recipe.register_file or cells is None:
        return None
    register = Path(recipe.register_file)
    return write_report(
        cells,
        register=register,
        claims=Path(recipe.claims_file) if recipe.claims_file else None,
        out=out,
        command=command,
        facts=facts_of(recipe, read_register(register)),
    )


def _judge_table(table: Path, register: Path | None, claims: Path | None, *, out: Path, json: bool) -> int:
    from polyreel.study.own_results import read_rank_table
    from polyreel.study.reporting import write_report

    if register is None:
        raise UsageError(
            "ranks are judged by a register",
            item=table,
            remedy="Give --register with a file like studies/example/register.yaml",
        )
    words = ["polyreel", "study", str(table), "--register", str(register), "--out", str(out)]
    command = shlex.join([*words, *(["--claims", str(claims)] if claims else [])])
    report = write_report(read_rank_table(table), register=register, claims=claims, out=out, command=command)
    if json:
        print_json({"out": str(out), **_answers(report)})
    else:
        _print_report(report)
    return 0


def _answers(report: StudyReport) -> dict[str, object]:
    return {
        "answers": [answer.model_dump(mode="json") for answer in report.findings.answers],
        "claims": [claim.model_dump(mode="json") for claim in report.claims],
        "shortened": report.findings.shortened,
    }


def _print_report(report: StudyReport) -> None:
    if report.findings.shortened:
        stdout.print(f"shortened: {'; '.join(report.findings.shortened)}", markup=False, soft_wrap=True)
    for answer in report.findings.answers:
        stdout.print(f"{answer.name}  {answer.verdict}: {answer.asks}", markup=False, soft_wrap=True)
        stdout.print(f"    {answer.because}", markup=False, soft_wrap=True)
    for path in report.files:
        stdout.print(str(path), markup=False, soft_wrap=True)


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


def _print_outcome(outcome: StudyOutcome, report: StudyReport | None, command: str, json: bool) -> None:
    if json:
        print_json(
            {
                "out": str(outcome.folder),
                "cells": outcome.cells,
                "missing": outcome.missing,
                "by_setting": [
                    {"encoder": encoder, "setting": setting, "cells": number, "of": total}
                    for (encoder, setting), (number, total) in outcome.by_setting.items()
                ],
                "nothing_to_do": outcome.was_there,
                "register_sha256": outcome.register_sha256,
                "registered": outcome.registered,
                **({} if report is None else _answers(report)),
            }
        )
        return
    if outcome.register_sha256 and outcome.missing < outcome.cells:
        stdout.print(
            f"{'registered' if outcome.registered else 'not registered'}: {outcome.register_sha256}",
            markup=False,
        )
    if outcome.missing:
        there = outcome.cells - outcome.missing
        stdout.print(f"Stopped: {there:,} of {outcome.cells:,} cells are there.")
        for (encoder, setting), (number, total) in outcome.by_setting.items():
            stdout.print(f"  {encoder} on {setting}: {number:,} of {total:,}", markup=False, soft_wrap=True)
        stdout.print("No question is judged before all of them are. Go on with:")
        stdout.print(command, markup=False, soft_wrap=True)
        return
    if outcome.was_there:
        stdout.print("Nothing to do: all cells are there.")
    for name in ("cells.jsonl.gz", "tuning.json"):
        if (outcome.folder / name).is_file():
            stdout.print(str(outcome.folder / name), markup=False, soft_wrap=True)
    if report is not None:
        _print_report(report)


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
