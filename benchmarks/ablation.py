"""``python benchmarks/ablation.py [LIST] --data DIR``: what each part of a recipe is worth.

LIST (recipes/ablation.yaml) names a recipe, seeds, and arms: the recipe with something changed. Every arm is
trained with every seed and validated on the recipe's own validation sets. A run that is there already is not
trained again, so the command may be stopped and started. Shown are means over clips with 95% intervals over
seeds and clips, and the difference from the first arm. ``--workers`` runs go on side by side and share the
CPUs; what one has encoded of frozen texts, all read.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from pathlib import Path

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common import Report, options
from polyreel.errors import PolyreelError
from polyreel.metrics.significance import aggregate_seeds
from polyreel.training.assembly import validate_checkpoint
from polyreel.training.checkpoints import load_checkpoint
from polyreel.training.recipe import Recipe, read_training_recipe
from polyreel.training.run import train
from polyreel.training.validation import QueryValues

RECIPES = Path(__file__).parents[1] / "recipes"
METRICS = ("r@1", "r@10")
Values = Mapping[tuple[str, str], NDArray[np.float64]]
"""(corpus, metric) -> mean of each clip over its languages, (clips,)."""


class Arms(BaseModel):
    """Contents of LIST; ``recipe`` is relative to it, an arm is a list of what ``--set`` takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str
    seeds: tuple[int, ...] = Field(min_length=2)
    arms: Mapping[str, tuple[str, ...]] = Field(min_length=1)


def main() -> int:
    """Train what is not trained yet, and show all."""
    parser = options(__doc__)
    parser.add_argument("list", nargs="?", type=Path, default=RECIPES / "ablation.yaml", help="which arms")
    parser.add_argument("--data", type=Path, default=None, help="folder that corpora are relative to")
    parser.add_argument("--out", type=Path, default=Path("build/ablation"), help="folder of the runs")
    parser.add_argument("--workers", type=int, default=1, help="runs at a time; 1 unless said")
    arguments = parser.parse_args()
    report = Report("ablation", arguments, ("torch",))
    try:
        arms = read_arms(arguments.list)
        recipes = recipes_of(arms, arguments.list.parent, quick=arguments.quick)
        found = values_of_all(recipes, arguments.out / arguments.list.stem, arguments.data, arguments.workers)
    except PolyreelError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    report.note(
        f"{arms.recipe}, seeds {', '.join(map(str, arms.seeds))}. Figures in percent, with 95% intervals."
    )
    for corpus, metric in next(iter(found.values()))[0]:
        if metric in METRICS:
            show(
                report,
                corpus,
                metric,
                {name: [v[corpus, metric] for v in by_seed] for name, by_seed in found.items()},
            )
    return report.close()


def read_arms(path: Path) -> Arms:
    """The list; ends the command with a message if it is none."""
    try:
        return Arms.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise SystemExit(f"{path} cannot be read: {error}") from error


def recipes_of(arms: Arms, folder: Path, *, quick: bool) -> dict[str, list[Recipe]]:
    """Arm -> its recipe with each seed; a mistake in any arm is found before the first is trained."""
    short = [
        "optimiser.epochs=null",
        "optimiser.steps=4",
        "optimiser.warmup_steps=1",
        "validation.every_steps=2",
    ]
    return {
        name: [
            read_training_recipe(
                folder / arms.recipe,
                [*changes, *(short if quick else []), f"seed={seed}", f"run={run_name(name)}-{seed}"],
            )
            for seed in arms.seeds
        ]
        for name, changes in arms.arms.items()
    }


def run_name(arm: str) -> str:
    """The name of an arm in the letters that a run may have."""
    return re.sub(r"[^a-z0-9]+", "-", arm.lower()).strip("-")


def values_of_all(
    recipes: Mapping[str, Sequence[Recipe]], folder: Path, data: Path | None, workers: int
) -> dict[str, list[Values]]:
    """Arm -> what each of its seeds is worth; arms are trained in their order."""
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // workers))
    if workers == 1:
        return {
            name: [values_of(recipe, folder / recipe.run, data) for recipe in by_seed]
            for name, by_seed in recipes.items()
        }
    pool = ProcessPoolExecutor(
        workers,
        multiprocessing.get_context("spawn"),
        torch.set_num_threads,
        (torch.get_num_threads(),),
    )
    try:
        asked = {
            name: [(recipe, pool.submit(values_of, recipe, folder / recipe.run, data)) for recipe in by_seed]
            for name, by_seed in recipes.items()
        }
        wait(future for by_seed in asked.values() for _, future in by_seed)
    finally:
        pool.shutdown(cancel_futures=True)
    return {
        name: [value_of(future, recipe, folder, data) for recipe, future in by_seed]
        for name, by_seed in asked.items()
    }


def value_of(future: Future[Values], recipe: Recipe, folder: Path, data: Path | None) -> Values:
    """What the run found; one that failed goes on alone: another may have been making what it needs, too."""
    if isinstance(future.exception(), PolyreelError):
        return values_of(recipe, folder / recipe.run, data)
    return future.result()


def values_of(recipe: Recipe, folder: Path, data: Path | None) -> Values:
    """What the best checkpoint of a run is worth; the run is trained, or goes on, if it has not ended."""
    result = train(recipe, out=folder, data=data, resume="auto")
    best = f"{result.step:,} of {result.total:,}, best {result.best}"
    print(f"{recipe.run}: step {best}", file=sys.stderr, flush=True)
    if result.stopped_by is not None:
        raise SystemExit("stopped; the same command goes on")
    return by_clip(validate_checkpoint(load_checkpoint(folder, "best"), data=data))


def by_clip(found: Sequence[QueryValues]) -> Values:
    """A clip's value is the mean over its languages of the mean over its captions in each."""
    of_languages: dict[tuple[str, str], list[NDArray[np.float64]]] = defaultdict(list)
    clips = {values.corpus: 0 for values in found}
    for values in found:
        clips[values.corpus] = max(clips[values.corpus], int(values.places.max()) + 1)
    for values in found:
        size = clips[values.corpus]
        counts = np.bincount(values.places, minlength=size).astype(float)
        sums = np.bincount(values.places, values.values, minlength=size)
        with np.errstate(invalid="ignore"):
            of_languages[values.corpus, values.metric].append(np.where(counts > 0, sums / counts, np.nan))
    return {key: mean_of_languages(np.stack(rows)) for key, rows in of_languages.items()}


def mean_of_languages(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """(languages, clips) with gaps -> (clips,), without the clips that nobody asked for."""
    asked = ~np.isnan(rows).all(axis=0)
    return np.asarray(np.nanmean(rows[:, asked], axis=0))


def show(report: Report, corpus: str, metric: str, found: Mapping[str, list[NDArray[np.float64]]]) -> None:
    """One table."""
    first = np.stack(next(iter(found.values())))
    rows = []
    for name, by_seed in found.items():
        values = np.stack(by_seed)
        mean = aggregate_seeds(values)
        cells = [name, f"{mean.mean:.1f} [{mean.interval.low:.1f}, {mean.interval.high:.1f}]", ""]
        if rows:
            gain = aggregate_seeds(values - first)
            cells[2] = f"{gain.mean:+.1f} [{gain.interval.low:+.1f}, {gain.interval.high:+.1f}]"
        rows.append(cells)
    report.table(f"{corpus}, {first.shape[1]:,} clips: {metric}", ["arm", metric, "from the first"], rows)


if __name__ == "__main__":
    sys.exit(main())
