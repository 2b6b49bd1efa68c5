"""What keeps a recipe from running that the recipe alone does not show: data, features, lexicons, the
machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from polyreel.datasets.dataset_catalog import DatasetCatalog
from polyreel.datasets.store.table import DatasetTable
from polyreel.errors import PolyreelError, UnknownNameError
from polyreel.losses.objectives import OBJECTIVES
from polyreel.models.specs import HASHED_BAG, HashedBagSpec, ObjectiveSpec, TextContrastiveSpec
from polyreel.recipes import Problem
from polyreel.training.assembly import device_of
from polyreel.training.checkpoints import find_checkpoint
from polyreel.training.recipe import HELD_OUT, DataSpec, Recipe, ValidationTable

__all__ = ["problems_of"]


def problems_of(recipe: Recipe, catalog: DatasetCatalog) -> list[Problem]:
    """Everything that would keep the recipe from running. Nothing is fetched or built for it."""
    tables = {}
    found: list[Problem] = []
    for number, data in enumerate(recipe.data):
        table, problems = _table(catalog, f"data.{number}", data)
        found += problems
        if table is not None:
            tables[number] = table
    found += _of_objectives(recipe)
    found += [*_of_bag(recipe), *_of_fresh_rows(recipe)]
    for number, table in tables.items():
        found += _of_data(recipe, recipe.data[number], table, f"data.{number}")
    if len(tables) == len(recipe.data):
        found += _of_all_data(recipe, list(tables.values()))
    if recipe.validation is not None:
        for number, spec in enumerate(recipe.validation.tables):
            place = f"validation.tables.{number}"
            table, problems = _table(catalog, place, spec)
            found += problems
            if table is not None:
                found += _of_features(recipe, spec, table, place)
    for name, reads in (("code_switching", recipe.code_switching), ("keywords", recipe.keywords)):
        if reads is not None:
            try:
                catalog.require_lexicons(reads.lexicons, reads.languages)
            except PolyreelError as error:
                found.append((f"{name}.lexicons", str(error)))
    if recipe.start_from is not None and find_checkpoint(Path(recipe.start_from), "best") is None:
        found.append(("start_from", f"no checkpoint is in {recipe.start_from}: train that run first"))
    try:
        device_of(recipe)
    except PolyreelError as error:
        found.append(("device", str(error)))
    return found


def _table(
    catalog: DatasetCatalog, place: str, spec: DataSpec | ValidationTable
) -> tuple[DatasetTable | None, list[Problem]]:
    """The table if it is there, and what is wrong with naming it."""
    try:
        if catalog.where(spec.corpus) is None:
            return None, []
        table = catalog.table(spec.corpus)
    except PolyreelError as error:
        return None, [(f"{place}.corpus", str(error))]
    if spec.split not in (HELD_OUT, *table.splits):
        return None, [
            (f"{place}.split", str(UnknownNameError(f"split of {table.name}", spec.split, table.splits)))
        ]
    return table, []


def _of_data(recipe: Recipe, data: DataSpec, table: DatasetTable, place: str) -> Iterator[Problem]:
    counts = table.manifest.captions.get(data.split, {})
    there = f"{data.corpus} has captions in {', '.join(counts) or 'no language'}"
    for tag in data.languages or ():
        if not counts.get(tag):
            yield f"{place}.languages", f"there is no caption in {tag!r}: {there}"
    if data.languages is None and not any(counts.get(tag) for tag in recipe.languages):
        yield place, f"there is no caption in any language of the recipe: {there}"
    yield from _of_features(recipe, data, table, place)


def _of_features(
    recipe: Recipe, spec: DataSpec | ValidationTable, table: DatasetTable, place: str
) -> Iterator[Problem]:
    if recipe.model.video is None:
        return
    sets = table.manifest.features
    for name in spec.features:
        if name not in sets:
            yield f"{place}.features", str(UnknownNameError(f"kind of features of {table.name}", name, sets))
    width = sum(sets[name].dim for name in spec.features if name in sets)
    if spec.features and all(name in sets for name in spec.features) and width != recipe.model.video.features:
        yield (
            f"{place}.features",
            f"they are {width:,} wide, the video tower reads {recipe.model.video.features:,}: "
            f"set model.video.features to {width}",
        )


def _of_all_data(recipe: Recipe, tables: Sequence[DatasetTable]) -> Iterator[Problem]:
    captions = [
        table.manifest.captions.get(data.split, {}) for data, table in zip(recipe.data, tables, strict=True)
    ]
    for tag in recipe.languages:
        if not any(counts.get(tag) for counts in captions):
            yield "languages", f"there is no caption in {tag!r}: leave it out, or add a corpus that has some"
    clips = sum(table.manifest.clips[data.split] for data, table in zip(recipe.data, tables, strict=True))
    if recipe.batch.batch_size > clips:
        yield (
            "batch.batch_size",
            f"a batch of {recipe.batch.batch_size:,} from {clips:,} clips: at most {clips:,}",
        )
    needed = [spec.name for spec in recipe.objectives if "video" in _requires(spec)]
    seen = [
        bool(data.features) or table.manifest.without_media < len(table)
        for data, table in zip(recipe.data, tables, strict=True)
    ]
    if recipe.model.video is not None and needed and not any(seen):
        yield "objectives", f"{', '.join(needed)} needs video, and no corpus has pictures or features"


def _of_objectives(recipe: Recipe) -> Iterator[Problem]:
    switching = recipe.code_switching
    texts = 2 if recipe.batch.captions == "all" else recipe.batch.captions
    if switching is not None:
        texts += switching.copies - (switching.place == "instead")
    for number, spec in enumerate(recipe.objectives):
        place, requires = f"objectives.{number}", _requires(spec)
        if "video" in requires and recipe.model.video is None:
            yield place, f"{spec.name} needs a video tower, and 'model.video' is null"
        if "languages" in requires and len(recipe.text_languages) < 2:
            yield place, f"{spec.name} pairs languages, and there is one"
        if ("languages" in requires or isinstance(spec, TextContrastiveSpec)) and texts < 2:
            yield place, f"{spec.name} pairs texts of an item: set batch.captions to 'all', 2 or more"
        if "english" in requires and "en" not in recipe.languages:
            yield place, f"{spec.name} learns from English, which is not in 'languages'"


def _of_bag(recipe: Recipe) -> Iterator[Problem]:
    """Languages that an encoder ``hashed-bag`` would have to read and has no rows for."""
    if recipe.model.text.encoder != HASHED_BAG:
        return
    known = (recipe.model.text.hashed_bag or HashedBagSpec()).languages
    switched = recipe.code_switching.languages if recipe.code_switching else ()
    asked = (recipe.validation.languages if recipe.validation else None) or ()
    for tag in dict.fromkeys((*recipe.languages, *switched, *asked)):
        if tag not in known:
            yield (
                "model.text.hashed_bag.languages",
                f"{tag!r} is missing, a language of the recipe's texts; there are {', '.join(known)}",
            )


def _of_fresh_rows(recipe: Recipe) -> Iterator[Problem]:
    """Fresh rows that no text of the recipe would teach."""
    fresh = recipe.model.text.fresh_rows
    if fresh is None:
        return
    switched = recipe.code_switching.languages if recipe.code_switching else ()
    if not {*recipe.languages, *switched} & {*fresh.languages}:
        yield (
            "model.text.fresh_rows.languages",
            f"no text of the recipe is in {' or '.join(fresh.languages)}, so nothing would teach the rows",
        )


def _requires(spec: ObjectiveSpec) -> frozenset[str]:
    if isinstance(spec, TextContrastiveSpec):  # what it requires depends on what it pairs
        return frozenset({"languages"} if spec.pairs == "languages" else ())
    return OBJECTIVES[spec.name].requires
