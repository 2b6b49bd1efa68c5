"""What the recipe of a study says that its ranks do not: what it shortens, and its encoders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from polyreel.models.origins import origin_of
from polyreel.models.specs import TextTowerSpec
from polyreel.study.arms import cells_of
from polyreel.study.recipe import SettingSpec, StudyRecipe
from polyreel.study.register import Exploration, Question, Register, RegisteredSetting, arms_in

__all__ = ["RecipeFacts", "facts_of"]


@dataclass(frozen=True, slots=True)
class RecipeFacts:
    """What a report says of the study whose ranks it judges.

    Attributes:
        origins: encoder -> what its spec is known to have been trained on.
        shortened: what the register asks for and the study does not have; empty for a whole one.
        limits: what a reader should not conclude.
    """

    origins: Mapping[str, str] = field(default_factory=dict)
    shortened: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()


def facts_of(recipe: StudyRecipe, register: Register) -> RecipeFacts:
    """What ``recipe`` says, measured against the register that it is run under."""
    encoders = {grid.encoder for grid in recipe.grids}
    settings = {name for grid in recipe.grids for name in grid.settings}
    return RecipeFacts(
        origins={
            name: str(origin_of(TextTowerSpec.model_validate(spec.text)))
            for name, spec in recipe.encoders.items()
            if name in encoders
        },
        shortened=(*_cells_short(recipe, register), *_clips_short(recipe, register, settings)),
        limits=tuple(
            limit.text
            for limit in recipe.design.limits
            if limit.encoder in (None, *encoders) and limit.setting in (None, *settings)
        ),
    )


def _cells_short(recipe: StudyRecipe, register: Register) -> Iterator[str]:
    """Settings, arms and seeds that a question or an exploration needs and the grids lack."""
    seeds: dict[tuple[str, str], dict[str, set[int]]] = {}
    for cell in cells_of(recipe):
        seeds.setdefault((cell.encoder, cell.setting), {}).setdefault(cell.arm.name, set()).add(cell.seed)
    asked = _asked(register)
    for encoder in dict.fromkeys(encoder for encoder, _ in asked):
        if absent := [setting for e, setting in asked if e == encoder and (e, setting) not in seeds]:
            yield f"{encoder}: without {', '.join(absent)}"
    for (encoder, setting), arms in asked.items():
        there = seeds.get((encoder, setting), {})
        if there and (absent := [arm for arm in arms if arm not in there]):
            yield f"{encoder} on {setting}: without {', '.join(absent)}"
        wanted = register.seeds.get(encoder, ())
        shared = [seed for seed in wanted if all(seed in there[arm] for arm in arms if arm in there)]
        if there and len(shared) < len(wanted):
            yield f"{encoder} on {setting}: {len(shared)} of {len(wanted)} seeds"


def _asked(register: Register) -> dict[tuple[str, str], tuple[str, ...]]:
    """(encoder, setting) -> arms that are compared there, in the register's order."""
    named: dict[tuple[str, str], set[str]] = {}
    entries: list[Question | Exploration] = [*register.questions.values(), *register.explorations.values()]
    for entry in entries:
        for setting in entry.settings:
            named.setdefault((entry.encoder, setting), set()).update(arms_in(entry))
    return {key: tuple(arm for arm in register.arms if arm in arms) for key, arms in named.items()}


def _clips_short(recipe: StudyRecipe, register: Register, used: Iterable[str]) -> Iterator[str]:
    for name, setting in recipe.settings.items():
        registered = register.settings.get(name)
        if name in used and registered is not None:
            folds = {setting.fold(cell.seed) for cell in cells_of(recipe) if cell.setting == name}
            yield from (f"{name}: {amount}" for amount in _amounts(setting, registered, len(folds)))


def _amounts(setting: SettingSpec, registered: RegisteredSetting, folds: int) -> Iterator[str]:
    if setting.clips is not None and setting.clips < registered.train:
        yield f"{setting.clips:,} of {registered.train:,} training clips"
    # The register counts the test clips of all folds, the recipe those of each that a seed is measured on.
    if setting.test_clips is not None and setting.test_clips * folds < registered.test:
        yield f"{setting.test_clips * folds:,} of {registered.test:,} test clips"
    if absent := [tag for tag in registered.languages if tag not in setting.languages]:
        yield f"without {', '.join(absent)}"
