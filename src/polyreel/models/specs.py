"""What a model and its objectives are made of, as a recipe says it. Nothing here needs PyTorch."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from polyreel.languages import STUDY_LANGUAGES

__all__ = [
    "AdapterSpec",
    "AdapterTarget",
    "ConditionalCrossLingualSpec",
    "DistillationSpec",
    "FreshRowsSpec",
    "HashedBagSpec",
    "HeadKind",
    "InterModalSpec",
    "IntraModalSpec",
    "ModelSpec",
    "ObjectiveSpec",
    "PoolingSpec",
    "TextContrastiveSpec",
    "TextTowerSpec",
    "VideoTowerSpec",
]

AdapterTarget = Literal["query", "key", "value", "attention_output", "feed_in", "feed_out"]
"""The six linear maps of a transformer layer that can be adapted."""

HeadKind = Literal["none", "linear", "residual-mlp"]
"""What maps a pooled vector into the shared space.

``none`` leaves it as it is. ``residual-mlp`` adds a two-layer perceptron that starts at zero to it, so that
where the sizes agree training starts from the pooled vector itself.
"""

E5_SMALL = "e5-small"
HASHED_BAG = "hashed-bag"


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class PoolingSpec(_Spec):
    """Transformer pooling. The defaults are MMP's; what MMP leaves open is marked "ours".

    Attributes:
        layers, heads, width: size of the transformer.
        feed_forward: width of its inner layers (ours: four times ``width``).
        dropout: share of activations dropped in training (ours: none, the trainer's masks already vary).
    """

    layers: int = Field(default=2, gt=0)
    heads: int = Field(default=4, gt=0)
    width: int = Field(default=1024, gt=0)
    feed_forward: int | None = Field(default=None, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"'width' {self.width} must be a multiple of 'heads' {self.heads}")
        return self


class AdapterSpec(_Spec):
    """Low-rank adapters (Hu et al. 2021, LoRA): ``W x + (alpha / rank) B A x``, with ``B`` zero at the start.

    Attributes:
        rank: rows of ``A``.
        alpha: scale of what is added, over the rank.
        targets: which linear maps of every layer are adapted.
    """

    rank: int = Field(default=8, gt=0)
    alpha: float = Field(default=16.0, gt=0)
    targets: tuple[AdapterTarget, ...] = Field(default=("query", "value"), min_length=1)

    @model_validator(mode="after")
    def _targets_differ(self) -> Self:
        if len(set(self.targets)) < len(self.targets):
            raise ValueError(f"'targets' names one twice: {', '.join(self.targets)}")
        return self


class HashedBagSpec(_Spec):
    """The encoder ``hashed-bag``: words and pieces of words, hashed apart for each language, random weights.

    Attributes:
        languages: BCP-47 tags of the languages that it reads, code-switched words included.
        buckets: rows of the embedding for each of them: features that meet in one are not told apart.
        width: of a row.
    """

    languages: tuple[str, ...] = Field(default=STUDY_LANGUAGES, min_length=1)
    buckets: int = Field(default=32_768, ge=2)
    width: int = Field(default=128, gt=0)

    @model_validator(mode="after")
    def _languages_differ(self) -> Self:
        if len(set(self.languages)) < len(self.languages):
            raise ValueError(f"'languages' names one twice: {', '.join(self.languages)}")
        return self


class FreshRowsSpec(_Spec):
    """Languages that a trained encoder reads as if it had never seen them: with word rows of their own,
    random at the start and trained, under a frozen body.

    Attributes:
        languages: BCP-47 tags.
        rows: of the trained embedding, for the pieces of all of them together.
    """

    languages: tuple[str, ...] = Field(min_length=1)
    rows: int = Field(default=8192, ge=2)

    @model_validator(mode="after")
    def _languages_differ(self) -> Self:
        if len(set(self.languages)) < len(self.languages):
            raise ValueError(f"'languages' names one twice: {', '.join(self.languages)}")
        if self.rows <= len(self.languages):
            raise ValueError("'rows' must be more than 'languages', each of which has one for unseen pieces")
        return self


class TextTowerSpec(_Spec):
    """Text -> a vector.

    Attributes:
        encoder: ``e5-small`` (the weights of the default bundle), ``hashed-bag`` (random weights), or the
            folder or hub name of a Hugging Face encoder with safetensors weights.
        hashed_bag: what the encoder ``hashed-bag`` is; None takes the defaults.
        fresh_rows: languages that get trained rows of their own in place of the encoder's; the rest of it
            stays as it is. None for none.
        layer: the layer whose output is pooled, counted from 1; None takes the last. MMP takes the 12th.
        frozen_below: layers with a smaller number are frozen, the embeddings too (MMP: 9); 0 trains
            everything. None freezes the whole encoder; ``hashed-bag`` is always trained.
        adapters: low-rank adapters on every layer up to ``layer``.
        pooling: ``mean`` over the tokens, or ``transformer``.
        pooler: size of the transformer pooling.
        language_free: the pooled vector goes through the projection of ``LanguageNeutralProjection``.
        head, head_width: maps to the shared space; width of the inner layer of ``residual-mlp``.
        prefix: put before every text; None takes the encoder's own ("query: " for ``e5-small``).
        max_tokens: longest input in training; a longer text is cut and counted.
        dropout: of the layers that are trained.
    """

    encoder: str = Field(default=E5_SMALL, min_length=1)
    hashed_bag: HashedBagSpec | None = None
    fresh_rows: FreshRowsSpec | None = None
    layer: int | None = Field(default=None, gt=0)
    frozen_below: int | None = Field(default=None, ge=0)
    adapters: AdapterSpec | None = None
    pooling: Literal["mean", "transformer"] = "mean"
    pooler: PoolingSpec = PoolingSpec()
    language_free: bool = False
    head: HeadKind = "linear"
    head_width: int = Field(default=512, gt=0)
    prefix: str | None = None
    max_tokens: int = Field(default=128, gt=2)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.hashed_bag is not None and self.encoder != HASHED_BAG:
            raise ValueError(f"'hashed_bag' describes the encoder {HASHED_BAG!r}, not {self.encoder!r}")
        if self.encoder == HASHED_BAG and (wrong := self._beyond_a_bag()):
            raise ValueError(f"the encoder {HASHED_BAG!r} is one trained table of rows: it has no {wrong}")
        if self.fresh_rows is not None and (wrong := self._beside_fresh_rows()):
            raise ValueError(f"'fresh_rows' are all that is trained of a text encoder: leave {wrong} out")
        if self.language_free and not self.keeps_its_encoder:
            raise ValueError(
                "'language_free' is estimated once on the encoder's own mean-pooled output: "
                "it needs pooling 'mean' and a frozen encoder"
            )
        return self

    @property
    def keeps_its_encoder(self) -> bool:
        """Whether the mean-pooled output of the encoder, adapters aside, stays the same in training."""
        return (
            self.pooling == "mean"
            and self.frozen_below is None
            and self.fresh_rows is None
            and self.encoder != HASHED_BAG
        )

    def _beside_fresh_rows(self) -> str:
        """What would train the encoder otherwise; empty if nothing would."""
        others = {
            "the encoder 'hashed-bag'": self.encoder == HASHED_BAG,
            "'frozen_below'": self.frozen_below is not None,
            "'adapters'": self.adapters is not None,
            "the pooling 'transformer'": self.pooling != "mean",
            "'dropout'": self.dropout > 0,
        }
        return next((name for name, is_there in others.items() if is_there), "")

    def _beyond_a_bag(self) -> str:
        """What is asked of a bag that it does not have; empty if nothing is."""
        parts = {
            "layers: leave 'layer' out": self.layer,
            "layers: leave 'frozen_below' out": self.frozen_below,
            "layers: leave 'adapters' out": self.adapters,
            "prefix: leave 'prefix' out": self.prefix,
            "other pooling than 'mean'": self.pooling != "mean" or None,
            "dropout: leave 'dropout' out": self.dropout or None,
        }
        return next((name for name, value in parts.items() if value is not None), "")


class VideoTowerSpec(_Spec):
    """Frame or segment features, one a second -> a vector.

    Attributes:
        features: width of the input: 2,560 for the image networks of the default bundle, 1,280 for that of
            the training-free one.
        pooling: ``transformer``, ``mean``, or ``semantic``: the posterior-weighted class-name embeddings of
            the default bundle, frozen, plus a branch that starts at zero.
        branch: pooling of that branch.
        pooler: size of the transformer pooling.
        power: each value of the mean of the frames is raised to it before the head, its sign kept (power
            normalisation, Perronnin et al. 2010): 0.5 keeps a few strong values from drowning the others.
        time_encoding: what is added to each frame before transformer pooling (MMP: nothing).
        head, head_width: as in ``TextTowerSpec``.
    """

    features: int = Field(default=1280, gt=0)
    pooling: Literal["transformer", "mean", "semantic"] = "transformer"
    branch: Literal["transformer", "mean"] = "mean"
    pooler: PoolingSpec = PoolingSpec()
    power: float = Field(default=1.0, gt=0, le=1)
    time_encoding: Literal["none", "sinusoidal"] = "none"
    head: HeadKind = "linear"
    head_width: int = Field(default=512, gt=0)

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.pooling == "semantic" and self.head == "none":
            raise ValueError("pooling 'semantic' needs a head that maps its branch to the shared space")
        if self.time_encoding != "none" and self.trained_pooling == "mean":
            raise ValueError("'time_encoding' does nothing under mean pooling; choose 'none'")
        if self.power != 1 and self.trained_pooling == "transformer":
            raise ValueError("'power' is of the mean of the frames: it needs pooling 'mean'")
        return self

    @property
    def trained_pooling(self) -> Literal["transformer", "mean"]:
        """How the trained part pools."""
        return self.branch if self.pooling == "semantic" else self.pooling


class ModelSpec(_Spec):
    """Two towers into one space.

    Attributes:
        text, video: the towers; None for ``video`` is a text-only model.
        dim: width of the shared space.
        temperature: divides cosines in every objective, or where it starts if it is trained. MMP: 0.1.
        learn_temperature: it is a parameter, kept at 0.01 or above.
        prior_weight: ``w`` of what is trained beside the training-free prior: an embedding is
            ``[sqrt(1 - w) prior, sqrt(w) trained]``, so that a cosine is ``(1 - w) prior + w trained``. None
            for no prior. Objectives see the trained part alone.
    """

    text: TextTowerSpec = TextTowerSpec()
    video: VideoTowerSpec | None = VideoTowerSpec()
    dim: int = Field(default=384, gt=0)
    temperature: float = Field(default=0.1, gt=0)
    learn_temperature: bool = False
    prior_weight: float | None = Field(default=None, gt=0, lt=1)

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.prior_weight is not None and (
            self.text.encoder != E5_SMALL or not self.text.keeps_its_encoder or not self.text.language_free
        ):
            raise ValueError(
                "'prior_weight' mixes in the default bundle's embeddings: the text tower must be "
                f"{E5_SMALL!r}, frozen, with pooling 'mean' and 'language_free: true'"
            )
        return self


class _ObjectiveSpec(_Spec):
    """What every objective has.

    Attributes:
        weight: factor of the term in the sum.
        temperature: the term's own temperature; None takes the model's.
        average: over what the term is averaged: every ``language`` counts alike, or every ``text``.
    """

    weight: float = Field(default=1.0, gt=0)
    temperature: float | None = Field(default=None, gt=0)
    average: Literal["language", "text"] = "language"


class InterModalSpec(_ObjectiveSpec):
    """Texts and videos of one item attract each other."""

    name: Literal["inter_modal"] = "inter_modal"


class IntraModalSpec(_ObjectiveSpec):
    """Items and masked views of themselves attract each other.

    Attributes:
        mask_rate: share of the tokens and frames that a view lacks.
    """

    name: Literal["intra_modal"] = "intra_modal"
    mask_rate: float = Field(default=0.2, gt=0, lt=1)


class ConditionalCrossLingualSpec(_ObjectiveSpec):
    """Texts of one item in two languages attract each other, both seen together with the video of the first.

    Attributes:
        conditioner: size of the transformer pooling that joins text and video.
        negatives: of how many other items the texts are negatives, each seen with the same video; None for
            all of the batch. The cost grows with items times texts, or with this.
    """

    name: Literal["conditional_cross_lingual"] = "conditional_cross_lingual"
    conditioner: PoolingSpec = PoolingSpec(width=384, layers=1)
    negatives: int | None = Field(default=None, ge=1)


class DistillationSpec(_ObjectiveSpec):
    """Other languages learn the English ranking of the videos.

    Attributes:
        sharpness: English scores are divided by this share of the temperature; below 1 sharpens the teacher.
    """

    name: Literal["distillation"] = "distillation"
    sharpness: float = Field(default=1.0, gt=0)


class TextContrastiveSpec(_ObjectiveSpec):
    """Texts of one item attract each other; needs no video.

    Attributes:
        pairs: ``languages`` pairs texts of different languages, ``all`` also captions of one language.
    """

    name: Literal["text_contrastive"] = "text_contrastive"
    pairs: Literal["languages", "all"] = "languages"


ObjectiveSpec = Annotated[
    InterModalSpec | IntraModalSpec | ConditionalCrossLingualSpec | DistillationSpec | TextContrastiveSpec,
    Field(discriminator="name"),
]
"""Any one objective; ``name`` says which."""
