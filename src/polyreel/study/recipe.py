"""A study as a YAML file says it: which arms, on what, measured how. Nothing here needs PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from polyreel.errors import UnknownNameError
from polyreel.languages import STUDY_LANGUAGES, parse_tag
from polyreel.models.specs import TextTowerSpec
from polyreel.recipes import Name, Problem, Seed, examine_recipe, form_problems, read_recipe, recipe_error
from polyreel.study.claims import ArmDifference, ClaimList, ClaimSpec, names_in
from polyreel.study.design import OUTCOMES, Design, Spec
from polyreel.training.recipe import Recipe

__all__ = [
    "BitextSpec",
    "CorpusSpec",
    "MeasureSpec",
    "PretrainingSpec",
    "RetrievalSpec",
    "StudyRecipe",
    "VariantSpec",
    "XnliSpec",
    "read_study",
]

_Chance = Annotated[float, Field(ge=0, le=1)]


class CorpusSpec(Spec):
    """Clips, or texts, to train on.

    Attributes:
        corpus: name in the registry of corpora, folder of a table below ``--data``, or ``multinli``, whose
            entailment pairs become items of text with two English captions each.
        split: which of them.
        clips: at most so many, the first ones; None takes all.
        weight: how often one is drawn, by one of weight 1.
        features: kind of features; None takes what the image network of the default bundle makes.
    """

    corpus: str = Field(min_length=1)
    split: str = Field(default="train", min_length=1)
    clips: int | None = Field(default=None, ge=4)
    weight: float = Field(default=1.0, gt=0)
    features: str | None = None


class PretrainingSpec(Spec):
    """Masked language modelling that an encoder ``scratch`` begins with (``training.pretrain``).

    Attributes:
        text: corpora of text in many languages. An item gives its text in one language only, the one that
            has least so far: no two languages say the same.
        steps, batch_size, lr, seed: As in ``training.pretrain``. ``texts_a_step`` is the former name of
            ``batch_size``; files with either are read, and digests are of the former.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True)

    text: tuple[str, ...] = Field(min_length=1)
    steps: int = Field(default=1000, ge=1)
    batch_size: int = Field(
        default=64,
        ge=1,
        validation_alias=AliasChoices("batch_size", "texts_a_step"),
        serialization_alias="texts_a_step",
    )
    lr: float = Field(default=1e-3, gt=0)
    seed: Seed = 0


class RetrievalSpec(Spec):
    """Text to video: the first caption of a clip in each language asks for the clip.

    Attributes:
        name: of the benchmark.
        corpus: as in ``CorpusSpec``.
        split: which clips are the gallery.
        clips: at most so many.
        features: as in ``CorpusSpec``.
    """

    name: Name
    corpus: str = Field(min_length=1)
    split: str = Field(default="dev", min_length=1)
    clips: int | None = Field(default=None, ge=4)
    features: str | None = None


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


class BitextSpec(Spec):
    """NTREX: a sentence against all English ones.

    Attributes:
        folder: below ``--data``.
        sentences: at most so many.
    """

    folder: str = "ntrex"
    sentences: int | None = Field(default=None, ge=4)


class MeasureSpec(Spec):
    """What every trained arm is measured on."""

    retrieval: tuple[RetrievalSpec, ...] = Field(min_length=1)
    xnli: XnliSpec | None = None
    bitext: BitextSpec | None = None

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [spec.name for spec in self.retrieval]
        if len(set(names)) < len(names) or {"xnli", "ntrex"} & set(names):
            raise ValueError("each benchmark needs a name of its own, other than xnli and ntrex")
        return self


class VariantSpec(Spec):
    """Further arms: the design's code-switched arm (``design.switching``) with one thing changed.

    Attributes:
        encoders: which encoders they are trained with; None takes the first.
        p: chances of switching.
        leave_out: languages, each of which is left out of the switching once: unseen.
        modes: ``bilingual`` switches a text into one language, ``multilingual`` each word into any.
    """

    encoders: tuple[str, ...] | None = None
    p: tuple[_Chance, ...] = ()
    leave_out: tuple[str, ...] = ()
    modes: tuple[Literal["bilingual", "multilingual"], ...] = ()


class StudyRecipe(Spec):
    """A study: arms times encoders times seeds.

    Attributes:
        study: Its name.
        description: What it is for.
        seeds: Each arm is trained with each.
        languages: That are measured, English among them.
        encoders: Name -> text tower of a training recipe (``model.text``).
        pretraining: Name of an encoder ``scratch`` -> what it has learnt before any arm begins.
        arms: Names of the design's arms that are trained; left out, all are.
        variants: Further arms.
        video: Clips that the arms with vision train on.
        text: What the arms that train on ``text`` take; empty takes the captions of ``video``.
        folders: Name of a corpus -> its folder below ``--data``, where that has another name.
        texts_per_clip: Captions that a step shows of a clip, the switched ones among them.
        training: The rest of a training recipe, alike in all arms: ``model`` but for the text tower,
            ``objectives``, ``code_switching``, ``batch``, ``optimiser``.
        by_encoder: Name of an encoder -> what of ``training`` is otherwise with it.
        measure: What on.
        resamples: Of the bootstrap.
        examples: Queries whose nearest clips the report shows.
        show_pictures: With thumbnails, which not every dataset's terms allow to be passed on.
        design: Arms and contrasts.
        design_file: The file with them instead, relative to the study's.
        claims: What the study tests.
        claims_file: The file with them instead, relative to the study's.
    """

    study: Name
    description: str = ""
    seeds: tuple[Seed, ...] = Field(min_length=2)
    languages: tuple[str, ...] = Field(default=STUDY_LANGUAGES, min_length=2)
    encoders: dict[Name, dict[str, Any]] = Field(min_length=1)
    pretraining: dict[str, PretrainingSpec] = Field(default_factory=dict)
    arms: tuple[str, ...] = ()
    variants: VariantSpec = VariantSpec()
    video: tuple[CorpusSpec, ...] = Field(min_length=1)
    text: tuple[CorpusSpec, ...] = ()
    folders: dict[str, str] = Field(default_factory=dict)
    texts_per_clip: int = Field(default=2, ge=2)
    training: dict[str, Any]
    by_encoder: dict[str, dict[str, Any]] = Field(default_factory=dict)
    measure: MeasureSpec
    resamples: int = Field(default=2000, ge=100)
    examples: int = Field(default=2, ge=0)
    show_pictures: bool = True
    design: Design = Design()
    design_file: str = Field(default="", exclude=True)
    claims: tuple[ClaimSpec, ...] = Field(default=(), exclude=True)
    claims_file: str = Field(default="", exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _all_arms(cls, document: Any) -> Any:
        design = document.get("design") if isinstance(document, dict) else None
        arms = design.get("arms", {}) if isinstance(design, dict) else None
        return {"arms": list(arms), **document} if isinstance(arms, dict) else document

    @property
    def grid_json(self) -> str:
        """What decides the values of cells, as digests take it: not how they are compared and worded."""
        return self.model_dump_json(exclude={"design"})

    @property
    def others(self) -> tuple[str, ...]:
        """The languages without English."""
        return tuple(tag for tag in self.languages if tag != "en")

    @property
    def variant_encoders(self) -> tuple[str, ...]:
        """Encoders that the variants are trained with."""
        return self.variants.encoders or tuple(self.encoders)[:1]

    def contradictions(self) -> list[Problem]:
        """Where parts that are valid by themselves do not go together."""
        found = [(where, f"{value!r} comes twice") for where, value in self._twice()]
        found += [
            ("languages", f"{tag!r} is not a language tag") for tag in self.languages if parse_tag(tag) != tag
        ]
        if "en" not in self.languages:
            found.append(("languages", "English is missing, which all transfer is measured from"))
        found += [
            ("variants.leave_out", f"{tag!r} is none of the languages besides English")
            for tag in self.variants.leave_out
            if tag not in self.others
        ]
        for where, names in (
            ("variants.encoders", self.variants.encoders or ()),
            ("by_encoder", self.by_encoder),
            ("pretraining", self.pretraining),
        ):
            found += [
                (where, str(UnknownNameError("encoder of the study", name, self.encoders)))
                for name in names
                if name not in self.encoders
            ]
        found += [
            ("pretraining", f"{name!r} is trained already; only an encoder 'scratch' can begin with it")
            for name in self.pretraining
            if name in self.encoders and self.encoders[name].get("encoder") != "scratch"
        ]
        if self.design_file and not self.design.arms:
            return found  # the rest depends on that file
        return found + self._mistakes_in_layers() + self._mistakes_in_arms() + self.mistakes_in_claims()

    def _mistakes_in_layers(self) -> list[Problem]:
        """What no other layer can put right: an arm's training recipe is made of several of them."""
        found = [
            problem
            for name, tower in self.encoders.items()
            for problem in _malformed(f"encoders.{name}", TextTowerSpec, tower)
        ]
        layers = {"training": self.training}
        layers |= {f"by_encoder.{name}": layer for name, layer in self.by_encoder.items()}
        layers |= {f"design.arms.{name}.training": arm.training for name, arm in self.design.arms.items()}
        return found + [
            problem for where, layer in layers.items() for problem in _malformed(where, Recipe, layer)
        ]

    def _mistakes_in_arms(self) -> list[Problem]:
        arms, switching = self.design.arms, self.design.switching
        found = [("arms", str(UnknownNameError("arm", name, arms))) for name in self.arms if name not in arms]
        found += [(f"design.{where}", problem) for where, problem in self.design.contradictions()]
        if len(self.arms) < 2:
            found.append(("arms", "a study compares two arms at least"))
        has_variants = bool(self.variants.p or self.variants.leave_out or self.variants.modes)
        switched = any(name in arms and arms[name].code_switched for name in self.arms)
        if (switched or has_variants) and not self.training.get("code_switching"):
            found.append(("training.code_switching", "is missing, and arms need it"))
        if has_variants and switching is None:
            found.append(("variants", "the design does not say which arm they vary (design.switching)"))
        elif has_variants and switching is not None and switching.arm not in self.arms:
            found.append(("variants", f"they are variants of {switching.arm}, which is not among the arms"))
        return found

    def mistakes_in_claims(self) -> list[Problem]:
        """Names in claims that neither the design nor the recipe has, and claims that measure nothing."""
        known: dict[str, tuple[str, ...]] = {
            "arm": tuple(self.design.arms),
            "benchmark": (*(spec.name for spec in self.measure.retrieval), "xnli", "ntrex"),
            "outcome": (*OUTCOMES, *self.languages),
        }
        found = [
            (where, str(UnknownNameError(kind, name, known[kind])))
            for where, kind, name in names_in(self.claims)
            if name not in known[kind]
        ]
        found += [
            (f"claims.{at}.measures", "nothing is measured: name a measure, or say why under 'untestable'")
            for at, claim in enumerate(self.claims)
            if not claim.measures and not claim.untestable
        ]
        return found + [
            (f"claims.{at}.measures.{number}.arms", f"{measure.arms[0]!r} is compared with itself")
            for at, claim in enumerate(self.claims)
            for number, measure in enumerate(claim.measures)
            if isinstance(measure, ArmDifference) and measure.arms[0] == measure.arms[1]
        ]

    def _twice(self) -> list[tuple[str, object]]:
        lists: Mapping[str, tuple[object, ...]] = {
            "arms": self.arms,
            "seeds": self.seeds,
            "languages": self.languages,
            "variants.p": self.variants.p,
            "variants.leave_out": self.variants.leave_out,
            "claims": tuple(claim.number for claim in self.claims),
        }
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
    """The study in a YAML file, with the design and the claims that it names.

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
        recipe = recipe.model_copy(update={"design": design, "arms": recipe.arms or tuple(design.arms)})
        if problems := recipe.contradictions():
            raise recipe_error(path, [reading.problem_at(*problem) for problem in problems])
    if recipe.claims_file:
        file = path.parent / recipe.claims_file
        listed = examine_recipe(file, ClaimList)
        if listed.recipe is None or listed.problems:
            raise recipe_error(file, listed.problems)
        recipe = recipe.model_copy(update={"claims": listed.recipe.claims})
        if problems := recipe.mistakes_in_claims():
            raise recipe_error(file, [listed.problem_at(*problem) for problem in problems])
    return recipe
