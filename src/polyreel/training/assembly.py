"""A recipe -> the parts of a run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from polyreel.codeswitch.switching import CodeSwitcher, SwitchRule
from polyreel.datasets.dataset_catalog import DatasetCatalog
from polyreel.encoders.registry import bundle_with_features
from polyreel.errors import TrainingError
from polyreel.languages import Parts, parts_in
from polyreel.losses.objectives import build_objectives
from polyreel.models.towers import TwoTowers, build_model
from polyreel.packages.members import cache_dir
from polyreel.training.batches import Batches, Switching
from polyreel.training.checkpoints import Checkpoint, load_checkpoint
from polyreel.training.distributed import Group
from polyreel.training.engine import Engine
from polyreel.training.keywords import Keywords
from polyreel.training.neighbours import Neighbours
from polyreel.training.randomness import seed_everything
from polyreel.training.recipe import HELD_OUT, CodeSwitchingSpec, DataSpec, Recipe, ValidationTable
from polyreel.training.sampling import Position
from polyreel.training.stable_random import stable_hash
from polyreel.training.text_memo import TextMemo
from polyreel.training.training_set import TrainingSet
from polyreel.training.validation import QueryValues, ValidationSet, Validator

__all__ = [
    "build_batches",
    "build_engine",
    "build_validator",
    "device_of",
    "open_training_sets",
    "step_count",
    "validate_checkpoint",
]

_SAMPLE_TEXTS = 400


def device_of(recipe: Recipe) -> torch.device:
    """Where a run computes.

    Raises:
        TrainingError: the recipe asks for a GPU and there is none.
    """
    there = torch.cuda.is_available()
    if recipe.device == "cuda" and not there:
        raise TrainingError(
            "there is no GPU that PyTorch can use",
            item="device: cuda",
            remedy="Set device=auto or device=cpu",
        )
    return torch.device("cuda" if there and recipe.device != "cpu" else "cpu")


def open_training_sets(recipe: Recipe, catalog: DatasetCatalog) -> list[TrainingSet]:
    """The corpora to train on, built where they are missing."""
    return [_training_set(recipe, data, catalog) for data in recipe.data]


def _training_set(recipe: Recipe, data: DataSpec, catalog: DatasetCatalog) -> TrainingSet:
    features = _features(recipe, data, catalog)
    return TrainingSet(
        catalog.table(data.corpus),
        data.split,
        languages=data.languages or recipe.languages,
        captions_per_language=data.captions_per_language,
        features=features,
        weight=data.weight,
        held_out=data.held_out,
        without_sources_of=data.without_sources_of,
    )


def _features(recipe: Recipe, spec: DataSpec | ValidationTable, catalog: DatasetCatalog) -> tuple[str, ...]:
    """The kinds of features that the video tower reads; none for a model without one."""
    video = recipe.model.video
    if video is None:
        return ()
    table = catalog.table(spec.corpus)
    if spec.features or table.manifest.without_media == len(table):
        return catalog.features(spec.corpus, spec.features)
    return catalog.features(spec.corpus, (), bundle=bundle_with_features(video.features))


def step_count(recipe: Recipe, training_sets: Sequence[TrainingSet]) -> int:
    """Steps of the whole run."""
    spec = recipe.optimiser
    if spec.steps is not None:
        return spec.steps
    assert spec.epochs is not None
    items = sum(training_set.weight * training_set.size for training_set in training_sets)
    return max(1, math.ceil(spec.epochs * items / recipe.batch.batch_size))


def build_validator(recipe: Recipe, catalog: DatasetCatalog) -> Validator | None:
    """What judges the run; None for a recipe without validation."""
    if recipe.validation is None:
        return None
    languages = recipe.validation.languages or recipe.languages
    shown = []
    for spec in recipe.validation.tables:
        features = _features(recipe, spec, catalog)
        table = catalog.table(spec.corpus)
        if spec.split == HELD_OUT:
            share = next(
                d.held_out for d in recipe.data if d.corpus == spec.corpus and d.held_out is not None
            )
            found = ValidationSet.held_out(table, share, items=spec.items)
        else:
            found = ValidationSet.of_split(table, spec.split, items=spec.items)
        split = table.split(found.rows[0])
        shown.append((found, TrainingSet(table, split, languages=languages, features=features)))
    return Validator(shown, languages=languages, metric=recipe.validation.metric)


def build_engine(
    recipe: Recipe,
    training_sets: Sequence[TrainingSet],
    *,
    total_steps: int,
    device: torch.device,
    group: Group,
    catalog: DatasetCatalog | None = None,
) -> Engine:
    """The model as it starts, with its optimiser. Every process begins with the same weights.

    Args:
        recipe: Recipe of the run.
        training_sets: What it trains on, for what is estimated from texts.
        total_steps: Length of the run.
        device: Where to compute.
        group: Processes that share a batch.
        catalog: Where lexicons lie; for fresh rows, which have to know the pieces of switched texts.

    Raises:
        FetchError, UsageError: a part of the model cannot be had or does not fit.
        TrainingError: there is no checkpoint to start from.
    """
    seed_everything(recipe.seed)
    model = build_model(recipe.model)
    objectives = build_objectives(recipe.objectives, dim=recipe.model.dim, languages=recipe.text_languages)
    if model.text.free is not None and not model.text.free.known:
        model.text.estimate_language_neutral(_sample_texts(recipe, training_sets))
    if model.text.fresh is not None and catalog is not None:
        model.text.know_fresh(list(_fresh_texts(recipe, training_sets, catalog, model.text.fresh.languages)))
    if recipe.start_from is not None:
        load_checkpoint(Path(recipe.start_from)).load_into(model)
    model.train()
    # Dropout of different processes falls on different units.
    seed_everything(stable_hash(recipe.seed, "process", group.rank) % 2**32)
    return Engine(
        recipe,
        model.to(device),
        objectives.to(device),
        total_steps=total_steps,
        device=device,
        group=group,
        memo=_memo(model),
    )


def build_batches(
    recipe: Recipe,
    training_sets: Sequence[TrainingSet],
    engine: Engine,
    *,
    catalog: DatasetCatalog,
    position: Position | None = None,
) -> Batches:
    """The run's batches from ``position`` on.

    Args:
        recipe: Recipe of the run.
        training_sets: What it trains on.
        engine: Its model, for hard negatives among texts, and its group.
        catalog: Where lexicons lie.
        position: Where to go on; None begins.

    Raises:
        DatasetError, UsageError: there are no lexicons to switch with.
    """
    hard = recipe.batch.hard_negatives > 0
    encode = engine.model.text.encode_frozen if engine.memo is None else engine.memo.of
    return Batches(
        training_sets,
        recipe.batch,
        languages=recipe.text_languages,
        seed=recipe.seed,
        switching=None
        if recipe.code_switching is None
        else _switching(recipe, recipe.code_switching, training_sets, catalog),
        keywords=None
        if recipe.keywords is None
        else Keywords(
            training_sets,
            catalog.lexicons(recipe.keywords.lexicons, recipe.keywords.languages),
            recipe.keywords,
            seed=recipe.seed,
        ),
        neighbours=Neighbours(training_sets, encode, seed=recipe.seed) if hard else None,
        rank=engine.group.rank,
        size=engine.group.size,
        position=position,
    )


def validate_checkpoint(checkpoint: Checkpoint, *, data: Path | None = None) -> list[QueryValues]:
    """What the weights of a checkpoint are worth on the validation sets of its recipe, query by query.

    Args:
        checkpoint: of a recipe with validation.
        data: folder that corpora are relative to.

    Raises:
        TrainingError: the recipe has no validation, or the checkpoint is damaged.
    """
    recipe, catalog = checkpoint.state.recipe, DatasetCatalog(data, checkpoint.state.recipe.folders)
    validator = build_validator(recipe, catalog)
    if validator is None:
        raise TrainingError("the recipe has no validation", item=checkpoint.folder)
    engine = build_engine(
        recipe.model_copy(update={"start_from": str(checkpoint.folder)}),
        open_training_sets(recipe, catalog),
        total_steps=1,
        device=device_of(recipe),
        group=Group(),
    )
    return validator.values(engine, frames=recipe.batch.frames)


def _memo(model: TwoTowers) -> TextMemo | None:
    if not model.text.cacheable:
        return None
    path = cache_dir() / "text-features" / f"{model.text.frozen_identity[:16]}.sqlite"
    return TextMemo(path, model.text.encode_frozen, dim=model.text.width)


def _switching(
    recipe: Recipe, spec: CodeSwitchingSpec, training_sets: Sequence[TrainingSet], catalog: DatasetCatalog
) -> Switching:
    lexicons = catalog.lexicons(spec.lexicons, spec.languages)
    rule = SwitchRule(mode=spec.mode, p=spec.p, candidates=spec.candidates, romanised=spec.romanised)
    switcher = CodeSwitcher(lexicons, rule, seed=recipe.seed)
    if spec.rate is not None:
        switcher = switcher.equalised(_sample_texts(recipe, training_sets)["en"], rate=spec.rate)
    return Switching(
        lambda text, key, epoch: switcher.switch(text, key=key, epoch=epoch),
        instead=spec.place == "instead",
        copies=spec.copies,
        variants=spec.variants,
    )


def _fresh_texts(
    recipe: Recipe, training_sets: Sequence[TrainingSet], catalog: DatasetCatalog, languages: Sequence[str]
) -> Iterator[Parts]:
    """The training texts of ``languages``: captions, and English ones with every word that a lexicon has
    switched. Where a word has several translations, one is drawn."""
    spec, tags = recipe.code_switching, [*languages]
    switched = [] if spec is None else [tag for tag in languages if tag in spec.languages]
    switcher = None
    if spec is not None and switched:
        rule = SwitchRule(mode="bilingual", p=1.0, candidates=spec.candidates)
        switcher = CodeSwitcher(catalog.lexicons(spec.lexicons, switched), rule, seed=recipe.seed)
    for training_set in training_sets:
        for row in map(int, training_set.table.rows(training_set.split)):
            if not training_set.usable(row):
                continue
            captions = training_set.texts(row)
            for tag in tags:
                yield from parts_in(captions.get(tag, ()), tag)
            if switcher is not None:
                for text in captions.get("en", ()):
                    yield from (switcher.switch(text, key=row, epoch=0, language=t).parts for t in switched)


def _sample_texts(recipe: Recipe, training_sets: Sequence[TrainingSet]) -> dict[str, list[str]]:
    """Language -> the first so many training texts; languages without any are left out."""
    found: dict[str, list[str]] = {tag: [] for tag in recipe.languages}
    for training_set in training_sets:
        for row in map(int, training_set.table.rows(training_set.split)):
            if all(len(texts) >= _SAMPLE_TEXTS for texts in found.values()):
                break
            if training_set.usable(row):
                for tag, texts in training_set.texts(row).items():
                    found[tag] += texts[: max(0, _SAMPLE_TEXTS - len(found[tag]))]
    return {tag: texts for tag, texts in found.items() if texts}
