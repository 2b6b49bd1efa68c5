"""Recipes: one YAML file that says everything about a training run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from polyreel.languages import STUDY_LANGUAGES, parse_tag
from polyreel.models.specs import ModelSpec, ObjectiveSpec
from polyreel.recipes import Name, Problem, Reading, Seed, examine_recipe, read_recipe

__all__ = [
    "HELD_OUT",
    "KEYWORD",
    "MIXED",
    "VALIDATION_SPLITS",
    "BatchSpec",
    "CodeSwitchingSpec",
    "DataSpec",
    "KeywordSpec",
    "OptimiserSpec",
    "Recipe",
    "ValidationSpec",
    "ValidationTable",
    "examine_training_recipe",
    "read_training_recipe",
]

HELD_OUT = "held-out"
"""The part of a training split that a ``held_out`` share keeps back."""

VALIDATION_SPLITS = ("dev", "val", "valid", "validation", HELD_OUT)
"""Splits that a run may look at while it trains. No other can become a ``ValidationSet``."""

MIXED = "mixed"
"""What stands for the language of code-switched text."""

KEYWORD = "keyword"
"""What stands for the language of keywords, so that they are no negatives of captions."""

_Share = Annotated[float, Field(gt=0, lt=1)]
_Probability = Annotated[float, Field(ge=0, le=1)]


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataSpec(_Spec):
    """Clips to train on.

    Attributes:
        corpus: name in the registry of corpora, or folder of a table, relative to ``--data``.
        split: which clips.
        weight: how often a clip of this corpus is drawn, by one of weight 1.
        languages: only captions in these; None takes all of the recipe's.
        captions_per_language: of a clip with more captions in a language, the first so many; None takes all.
        features: kinds of features whose rows stand side by side; empty takes those of the built bundle
            that makes as many as the video tower reads (2,560: small, 1,280: training-free) where the corpus
            has pictures, and none where it has only text.
        held_out: share of the split that is kept back for validation, whole sources and concepts together.
        without_sources_of: splits of the corpus with which no clip of this one may share a source, such as
            the upload that both were cut from: such clips are left out. Empty leaves them in.
    """

    corpus: str = Field(min_length=1)
    split: str = Field(default="train", min_length=1)
    weight: float = Field(default=1.0, gt=0)
    languages: tuple[str, ...] | None = Field(default=None, min_length=1)
    captions_per_language: int | None = Field(default=None, ge=1)
    features: tuple[str, ...] = ()
    held_out: _Share | None = None
    without_sources_of: tuple[str, ...] = ("dev", "test")


class CodeSwitchingSpec(_Spec):
    """Words of English captions become words of other languages while training runs.

    Attributes:
        lexicons: folder of lexicons, relative to ``--data``.
        languages: to switch into, whether or not there are captions in them.
        p: probability of switching a word that has a translation, one for all languages or one for each.
        rate: share of all words that is switched, the same for every language whatever its lexicon holds;
            ``p`` is then lowered to meet it. None leaves ``p`` as it is.
        mode: ``multilingual`` draws a language for each word, ``bilingual`` one for each text.
        candidates: how many of a word's translations are drawn from, the best known first.
        romanised: probability that the switched words of a text are written in plain Latin letters.
        place: the switched text stands ``beside`` the English one or ``instead`` of it.
        copies: how many switched texts an item gets.
        variants: how many different switchings a text goes through, one in each epoch, before they recur, so
            that frozen encoders can keep what they made of them; None makes new ones in every epoch.
    """

    lexicons: str = Field(default="lexicons", min_length=1)
    languages: tuple[str, ...] = Field(default=tuple(STUDY_LANGUAGES[1:]), min_length=1)
    p: _Probability | dict[str, _Probability] = 0.5
    rate: _Share | None = None
    mode: Literal["multilingual", "bilingual"] = "multilingual"
    candidates: int = Field(default=1, ge=1)
    romanised: _Probability = 0.0
    place: Literal["beside", "instead"] = "beside"
    copies: int = Field(default=1, ge=1)
    variants: int | None = Field(default=None, ge=1)


class KeywordSpec(_Spec):
    """Queries of one or two words beside the captions, from the English captions of training clips.

    Attributes:
        lexicons: folder of lexicons, relative to ``--data``; words that they lack are left out.
        languages: of the queries beside English.
        copies: how many a clip brings in an epoch, at most.
        p: probability that it brings each of them.
        least_clips, most_clips: how many clips have to have a word, and may.
    """

    lexicons: str = Field(default="lexicons", min_length=1)
    languages: tuple[str, ...] = Field(default=tuple(STUDY_LANGUAGES[1:]), min_length=1)
    copies: int = Field(default=1, ge=1)
    p: _Probability = 1.0
    least_clips: int = Field(default=4, ge=1)
    most_clips: int = Field(default=400, ge=1)


class BatchSpec(_Spec):
    """What one step sees.

    Attributes:
        batch_size: clips in a batch, over all processes together.
        captions: ``all`` gives every clip one caption in each of its languages (1-to-K); a number draws as
            many.
        balance: a language is drawn in proportion to its captions to this power; 0 draws all alike.
        frames: most feature rows of a clip; of longer ones, as many evenly spaced.
        micro_batch: texts, and clips, that a tower computes at a time: memory follows this and not
            ``batch_size``. None takes all at once.
        hard_negatives: share of the clips that is drawn for being similar to another one in the batch.
    """

    batch_size: int = Field(default=64, ge=2, validation_alias=AliasChoices("batch_size", "items"))
    captions: Literal["all"] | Annotated[int, Field(ge=1)] = "all"
    balance: float = Field(default=0.0, ge=0, le=1)
    frames: int = Field(default=32, ge=1)
    micro_batch: int | None = Field(default=None, ge=1, validation_alias=AliasChoices("micro_batch", "chunk"))
    hard_negatives: float = Field(default=0.0, ge=0, le=0.5)


class OptimiserSpec(_Spec):
    """AdamW and its schedule.

    Attributes:
        lr: highest learning rate.
        encoder_lr: of the text encoder's own layers; None takes ``lr``.
        weight_decay: of matrices; biases, norms and temperatures have none.
        warmup_steps: steps over which the rate grows from 0.
        decay: after that it stays ``constant`` or follows a ``cosine`` to 0.
        steps, epochs: length of the run, one of them. An epoch is as many items as there are, by weight.
        clip_norm: the gradient is scaled down to this length; None lets it be.
        ema: decay of the running average of the weights that is validated and exported; None takes the
            weights.
    """

    lr: float = Field(default=1e-3, gt=0)
    encoder_lr: float | None = Field(default=None, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_steps: int = Field(default=0, ge=0)
    decay: Literal["cosine", "constant"] = "cosine"
    steps: int | None = Field(default=None, ge=1)
    epochs: float | None = Field(default=None, gt=0)
    clip_norm: float | None = Field(default=1.0, gt=0)
    ema: _Share | None = None

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either 'steps' or 'epochs'")
        if self.steps is not None and self.warmup_steps >= self.steps:
            raise ValueError(f"'warmup_steps' {self.warmup_steps:,} leave nothing of {self.steps:,} 'steps'")
        return self


class ValidationTable(_Spec):
    """Clips to validate on, never of a test split.

    Attributes:
        corpus: as in ``DataSpec``.
        split: one of ``VALIDATION_SPLITS``; ``held-out`` is what the same corpus keeps back under ``data``.
        features: as in ``DataSpec``.
        items: at most this many clips, the first ones.
    """

    corpus: str = Field(min_length=1)
    split: str = "dev"
    features: tuple[str, ...] = ()
    items: int | None = Field(default=None, ge=2)

    @model_validator(mode="after")
    def _is_no_test(self) -> Self:
        if self.split not in VALIDATION_SPLITS:
            raise ValueError(
                f"a run may not look at split {self.split!r}: validation is on {', '.join(VALIDATION_SPLITS)}"
            )
        return self


class ValidationSpec(_Spec):
    """When and on what a run is validated.

    Attributes:
        tables: what on.
        languages: of the queries; None takes the recipe's.
        every_steps: how often; a checkpoint is saved each time.
        metric: mean over tables and languages of text-to-video retrieval, or from other languages to English
            where there is no video.
        patience: validations without a better figure after which the run ends; None goes to the end.
    """

    tables: tuple[ValidationTable, ...] = Field(min_length=1)
    languages: tuple[str, ...] | None = Field(default=None, min_length=1)
    every_steps: int = Field(default=500, ge=1)
    metric: Literal["r@1", "r@5", "r@10", "mrr"] = "r@1"
    patience: int | None = Field(default=None, ge=1)


class Recipe(_Spec):
    """A training run.

    Attributes:
        run: its name; results go to ``runs/NAME``.
        description: what it is for.
        start_from: run or checkpoint whose best weights the model begins with; from the working folder.
        seed: of everything that is drawn at random.
        languages: of the captions, BCP-47.
        data: what is trained on.
        folders: name of a corpus -> its folder below ``--data``, where that has another name.
        code_switching: None for none.
        keywords: None for none.
        model: the two towers.
        objectives: terms of the loss, each at most once.
        batch, optimiser: see there.
        validation: None saves no best checkpoint.
        save_every_steps: beside the checkpoint after each validation; None saves only those and the last.
        precision: ``bf16`` runs the towers, not the losses, in bfloat16 where that is faster.
        device: ``auto`` takes a GPU where there is one.
        processes: that estimates are made for.
    """

    run: Name
    description: str = ""
    start_from: str | None = Field(default=None, min_length=1)
    seed: Seed = 0
    languages: tuple[str, ...] = Field(default=STUDY_LANGUAGES, min_length=1)
    data: tuple[DataSpec, ...] = Field(min_length=1)
    folders: dict[str, str] = {}
    code_switching: CodeSwitchingSpec | None = None
    keywords: KeywordSpec | None = None
    model: ModelSpec = ModelSpec()
    objectives: tuple[ObjectiveSpec, ...] = Field(min_length=1)
    batch: BatchSpec = BatchSpec()
    optimiser: OptimiserSpec
    validation: ValidationSpec | None = None
    save_every_steps: int | None = Field(default=None, ge=1)
    precision: Literal["float32", "bf16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    processes: int = Field(default=1, ge=1)

    @property
    def text_languages(self) -> tuple[str, ...]:
        """What ``Batch.language`` indexes: the languages, ``MIXED`` where there is code-switching, and
        ``KEYWORD`` where there are keywords."""
        mixed = () if self.code_switching is None else (MIXED,)
        return (*self.languages, *mixed, *(() if self.keywords is None else (KEYWORD,)))

    def contradictions(self) -> list[Problem]:
        """Where parts that are valid by themselves do not go together."""
        found = _wrong_tags("languages", self.languages)
        names = [objective.name for objective in self.objectives]
        found += [("objectives", f"{name!r} comes twice") for name in _twice(names)]
        for place, data in enumerate(self.data):
            found += [
                (f"data.{place}.languages", f"{tag!r} is not in 'languages'")
                for tag in data.languages or ()
                if tag not in self.languages
            ]
        if self.code_switching is not None:
            found += _wrong_tags("code_switching.languages", self.code_switching.languages)
            if "en" not in self.languages:
                found.append(("code_switching", "it switches words of English, which is not in 'languages'"))
        if self.keywords is not None:
            found += _wrong_tags("keywords.languages", self.keywords.languages)
            if names != ["inter_modal"]:
                found.append(("keywords", "they go with the objective 'inter_modal' alone"))
        if self.validation is not None:
            found += _wrong_tags("validation.languages", self.validation.languages or ())
        kept_back = {data.corpus for data in self.data if data.held_out is not None}
        found += [
            (f"data.{place}.held_out", f"{data.corpus!r} comes several times with different shares held out")
            for place, data in enumerate(self.data)
            if any(other.corpus == data.corpus and other.held_out != data.held_out for other in self.data)
        ]
        trained = {(data.corpus, data.split) for data in self.data}
        for number, table in enumerate(self.validation.tables if self.validation else ()):
            where = f"validation.tables.{number}.split"
            if table.split == HELD_OUT and table.corpus not in kept_back:
                found.append(
                    (where, f"nothing of {table.corpus!r} is held out: give 'held_out' under 'data'")
                )
            if (table.corpus, table.split) in trained:
                found.append((where, f"{table.corpus!r} {table.split} is trained on, too"))
        return found


# What takes the place of a required part that is wrong, while the rest is examined.
_STAND_INS = {"run": "unnamed", "optimiser": {"steps": 1}}


def read_training_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a YAML file, with ``overrides`` as ``polyreel.recipes.read_recipe`` takes them.

    Raises:
        RecipeError: with all mistakes.
    """
    return read_recipe(path, Recipe, overrides, stand_ins=_STAND_INS)


def examine_training_recipe(path: Path, overrides: Sequence[str] = ()) -> Reading[Recipe]:
    """The recipe in a YAML file, and all that is wrong with it; see ``polyreel.recipes.examine_recipe``.

    Raises:
        RecipeError: there is no YAML mapping to examine.
    """
    return examine_recipe(path, Recipe, overrides, stand_ins=_STAND_INS)


def _wrong_tags(place: str, tags: tuple[str, ...]) -> list[Problem]:
    unknown = [(place, f"{tag!r} is not a language tag") for tag in tags if parse_tag(tag) != tag]
    return unknown + [(place, f"{tag!r} comes twice") for tag in _twice(tags)]


def _twice(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
