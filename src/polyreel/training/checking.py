"""``polyreel train --check``: everything that is wrong with a recipe at once, and what a run of it would
take.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from polyreel.datasets.dataset_catalog import DatasetCatalog
from polyreel.errors import PolyreelError
from polyreel.languages import parts_in
from polyreel.recipes import recipe_error
from polyreel.training.assembly import build_engine, device_of
from polyreel.training.batches import Batch
from polyreel.training.distributed import Group
from polyreel.training.engine import Engine
from polyreel.training.problems import problems_of
from polyreel.training.recipe import DataSpec, Recipe, examine_training_recipe
from polyreel.training.sampling import Position
from polyreel.training.step import train_step
from polyreel.training.training_set import SharedSources, shared_sources

__all__ = ["Check", "RunEstimate", "check", "require_recipe"]

# What is measured: so many items at first and then, within so many seconds, of texts with so many words.
_FEWEST_ITEMS, _MOST_ITEMS = 2, 8
_PROBE_S = 4.0
_WORDS = 12
_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """What a run takes on this machine, from a few steps of a small batch.

    Attributes:
        trained, frozen: numbers in parameters.
        steps: of the run; None where it is given in epochs and the data is not there yet.
        texts: in a batch, at most.
        memory_bytes: of each process, beside what Python and PyTorch take: weights, gradients, moments,
            averages, and what the largest chunk keeps for its backward pass.
        step_s: seconds of a step, if all processes are as fast as this one.
        device: measured on.
    """

    trained: int
    frozen: int
    steps: int | None
    texts: int
    memory_bytes: int
    step_s: float
    device: str


@dataclass(frozen=True, slots=True)
class Check:
    """What ``check`` found.

    Attributes:
        problems: every mistake, a line each; none if the recipe can be run.
        notes: what a run would do first.
        estimate: None where the model cannot be built.
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
    found = problems_of(recipe, catalog)
    estimate = None
    try:
        estimate = _estimate(recipe, catalog)
    except PolyreelError as error:
        found.append(("model", str(error)))
    problems = dict.fromkeys([*reading.problems, *(reading.problem_at(place, what) for place, what in found)])
    return Check(tuple(problems), tuple(_notes(recipe, catalog)), estimate)


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
    return notes + [str(found) for _, found in _left_out(recipe, catalog) if len(found.rows)]


def _left_out(recipe: Recipe, catalog: DatasetCatalog) -> Iterator[tuple[DataSpec, SharedSources]]:
    """What each corpus that is there as a table has to train on."""
    for data in recipe.data:
        try:
            if catalog.where(data.corpus) is not None:
                yield data, shared_sources(catalog.table(data.corpus), data.split, data.without_sources_of)
        except PolyreelError:
            continue


def _estimate(recipe: Recipe, catalog: DatasetCatalog) -> RunEstimate:
    device = (
        torch.device("cpu")
        if recipe.device == "cuda" and not torch.cuda.is_available()
        else device_of(recipe)
    )
    probe = recipe.model_copy(update={"batch": recipe.batch.model_copy(update={"micro_batch": None})})
    # The probe needs no language-free space that is true, so it is not estimated from data.
    engine = build_engine(probe, [], total_steps=6, device=device, group=Group())
    texts_each = _texts_each(recipe)
    if engine.model.text.free is not None and not engine.model.text.free.known:
        engine.model.text.free.known.fill_(True)
    engine.memo = None if engine.memo is None else _NoMemo(engine)  # type: ignore[assignment]
    began = time.perf_counter()
    kept = _kept_bytes(engine, _made_up(recipe, _FEWEST_ITEMS, texts_each))
    own = recipe.batch.batch_size / recipe.processes
    micro_batch = recipe.batch.micro_batch
    in_chunks = micro_batch is not None and micro_batch < own * texts_each
    # A micro-batch is so many texts or so many clips; the texts weigh more.
    at_once = (micro_batch or 0) / texts_each if in_chunks else own
    parameters = [*engine.model.parameters(), *engine.objectives.parameters()]
    trained = sum(p.numel() for p in engine.named.values())
    everything = sum(p.numel() for p in parameters)
    copies = 3 + (recipe.optimiser.ema is not None)
    return RunEstimate(
        trained=trained,
        frozen=everything - trained,
        steps=recipe.optimiser.steps or _steps_of_epochs(recipe, catalog),
        texts=recipe.batch.batch_size * texts_each,
        memory_bytes=int(_FLOAT_BYTES * (everything + copies * trained) + kept / _FEWEST_ITEMS * at_once),
        # Chunks are computed a second time: one more forward pass to a backward pass of two.
        step_s=_step_seconds(engine, recipe, texts_each, own, began + _PROBE_S) * (4 / 3 if in_chunks else 1),
        device=device.type,
    )


def _step_seconds(engine: Engine, recipe: Recipe, texts_each: int, own: float, until: float) -> float:
    """Seconds of a step of ``own`` items, drawn from the steps of two sizes of batch.

    One step is always measured, and more until the clock of ``time.perf_counter`` shows ``until``. A step
    has a part that does not grow with its batch, such as the optimiser's.
    """
    most = max(_FEWEST_ITEMS, min(_MOST_ITEMS, recipe.batch.batch_size))
    fastest: dict[int, float] = {}
    for step, items in enumerate([_FEWEST_ITEMS, _FEWEST_ITEMS, most, most, most], start=1):
        left = until - time.perf_counter()
        if fastest and fastest[_FEWEST_ITEMS] * items / _FEWEST_ITEMS > left:
            break
        seconds = train_step(engine, _made_up(recipe, items, texts_each), step).seconds
        fastest[items] = min(seconds, fastest.get(items, seconds))
    few = fastest[_FEWEST_ITEMS]
    if most == _FEWEST_ITEMS or most not in fastest:
        return few / _FEWEST_ITEMS * own
    # Never steeper than all of a step growing with its batch, nor flat.
    each = (fastest[most] - few) / (most - _FEWEST_ITEMS)
    each = min(max(each, 0.1 * fastest[most] / most), fastest[most] / most)
    return max(fastest[most] + each * (own - most), each * own)


class _NoMemo:
    """Stands in for what a frozen encoder made before: a run has it for most texts."""

    def __init__(self, engine: Engine) -> None:
        self._width = engine.model.text.width

    def of(self, texts: Sequence[str]) -> object:
        rows = torch.randn(len(texts), self._width, generator=torch.Generator().manual_seed(0))
        return nn.functional.normalize(rows, dim=1).numpy()


def _texts_each(recipe: Recipe) -> int:
    texts = len(recipe.languages) if recipe.batch.captions == "all" else recipe.batch.captions
    switching = recipe.code_switching
    return texts if switching is None else texts + switching.copies - (switching.place == "instead")


def _made_up(recipe: Recipe, items: int, texts_each: int) -> Batch:
    """A batch with the sizes of a real one."""
    generator = torch.Generator().manual_seed(0)
    video = recipe.model.video
    texts = tuple(" ".join(["video"] * _WORDS) + f" {number}" for number in range(items * texts_each))
    shape = (items, recipe.batch.frames, 0 if video is None else video.features)
    return Batch(
        items=tuple(f"item {number}" for number in range(items)),
        concept=torch.arange(items),
        frames=None if video is None else torch.randn(shape, generator=generator),
        frame_mask=None if video is None else torch.ones(shape[:2], dtype=torch.bool),
        has_video=torch.full((items,), video is not None),
        texts=texts,
        parts=parts_in(texts, recipe.languages[0]),
        owner=torch.arange(items).repeat_interleave(texts_each),
        language=torch.arange(texts_each).remainder(len(recipe.text_languages)).repeat(items),
        item_key=torch.arange(items),
        text_key=torch.arange(len(texts)),
        first=0,
        position=Position.start(1),
    )


def _kept_bytes(engine: Engine, batch: Batch) -> int:
    """What a step keeps for its backward pass, beside the weights."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        train_step(engine, batch, 0)
    for tensor in engine.model.state_dict().values():
        kept.pop(tensor.untyped_storage().data_ptr(), None)
    return sum(kept.values())


def _steps_of_epochs(recipe: Recipe, catalog: DatasetCatalog) -> int | None:
    there = list(_left_out(recipe, catalog))
    if len(there) < len(recipe.data):
        return None
    items = sum(data.weight * found.remaining * (1 - (data.held_out or 0)) for data, found in there)
    return max(1, round((recipe.optimiser.epochs or 0) * items / recipe.batch.batch_size))
