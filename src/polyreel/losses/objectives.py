"""The terms of the loss. Each sees a whole batch of embeddings and gives one number.

The pieces are in ``nce``: pairs of positives, their negatives, means over languages. Items of one concept and
texts of one item are never negatives of each other. What a term cannot see in a batch (no video, one
language) costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict, Unpack, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from polyreel.errors import UnknownNameError, UsageError, require_positive
from polyreel.losses.conditional import conditioned_pair_losses
from polyreel.losses.conditioner import Conditioner
from polyreel.losses.encoded import Encoded
from polyreel.losses.nce import (
    by_blocks,
    log_negatives,
    log_negatives_in,
    mean_of_groups,
    pair_losses,
    pairs_within,
    text_pair_losses,
)
from polyreel.models.specs import ConditionalCrossLingualSpec, DistillationSpec, ObjectiveSpec

__all__ = [
    "OBJECTIVES",
    "ConditionalCrossLingual",
    "Distillation",
    "InterModal",
    "IntraModal",
    "Losses",
    "Objective",
    "Objectives",
    "TextContrastive",
    "build_objectives",
]

ENGLISH = "en"
MMP_TEMPERATURE = 0.1
Average = Literal["language", "text"]


class Options(TypedDict, total=False):
    """Keyword arguments of every objective; see ``Objective``."""

    weight: float
    temperature: float | None
    average: Average


class Objective(nn.Module):
    """One named term of the loss, over a batch of embeddings.

    Args:
        weight: Factor of the term in ``Objectives``; the term itself is not multiplied by it.
        temperature: What cosines are divided by. None takes what ``forward`` is given.
        average: ``language`` averages over the texts of each language and then over the languages, so that
            every language counts alike; ``text`` averages over all texts.

    Attributes:
        name: Name in recipes and logs.
        requires: What a batch must have for the term to mean anything: ``video``, ``masked`` views, several
            ``languages`` of one item, ``english`` among them. What is missing costs 0.
    """

    name: str
    requires: frozenset[str]

    def __init__(
        self, *, weight: float = 1.0, temperature: float | None = None, average: Average = "language"
    ) -> None:
        super().__init__()
        require_positive(weight, "the weight of an objective")
        if temperature is not None:
            require_positive(temperature, "a temperature")
        if average not in get_args(Average):
            raise UnknownNameError("average", average, get_args(Average))
        self.weight, self._temperature, self._average = weight, temperature, average

    def forward(self, encoded: Encoded, temperature: Float[Tensor, ""] | None = None) -> Float[Tensor, ""]:
        """The term of a batch.

        Args:
            encoded: Batch of unit vectors.
            temperature: Temperature of the model, which may be trained; the term's own takes its place. 0.1,
                as in MMP, where there is neither.
        """
        own = MMP_TEMPERATURE if temperature is None and self._temperature is None else self._temperature
        if own is not None or temperature is None:
            temperature = encoded.text.new_tensor(own).detach()
        # Sums of exponentials need float32 even where the towers run in half precision.
        with torch.autocast(encoded.text.device.type, enabled=False):
            return self._term(encoded, temperature.to(encoded.text.dtype))

    def _term(self, encoded: Encoded, temperature: Tensor) -> Tensor:
        raise NotImplementedError

    def _mean(self, losses: Tensor, language: Tensor) -> Tensor:
        groups = language if self._average == "language" else torch.zeros_like(language)
        return mean_of_groups(losses, groups)


class InterModal(Objective):
    """Symmetric NCE of text and video.

    A text x of item i in language l, and video v_i:

        1/2 [ NCE(x -> v_i; negatives: videos of other concepts)
            + NCE(v_i -> x; negatives: texts in l about items of other concepts) ]

    averaged over the texts of each language and over the languages. Of a keyword there is the first direction
    alone, without the videos that it describes as well among the negatives (``Encoded.also``). The two
    directions have denominators of their own: videos are compared for a text, and texts for a video, never
    both in one sum. Source: Huang et al. 2021 (MMP), inter-modal objective; multiple positives are ours.

    Requirements:
        ``Encoded.video``. Items with the same ``concept`` are not negatives of each other.

    Relations:
        With one text an item, one language and no shared concept it is the loss of CLIP (Radford et al.
        2021). ``Distillation`` keeps the ranking of English instead of the diagonal. ``inter_modal_nce`` is
        the same for plain tensors.
    """

    name = "inter_modal"
    requires = frozenset({"video"})

    def _term(self, encoded: Encoded, temperature: Tensor) -> Tensor:
        seen = _texts_with_video(encoded)
        if encoded.video is None or not seen.any():
            return _nothing(encoded)
        text, language = encoded.text[seen], encoded.language[seen]
        concept, owner = encoded.text_concept[seen], encoded.owner[seen]
        video, video_concept = encoded.video[encoded.has_video], encoded.concept[encoded.has_video]
        own = (text * encoded.video[owner]).sum(dim=1) / temperature
        also = None if encoded.also is None else encoded.also[seen]
        shared = None if also is None else also[:, encoded.has_video]
        to_video = log_negatives(text, concept, video, video_concept, temperature, shared)
        to_text = log_negatives_in(
            language, owner, encoded.video, encoded.concept, text, concept, language, temperature
        )
        losses = (pair_losses(own, to_video) + pair_losses(own, to_text)) / 2
        if also is not None:  # a video has many keywords, so it looks for none
            losses = torch.where(also.any(dim=1), pair_losses(own, to_video), losses)
        return self._mean(losses, language)


class IntraModal(Objective):
    """NCE of an item with a masked view of itself, in each modality.

    Texts: ``NCE(x -> view of x; negatives: views of texts in the same language about other concepts)``,
    averaged over the languages; videos likewise. The mean of the two where both are there. Source: Huang et
    al. 2021 (MMP), intra-modal objective.

    What is masked: of a text a share of its tokens (of its hashed words and pieces, or of the dimensions of
    what a frozen encoder made of it), of a video a share of its frames, never all of them. A view that lost
    nothing is the item itself, and to find it teaches nothing: such texts, and such videos, those of one
    picture among them, are left out as anchors. As negatives they stay.

    Requirements:
        ``Encoded.text_masked`` or ``Encoded.video_masked``: vectors of the same rows from masked input;
        ``text_changed`` and ``video_changed`` say which views lost something, None that all did.

    Relations:
        With dropout in place of masks it is SimCSE (Gao et al. 2021). ``intra_modal_nce`` is the same for
        plain tensors.
    """

    name = "intra_modal"
    requires = frozenset({"masked"})

    def _term(self, encoded: Encoded, temperature: Tensor) -> Tensor:
        terms = []
        if encoded.text_masked is not None:
            text, concept, language = encoded.text, encoded.text_concept, encoded.language
            rows = torch.arange(len(text), device=text.device)
            rows = rows if encoded.text_changed is None else rows[encoded.text_changed]
            own = (text[rows] * encoded.text_masked[rows]).sum(dim=1) / temperature
            others = log_negatives_in(
                language[rows], rows, text, concept, encoded.text_masked, concept, language, temperature
            )
            if len(rows):
                terms.append(self._mean(pair_losses(own, others), language[rows]))
        if encoded.video is not None and encoded.video_masked is not None:
            view, concept, there = encoded.video_masked, encoded.concept, encoded.has_video
            rows = there if encoded.video_changed is None else there & encoded.video_changed
            own = (encoded.video[rows] * view[rows]).sum(dim=1) / temperature
            others = log_negatives(
                encoded.video[rows], concept[rows], view[there], concept[there], temperature
            )
            if rows.any():
                terms.append(pair_losses(own, others).mean())
        return torch.stack(terms).mean() if terms else _nothing(encoded)


class ConditionalCrossLingual(Objective):
    """NCE between texts of one item in two languages, both seen together with the video of the first.

        NCE((x|v) -> (y|v); negatives: (y'|v) in the language of y about items of other concepts)

    with v the video of x and y, on the side of the negatives, too; averaged over the ordered pairs of texts
    of every pair of languages, and over the pairs of languages. Source: Huang et al. 2021 (MMP), conditional
    cross-lingual objective. Were each negative seen with its own video, the videos alone would solve the
    term: constant text brought it from 3.09 to 0.016 in 20 steps.

    Args:
        conditioner: Module that makes unit vectors (rows, width) of the vectors of texts (rows, dim) and of
            videos (rows, dim), such as ``Conditioner``. Its parameters are trained with the towers.
        negatives: of how many other items the texts are negatives, those that follow in the batch; None
            for all. Each costs a pass of the conditioner for every text and item.
        options: As in ``Objective``.

    Requirements:
        ``Encoded.video``, and texts of one item in two languages.

    Relations:
        ``TextContrastive`` is the same without the video. A conditioner may come to pass the video over; then
        they are the same. Constant text costs what guessing costs, log(1 + negatives), whatever the videos.
    """

    name = "conditional_cross_lingual"
    requires = frozenset({"video", "languages"})

    def __init__(
        self, conditioner: nn.Module, *, negatives: int | None = None, **options: Unpack[Options]
    ) -> None:
        super().__init__(**options)
        self.conditioner, self._negatives = conditioner, negatives

    def _term(self, encoded: Encoded, temperature: Tensor) -> Tensor:
        anchor, other = pairs_within(encoded.owner)
        language = encoded.language
        paired = _texts_with_video(encoded)[anchor] & (language[anchor] != language[other])
        if encoded.video is None or not paired.any():
            return _nothing(encoded)
        anchor, other = anchor[paired], other[paired]
        order = encoded.owner[anchor].argsort(stable=True)
        anchor, other = anchor[order], other[order]
        losses = conditioned_pair_losses(
            self.conditioner, encoded, anchor, other, temperature, negatives=self._negatives
        )
        return self._mean(losses, _both(language, anchor, other))


class TextContrastive(Objective):
    """NCE between texts of one item. Needs no video: the text-only baseline.

        NCE(x -> y; negatives: texts in the language of y about items of other concepts)

    averaged over the ordered pairs of texts of every pair of languages, and over the pairs of languages. With
    ``pairs="all"`` captions of one language are pairs too. Source: ours, after the translation ranking of
    Feng et al. 2022 (LaBSE).

    Args:
        pairs: ``languages`` pairs texts of different languages, ``all`` also texts of one language.
        options: As in ``Objective``.

    Requirements:
        Two or more texts of one item; in different languages under ``pairs="languages"``.

    Relations:
        The text-only counterpart of ``ConditionalCrossLingual``. ``text_contrastive_nce`` is the same for
        plain tensors.
    """

    name = "text_contrastive"

    def __init__(self, pairs: Literal["languages", "all"] = "languages", **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self._same_language = pairs == "all"
        self.requires = frozenset() if self._same_language else frozenset({"languages"})

    def _term(self, encoded: Encoded, temperature: Tensor) -> Tensor:
        language = encoded.language
        anchor, other = pairs_within(encoded.owner)
        if not self._same_language:
            differ = language[anchor] != language[other]
            anchor, other = anchor[differ], other[differ]
        losses = text_pair_losses(encoded.text, anchor, other, encoded.text_concept, language, temperature)
        return self._mean(losses, _both(language, anchor, other))


class Distillation(Objective):
    """Texts of other languages learn to rank the videos as the English texts of their item do.

        KL( mean over English texts e of i of softmax(e.v / (s t)) || softmax(x.v / t) )

    over all videos of the batch, for every text x of item i in another language; the first distribution gets
    no gradient. Averaged over the texts of each language and over the languages. Source: Rouditchenko et al.
    2023 (C2KD); the mean over several English texts and the sharpness s are ours.

    Args:
        english: Number of English in ``Encoded.language``.
        sharpness: s; below 1 sharpens the teacher.
        options: As in ``Objective``.

    Requirements:
        ``Encoded.video``, and English beside other languages in texts of one item.

    Relations:
        Stands beside ``InterModal``, which trains the English texts: they get no gradient here.
    """

    name = "distillation"
    requires = frozenset({"video", "languages", "english"})

    def __init__(self, english: int, *, sharpness: float = 1.0, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self._sharpness, self._english = sharpness, english

    def _term(self, encoded: Encoded, temperature: Tensor) -> Tensor:
        english = encoded.language == self._english
        english_texts = torch.zeros_like(encoded.concept).index_add(0, encoded.owner, english.long())
        students = ~english & (english_texts[encoded.owner] > 0)
        if encoded.video is None or not students.any() or not encoded.has_video.any():
            return _nothing(encoded)
        video = encoded.video[encoded.has_video]
        teacher, teacher_owner = encoded.text[english].detach(), encoded.owner[english]
        sharp = (self._sharpness * temperature).detach()

        def divergence(student: Tensor, owner: Tensor) -> Tensor:
            # A block of students looks at its own teachers only.
            those = torch.isin(teacher_owner, owner)
            own = (owner[:, None] == teacher_owner[those]).to(student.dtype)
            own = own / own.sum(dim=1, keepdim=True)
            target = own @ (teacher[those] @ video.detach().T / sharp).softmax(dim=1)
            learned = (student @ video.T / temperature).log_softmax(dim=1)
            return (torch.xlogy(target, target) - target * learned).sum(dim=1)

        losses = by_blocks(divergence, encoded.text[students], encoded.owner[students])
        return self._mean(losses, encoded.language[students])


OBJECTIVES: Mapping[str, type[Objective]] = {
    objective.name: objective
    for objective in (InterModal, IntraModal, ConditionalCrossLingual, Distillation, TextContrastive)
}


@dataclass(frozen=True, slots=True)
class Losses:
    """What a batch costs.

    Attributes:
        total: weighted sum of the terms; its gradient is what a step follows.
        terms: name -> unweighted term.
    """

    total: Float[Tensor, ""]
    terms: Mapping[str, Float[Tensor, ""]]


class Objectives(nn.Module):
    """All terms of a recipe.

    Args:
        terms: the objectives, no name twice.
    """

    def __init__(self, terms: Sequence[Objective]) -> None:
        super().__init__()
        self.terms = nn.ModuleDict({term.name: term for term in terms})

    @property
    def requires(self) -> frozenset[str]:
        """What a batch must have for every term to mean something."""
        return frozenset().union(*(term.requires for term in self._each()))

    def forward(self, encoded: Encoded, temperature: Float[Tensor, ""] | None = None) -> Losses:
        """The terms of a batch and their weighted sum; ``temperature`` as in ``Objective``."""
        terms = {term.name: term(encoded, temperature) for term in self._each()}
        total = sum((term.weight * terms[term.name] for term in self._each()), start=_nothing(encoded))
        return Losses(total, terms)

    def _each(self) -> list[Objective]:
        return [term for term in self.terms.values() if isinstance(term, Objective)]


def build_objectives(specs: Sequence[ObjectiveSpec], *, dim: int, languages: Sequence[str]) -> Objectives:
    """The terms of a recipe.

    Args:
        specs: One for each term.
        dim: width of the embeddings.
        languages: tags in the order of their numbers in ``Encoded.language``.

    Raises:
        UsageError: no term, a term twice, or one that needs English in a recipe without it.
    """
    names = [spec.name for spec in specs]
    if not names or len(set(names)) < len(names):
        raise UsageError("a recipe needs one or more different objectives", value=", ".join(names) or "none")
    return Objectives([_build(spec, dim, languages) for spec in specs])


def _build(spec: ObjectiveSpec, dim: int, languages: Sequence[str]) -> Objective:
    options = spec.model_dump(exclude={"name", "mask_rate", "conditioner"})  # the mask makes the batch
    match spec:
        case ConditionalCrossLingualSpec():
            return ConditionalCrossLingual(Conditioner(dim, spec.conditioner), **options)
        case DistillationSpec():
            if ENGLISH not in languages:
                raise UsageError(
                    "the objective 'distillation' learns from English",
                    value=", ".join(languages),
                    remedy="Add 'en' to the languages or leave the objective out",
                )
            return Distillation(list(languages).index(ENGLISH), **options)
        case _:
            return OBJECTIVES[spec.name](**options)


def _nothing(encoded: Encoded) -> Float[Tensor, ""]:
    """0 with a gradient of 0, so that a backward pass runs whatever the batch."""
    return encoded.text[:0].sum()


def _texts_with_video(encoded: Encoded) -> Bool[Tensor, " texts"]:
    return encoded.has_video[encoded.owner]


def _both(
    language: Int[Tensor, " texts"], anchor: Int[Tensor, " pairs"], other: Int[Tensor, " pairs"]
) -> Int[Tensor, " pairs"]:
    """A number for the languages of each pair, in order."""
    return language[anchor] * (language.max() + 1) + language[other]
