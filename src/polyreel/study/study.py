"""A study from its recipe to its report."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from polyreel.codeswitch.lexicons import load_lexicons
from polyreel.codeswitch.switching import CodeSwitcher, SwitchRule
from polyreel.errors import UnknownNameError, UsageError
from polyreel.files import write_atomically
from polyreel.models.specs import E5_SMALL, SCRATCH
from polyreel.progress import ignore_progress
from polyreel.recipes import Problem
from polyreel.study.arms import cells_of, contrasts_of
from polyreel.study.ledger import Claim, judge_claims
from polyreel.study.presenting import markdown_page, render_study
from polyreel.study.recipe import StudyRecipe
from polyreel.study.running import Grid, OnStudyEvent, prepare_grid, run_grid, training_problems
from polyreel.study.study_data import StudyData
from polyreel.study.summary import StudyResults, summarise

__all__ = ["StudyCheck", "StudyOutcome", "check_study", "run_study"]

_RESULTS, _CLAIMS, _REPORT, _PAGE, _FIGURES = (
    "results.json",
    "claims.json",
    "report.html",
    "index.md",
    "figures",
)
_CLAIM_LIST = TypeAdapter(tuple[Claim, ...])
_SAMPLE = 1000
# OWNER/NAME; the oldest models have no owner and begin with their family.
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w.-]+|(?:(?:distil)?(?:bert|roberta)|xlm|albert|camembert)-[\w.-]+")


@dataclass(frozen=True, slots=True)
class StudyCheck:
    """What ``check_study`` found.

    Attributes:
        cells: of the grid.
        problems: mistakes in the arms' training recipes, and names that mean nothing: of encoders, datasets,
            their splits and features.
        absent: data that are not there.
    """

    cells: int
    problems: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StudyOutcome:
    """How a study ended.

    Attributes:
        folder: of the results.
        cells: of the grid.
        missing: that are not there because the study was asked to stop; 0 for a finished one.
        was_there: whether there was nothing to do.
        claims: the ledger; empty where cells are missing.
    """

    folder: Path
    cells: int
    missing: int
    was_there: bool
    claims: tuple[Claim, ...]


def check_study(recipe: StudyRecipe, *, data: Path | None) -> StudyCheck:
    """Examine a study. Nothing is fetched, built or trained for it.

    Args:
        recipe: of the study.
        data: folder that corpora, lexicons and benchmarks are relative to.
    """
    study_data = StudyData(recipe, data, on_progress=ignore_progress)
    names = [*_unknown_encoders(recipe), *study_data.unknown_names()]
    problems = [*training_problems(recipe), *(f"{place}: {what}" for place, what in names)]
    return StudyCheck(len(cells_of(recipe)), tuple(problems), tuple(study_data.absent()))


def _unknown_encoders(recipe: StudyRecipe) -> Iterator[Problem]:
    """Encoders that are neither our own, nor a folder, nor have the form of a name on the hub."""
    for name, tower in recipe.encoders.items():
        encoder = str(tower.get("encoder", E5_SMALL))
        if encoder in (E5_SMALL, SCRATCH) or _HUB_NAME.fullmatch(encoder):
            continue
        if not Path(encoder).expanduser().is_dir():
            known = str(UnknownNameError("text encoder", encoder, (E5_SMALL, SCRATCH)))
            yield f"encoders.{name}.encoder", f"{known} It is neither a folder nor OWNER/NAME on the hub"


def run_study(
    recipe: StudyRecipe, *, out: Path, data: Path | None = None, command: str = "", on_progress: OnStudyEvent
) -> StudyOutcome:
    """Run what is missing of a study and write its results, claims and pages.

    A study that is stopped or killed goes on where it was, and ends with the very same tables. Where only
    claims or wording were changed, the pages are made again from the figures that are there.

    Args:
        recipe: of the study.
        out: folder of the results.
        data: folder that corpora, lexicons and benchmarks are relative to.
        command: that does this, for the pages.
        on_progress: Called with every event.

    Raises:
        RecipeError: arms cannot be trained; lists everything.
        UsageError: another process runs the study, ``out`` cannot be written, or packages are missing.
        PolyreelError: data is not there, or training fails.
    """
    grid = prepare_grid(recipe, out=out, data=data, on_progress=on_progress)
    results = _results_there(grid)
    try:
        if results is not None:
            claims = judge_claims(recipe.claims, results)
            if _pages_are_there(out, results, claims):
                return StudyOutcome(out, len(grid.tasks), 0, True, claims)
            results = results.model_copy(update={"command": command})
        else:
            cells = run_grid(grid, on_progress=on_progress)
            if cells is None:
                missing = sum(task.result is None for task in grid.tasks)
                return StudyOutcome(out, len(grid.tasks), missing, False, ())
            results = summarise(
                recipe,
                cells,
                coverage=_coverage(grid),
                command=command,
                digest=grid.digest,
                made_with=_versions(),
            )
        claims = judge_claims(recipe.claims, results)
        _write(out, results, claims)
    except OSError as error:
        raise UsageError(
            "the results cannot be written",
            item=out,
            value=error.strerror,
            remedy="Free some space, then give the same command again",
        ) from error
    return StudyOutcome(out, len(grid.tasks), 0, False, claims)


def _results_there(grid: Grid) -> StudyResults | None:
    """The figures in the folder, if they are of these very cells and contrasts."""
    try:
        found = StudyResults.model_validate_json((grid.out / _RESULTS).read_bytes())
    except (OSError, ValidationError):
        return None
    recipe = grid.recipe
    pairs = {(name, *pair) for name in recipe.encoders for pair in contrasts_of(recipe, name)}
    if found.digest != grid.digest or {(c.encoder, c.one, c.other) for c in found.contrasts} != pairs:
        return None
    return found.model_copy(update={"recipe": recipe})


def _pages_are_there(out: Path, results: StudyResults, claims: tuple[Claim, ...]) -> bool:
    """Whether the folder holds what this study would write."""
    try:
        ledger = _CLAIM_LIST.validate_json((out / _CLAIMS).read_bytes())
        page = (out / _PAGE).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return (out / _REPORT).is_file() and ledger == claims and page == markdown_page(results, claims)


def _coverage(grid: Grid) -> Mapping[str, float]:
    """Language -> share of the words of English captions that its lexicon translates."""
    spec = grid.recipe.training.get("code_switching")
    if not spec:
        return {}
    lexicons = load_lexicons(
        (grid.data or Path()) / spec.get("lexicons", "lexicons"), spec.get("languages", grid.recipe.others)
    )
    coverage = CodeSwitcher(lexicons, SwitchRule(mode="bilingual")).coverage(
        grid.study_data.english(most=_SAMPLE)
    )
    return {tag: round(share, 4) for tag, share in coverage.items()}


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {
        name: version(name) for name in ("polyreel", "numpy", "torch")
    }


def _write(out: Path, results: StudyResults, claims: tuple[Claim, ...]) -> None:
    """All files; ``results.json`` comes last, since with it the study counts as finished."""
    page = render_study(results, claims)
    (out / _FIGURES).mkdir(parents=True, exist_ok=True)
    for name, data in page.figures.items():
        _put(out / _FIGURES / f"{name}.json", json.dumps(data, ensure_ascii=False, indent=1))
    _put(out / ".gitignore", "cells/\nruns/\n.lock")
    _put(out / _REPORT, page.html.rstrip("\n"))
    _put(out / _PAGE, markdown_page(results, claims).rstrip("\n"))
    _put(out / _CLAIMS, _CLAIM_LIST.dump_json(claims, indent=1).decode())
    _put(out / _RESULTS, results.model_dump_json())


def _put(path: Path, text: str) -> None:
    write_atomically(path, (text + "\n").encode())
