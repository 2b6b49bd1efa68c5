"""A study as a YAML file says it: which arms, on what, measured how. Nothing here needs PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from polyreel.errors import UnknownNameError
from polyreel.languages import STUDY_LANGUAGES, parse_tag
from polyreel.recipes import Problem, read_recipe

__all__ = [
    "ARM_NAMES",
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

ARM_NAMES = ("T0", "T1", "T2", "V1", "V2", "V3", "V2-blind", "V2-shuffled")
"""The arms of every study; ``arms.ARMS`` says what each is."""

_Chance = Annotated[float, Field(ge=0, le=1)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CorpusSpec(_Spec):
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


class PretrainingSpec(_Spec):
    """Masked language modelling that an encoder ``scratch`` begins with (``training.pretrain``).

    Attributes:
        text: corpora of text in many languages. An item gives its text in one language only, the one that
            has least so far: no two languages say the same.
        steps, texts_a_step, lr, seed: as in ``training.pretrain``.
    """

    text: tuple[str, ...] = Field(min_length=1)
    steps: int = Field(default=1000, ge=1)
    texts_a_step: int = Field(default=64, ge=1)
    lr: float = Field(default=1e-3, gt=0)
    seed: int = Field(default=0, ge=0)


class RetrievalSpec(_Spec):
    """Text to video: the first caption of a clip in each language asks for the clip.

    Attributes:
        name: of the benchmark.
        corpus: as in ``CorpusSpec``.
        split: which clips are the gallery.
        clips: at most so many.
        features: as in ``CorpusSpec``.
    """

    name: _Name
    corpus: str = Field(min_length=1)
    split: str = Field(default="dev", min_length=1)
    clips: int | None = Field(default=None, ge=4)
    features: str | None = None


class XnliSpec(_Spec):
    """X-MNLI retrieval: a premise against its three hypotheses.

    Attributes:
        folder: below ``--data``.
        split: of XNLI.
        premises: at most so many.
    """

    folder: str = "xnli"
    split: Literal["dev", "test"] = "dev"
    premises: int | None = Field(default=None, ge=4)


class BitextSpec(_Spec):
    """NTREX: a sentence against all English ones.

    Attributes:
        folder: below ``--data``.
        sentences: at most so many.
    """

    folder: str = "ntrex"
    sentences: int | None = Field(default=None, ge=4)


class MeasureSpec(_Spec):
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


class VariantSpec(_Spec):
    """Further arms: V2 with one thing changed.

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


class StudyRecipe(_Spec):
    """A study: arms times encoders times seeds.

    Attributes:
        study: its name.
        description: what it is for.
        seeds: each arm is trained with each.
        languages: that are measured, English among them.
        encoders: name -> text tower of a training recipe (``model.text``).
        pretraining: name of an encoder ``scratch`` -> what it has learnt before any arm begins.
        arms: see ``arms.ARMS``.
        variants: further arms.
        video: clips that the arms with vision train on.
        text: what the text-only baselines T1 and T2 train on; empty takes the captions of ``video``.
        folders: name of a corpus -> its folder below ``--data``, where that has another name.
        texts_per_clip: captions that a step shows of a clip, the switched ones among them.
        training: the rest of a training recipe, alike in all arms: ``model`` but for the text tower,
            ``objectives``, ``code_switching``, ``batch``, ``optimiser``.
        by_encoder: name of an encoder -> what of ``training`` is otherwise with it.
        measure: what on.
        resamples: of the bootstrap.
        examples: queries whose nearest clips the report shows.
        show_pictures: with thumbnails, which not every dataset's terms allow to be passed on.
    """

    study: _Name
    description: str = ""
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=2)
    languages: tuple[str, ...] = Field(default=STUDY_LANGUAGES, min_length=2)
    encoders: dict[_Name, dict[str, Any]] = Field(min_length=1)
    pretraining: dict[str, PretrainingSpec] = {}
    arms: tuple[str, ...] = Field(default=ARM_NAMES, min_length=2)
    variants: VariantSpec = VariantSpec()
    video: tuple[CorpusSpec, ...] = Field(min_length=1)
    text: tuple[CorpusSpec, ...] = ()
    folders: dict[str, str] = {}
    texts_per_clip: int = Field(default=2, ge=2)
    training: dict[str, Any]
    by_encoder: dict[str, dict[str, Any]] = {}
    measure: MeasureSpec
    resamples: int = Field(default=2000, ge=100)
    examples: int = Field(default=2, ge=0)
    show_pictures: bool = True

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
        found = [
            ("arms", str(UnknownNameError("arm", name, ARM_NAMES)))
            for name in self.arms
            if name not in ARM_NAMES
        ]
        found += [(where, f"{value!r} comes twice") for where, value in self._twice()]
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
        needs_switching = (
            any(name == "T2" or name.startswith("V2") for name in self.arms) or self._has_variants
        )
        if needs_switching and not self.training.get("code_switching"):
            found.append(("training.code_switching", "is missing, and arms need it"))
        if self._has_variants and "V2" not in self.arms:
            found.append(("variants", "they are variants of V2, which is not among the arms"))
        return found

    @property
    def _has_variants(self) -> bool:
        return bool(self.variants.p or self.variants.leave_out or self.variants.modes)

    def _twice(self) -> list[tuple[str, object]]:
        lists: Mapping[str, tuple[object, ...]] = {
            "arms": self.arms,
            "seeds": self.seeds,
            "languages": self.languages,
            "variants.p": self.variants.p,
            "variants.leave_out": self.variants.leave_out,
        }
        return [
            (where, value)
            for where, values in lists.items()
            for value in dict.fromkeys(values)
            if values.count(value) > 1
        ]


def read_study(path: Path) -> StudyRecipe:
    """The study in a YAML file.

    Raises:
        RecipeError: with all mistakes.
        UsageError: PyYAML is not installed.
    """
    return read_recipe(path, StudyRecipe, stand_ins={"study": "unnamed"})
