"""A study as a YAML file says it: which arms, on what, measured how. Nothing here needs PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from polyreel.errors import UnknownNameError
from polyreel.languages import parse_tag
from polyreel.models.specs import TextTowerSpec
from polyreel.recipes import Name, Problem, Seed, examine_recipe, form_problems, read_recipe, recipe_error
from polyreel.study.design import Design, Spec
from polyreel.training.recipe import Recipe

__all__ = [
    "WEIGHTS",
    "CostSpec",
    "EncoderSpec",
    "GridSpec",
    "SettingSpec",
    "StudyRecipe",
    "TuningSpec",
    "XnliSpec",
    "read_study",
]

WEIGHTS = "weights"
"""Key of ``TuningSpec.grid`` that multiplies the weights of all terms of an arm but the first."""


class XnliSpec(Spec):
    """X-MNLI retrieval: a premise against its three hypotheses.

    Attributes:
        folder: below ``--data``.
        split: of XNLI.
        premises: at most so many.
    """

    folder: str = "xnli"
    split: Literal["dev", "test"] = "dev"
    premises: int | None = Field(default=None, ge=4)


class SettingSpec(Spec):
    """One dataset with a pair, or a set, of languages.

    No source has clips on both sides of any division here. Each language is measured on the test clips that
    have a caption in it.

    Attributes:
        corpus: name in the registry of corpora, or folder of a table below ``--data``.
        splits: that training clips are from.
        test: split that is measured; left out with ``folds``.
        folds: cut the clips of ``splits`` into as many parts; part (seed mod folds) is measured and the
            others are trained on.
        clips, test_clips: at most so many, chosen by a hash of their names; None takes all.
        languages: English first, then those that its captions are switched into or compared to.
        require: languages without a caption in which a clip is not trained on; None takes those of
            ``languages`` in which any training clip has one.
        features: kind of features; None takes what the image network of the training-free bundle makes.
        xnli: also measured on X-MNLI, in those of ``languages`` that it has.
        training: What of the study's training recipe is otherwise.
    """

    corpus: str = Field(min_length=1)
    splits: tuple[str, ...] = Field(default=("train",), min_length=1)
    test: str | None = None
    folds: int | None = Field(default=None, ge=2)
    clips: int | None = Field(default=None, ge=8)
    test_clips: int | None = Field(default=None, ge=4)
    languages: tuple[str, ...] = Field(min_length=2)
    require: tuple[str, ...] | None = None
    features: str | None = None
    xnli: XnliSpec | None = None
    training: dict[str, Any] = Field(default_factory=dict)

    @property
    def others(self) -> tuple[str, ...]:
        """The languages without English."""
        return tuple(tag for tag in self.languages if tag != "en")

    def fold(self, seed: int) -> int | None:
        """The part that a seed is measured on; None where a split is."""
        return None if self.folds is None else seed % self.folds

    @model_validator(mode="after")
    def _is_measured_once(self) -> Self:
        if (self.test is None) == (self.folds is None):
            raise ValueError("give either 'test' or 'folds'")
        if self.test is not None and self.test in self.splits:
            raise ValueError(f"it trains on what it is measured on: split {self.test!r}")
        return self


class EncoderSpec(Spec):
    """A text encoder and what goes with it.

    Attributes:
        text: text tower of a training recipe (``model.text``).
        training: What of the study's training recipe is otherwise with it.
        reads_class_names: whether arms without videos are asked text to video, too, through the names of the
            classes that the image network of the default bundle knows. It takes an encoder that knows what
            such names mean.
    """

    text: dict[str, Any]
    training: dict[str, Any] = Field(default_factory=dict)
    reads_class_names: bool = False


class GridSpec(Spec):
    """Cells: one encoder with arms, settings and seeds.

    Attributes:
        encoder: which.
        settings: which.
        arms: which; empty takes all of the design.
        seeds: of each.
    """

    encoder: str
    settings: tuple[str, ...] = Field(min_length=1)
    arms: tuple[str, ...] = ()
    seeds: tuple[Seed, ...] = Field(min_length=1)


class TuningSpec(Spec):
    """What is chosen for each arm before any cell is run, from the same grid for all.

    An arm is trained on the rest of the training clips; of a share of them English captions ask for the same
    captions switched, and these for those: mean log2 rank. Of a switched caption only the words are left that
    a lexicon translates. No human caption of another language is looked at.

    Attributes:
        grid: dotted key of the training recipe, such as ``optimiser.lr``, or ``weights`` -> values.
        settings: encoder -> settings whose mean decides; one that is not named is not tuned.
        share: of the training clips, one in so many.
        seed: of the training.
    """

    grid: Mapping[str, tuple[float, ...]] = Field(min_length=1)
    settings: Mapping[str, tuple[str, ...]]
    share: int = Field(default=10, ge=2)
    seed: Seed = 1000


class CostSpec(Spec):
    """What a study costs, for ``--check``; nothing of a result depends on it.

    Attributes:
        device: what is counted.
        step_s: encoder -> seconds of a step on it.
        around_s: encoder -> seconds of a cell besides its steps.
        measured: how these were had, or that they are a guess.
    """

    device: Literal["CPU core", "GPU"] = "CPU core"
    step_s: Mapping[str, float] = {}
    around_s: Mapping[str, float] = {}
    measured: str = ""


class StudyRecipe(Spec):
    """A study: arms times settings times encoders times seeds.

    Attributes:
        study: Its name.
        description: What it is for.
        settings: Name -> dataset and languages.
        encoders: Name -> text encoder.
        grids: The cells.
        tuning: What is chosen for each arm; None takes everything as it stands.
        training: The rest of a training recipe, alike in all arms; ``batch.batch_size`` is the number of
            texts that a step shows in English, and in the other languages together for each text of a clip.
        folders: Name of a corpus -> its folder below ``--data``, where that has another name.
        lexicons: Folder of lexicons below ``--data``. A language that it lacks is fetched where a package has
            one.
        cost: What ``--check`` counts hours with.
        design: Arms.
        design_file: The file with them instead, relative to the study's.
        register_file: The register that the study is run under, relative to the study's; empty for none.
        claims_file: The ledger's list of claims, relative to the study's; empty for none.
    """

    study: Name
    description: str = ""
    settings: dict[Name, SettingSpec] = Field(min_length=1)
    encoders: dict[Name, EncoderSpec] = Field(min_length=1)
    grids: tuple[GridSpec, ...] = Field(min_length=1)
    tuning: TuningSpec | None = None
    training: dict[str, Any]
    folders: dict[str, str] = Field(default_factory=dict)
    lexicons: str = Field(default="lexicons", min_length=1)
    cost: CostSpec = CostSpec()
    design: Design = Design()
    design_file: str = Field(default="", exclude=True)
    register_file: str = Field(default="", exclude=True)
    claims_file: str = Field(default="", exclude=True)

    def contradictions(self) -> list[Problem]:
        """Where parts that are valid by themselves do not go together."""
        found = [
            (where, str(UnknownNameError(kind, name, known)))
            for where, kind, names, known in self._references()
            for name in names
            if name not in known
        ]
        found += [(where, f"{value!r} comes twice") for where, value in self._twice()]
        for name, setting in self.settings.items():
            where = f"settings.{name}.languages"
            found += [
                (where, f"{tag!r} is not a language tag")
                for tag in setting.languages
                if parse_tag(tag) != tag
            ]
            if setting.languages[0] != "en":
                found.append((where, "English comes first, which all others are compared with"))
        if not self.training.get("code_switching"):
            found.append(("training.code_switching", "is missing, and arms need it"))
        if self.design_file and not self.design.arms:
            return found  # the rest depends on that file
        found += [(f"design.{where}", what) for where, what in self.design.contradictions()]
        return found + self._mistakes_in_layers()

    def _references(self) -> Iterator[tuple[str, str, tuple[str, ...], Mapping[str, object]]]:
        """(place, kind, names, what they may be) of every name that stands for another part."""
        for at, grid in enumerate(self.grids):
            yield f"grids.{at}.encoder", "encoder of the study", (grid.encoder,), self.encoders
            yield f"grids.{at}.settings", "setting", grid.settings, self.settings
            if self.design.arms:
                yield f"grids.{at}.arms", "arm", grid.arms, self.design.arms
        if self.tuning is not None:
            yield "tuning.settings", "encoder of the study", tuple(self.tuning.settings), self.encoders
            for encoder, names in self.tuning.settings.items():
                yield f"tuning.settings.{encoder}", "setting", names, self.settings

    def _mistakes_in_layers(self) -> list[Problem]:
        """What no other layer can put right: an arm's training recipe is made of several of them."""
        found = [
            problem
            for name, encoder in self.encoders.items()
            for problem in _malformed(f"encoders.{name}.text", TextTowerSpec, encoder.text)
        ]
        layers = {"training": self.training}
        layers |= {f"encoders.{name}.training": encoder.training for name, encoder in self.encoders.items()}
        layers |= {f"settings.{name}.training": setting.training for name, setting in self.settings.items()}
        layers |= {
            f"design.arms.{name}": {**arm.training, "objectives": [*arm.objectives]}
            for name, arm in self.design.arms.items()
        }
        return found + [
            problem for where, layer in layers.items() for problem in _malformed(where, Recipe, layer)
        ]

    def _twice(self) -> list[tuple[str, object]]:
        lists: dict[str, tuple[object, ...]] = {}
        for at, grid in enumerate(self.grids):
            lists |= {
                f"grids.{at}.seeds": grid.seeds,
                f"grids.{at}.arms": grid.arms,
                f"grids.{at}.settings": grid.settings,
            }
        lists |= {f"settings.{name}.languages": setting.languages for name, setting in self.settings.items()}
        return [
            (where, value)
            for where, values in lists.items()
            for value in dict.fromkeys(values)
            if values.count(value) > 1
        ]


_WAITS_FOR_ALL_LAYERS = ("missing", "value_error", "greater_than", "less_than", "too_short")


def _malformed(where: str, model: type[BaseModel], layer: Mapping[str, Any]) -> list[Problem]:
    """Keys that are not known, and values of the wrong kind, in a part of a training recipe.

    Bounds, and how parts go together, are for the whole recipe of an arm.
    """
    try:
        model.model_validate(layer)
    except ValidationError as error:
        found = form_problems(model, layer, error)
    else:
        return []
    waiting = [place for kind, (place, _) in found if kind.startswith(_WAITS_FOR_ALL_LAYERS)]
    return [
        (f"{where}.{place}", message)
        for _, (place, message) in found
        # Of a union pydantic also says why it is none of the other types.
        if not any(f"{other}.".startswith(f"{place}.") for other in waiting)
    ]


def read_study(path: Path) -> StudyRecipe:
    """The study in a YAML file, with the design that it names.

    Raises:
        RecipeError: with all mistakes.
        UsageError: PyYAML is not installed.
    """
    reading = examine_recipe(path, StudyRecipe, stand_ins={"study": "unnamed"})
    if reading.recipe is None or reading.problems:
        raise recipe_error(path, reading.problems)
    recipe = reading.recipe
    if recipe.design_file:
        design = read_recipe(path.parent / recipe.design_file, Design)
        recipe = recipe.model_copy(update={"design": design})
        if problems := recipe.contradictions():
            raise recipe_error(path, [reading.problem_at(*problem) for problem in problems])
    beside = {key: str(path.parent / name) for key, name in _files(recipe) if name}
    return recipe.model_copy(update=beside)


def _files(recipe: StudyRecipe) -> tuple[tuple[str, str], ...]:
    return ("register_file", recipe.register_file), ("claims_file", recipe.claims_file)
