"""``polyreel train --check``: everything that is wrong with a recipe at once, and what a run of it would
take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polyreel.datasets.dataset_catalog import DatasetCatalog
from polyreel.errors import PolyreelError
from polyreel.models.encoders import waits_for_the_hub
from polyreel.recipes import recipe_error
from polyreel.training.estimating import RunEstimate, estimate_run, sources_there
from polyreel.training.problems import problems_of
from polyreel.training.recipe import Recipe, examine_training_recipe

__all__ = ["Check", "check", "require_recipe"]


@dataclass(frozen=True, slots=True)
class Check:
    """What ``check`` found.

    Attributes:
        problems: every mistake, a line each; none if the recipe can be run.
        notes: what a run would do first.
        estimate: None where the model cannot be built, or the recipe does not say in full what it is.
    """

    problems: tuple[str, ...]
    notes: tuple[str, ...]
    estimate: RunEstimate | None


def check(path: Path, overrides: Sequence[str] = (), *, data: Path | None = None) -> Check:
    """Examine a recipe. Data is neither fetched nor built; the model is, and computes short steps on made-up
    input.

    Args:
        path, overrides: as in ``read_training_recipe``.
        data: folder that corpora and lexicons are relative to.

    Raises:
        RecipeError: there is no YAML mapping to examine.
    """
    reading = examine_training_recipe(path, overrides)
    if reading.recipe is None:
        return Check(reading.problems, (), None)
    recipe, catalog = reading.recipe, DatasetCatalog(data, reading.recipe.folders)
    found, notes = problems_of(recipe, catalog), _notes(recipe, catalog)
    estimate = None
    if waits_for_the_hub(recipe.model.text):
        notes.append(
            f"{recipe.model.text.encoder} is not on this machine yet: the run fetches it first. "
            "Without it the model cannot be measured"
        )
    else:
        try:
            estimate = estimate_run(recipe, catalog)
        except PolyreelError as error:
            found.append(("model", str(error)))
    if reading.problems and estimate is not None:
        # What is wrong was left out, so what was built is not what is meant.
        estimate = None
        notes.append("Figures come once the mistakes are mended: until then they would be of another model")
    problems = dict.fromkeys([*reading.problems, *(reading.problem_at(place, what) for place, what in found)])
    return Check(tuple(problems), tuple(notes), estimate)


def require_recipe(path: Path, overrides: Sequence[str] = (), *, data: Path | None = None) -> Recipe:
    """The recipe, for ``train``, which looks at its data itself.

    Args:
        path, overrides, data: as ``check`` has them.

    Raises:
        RecipeError: with all mistakes, those about data among them.
    """
    reading = examine_training_recipe(path, overrides)
    if reading.recipe is not None and not reading.problems:
        return reading.recipe
    recipe = reading.recipe
    found = [] if recipe is None else problems_of(recipe, DatasetCatalog(data, recipe.folders))
    problems = dict.fromkeys([*reading.problems, *(reading.problem_at(place, what) for place, what in found)])
    raise recipe_error(path, tuple(problems))


def _notes(recipe: Recipe, catalog: DatasetCatalog) -> list[str]:
    notes = []
    names = [data.corpus for data in recipe.data]
    names += [table.corpus for table in recipe.validation.tables] if recipe.validation else []
    for name in dict.fromkeys(names):
        try:
            if catalog.where(name) is None:
                notes.append(
                    f"{name} is not built yet: the run builds it first, with features of its pictures"
                )
        except PolyreelError:
            continue
    return notes + [str(found) for _, found in sources_there(recipe, catalog) if len(found.rows)]
