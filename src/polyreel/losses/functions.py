"""The objectives as functions of plain tensors; the modules of ``objectives`` compute them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from polyreel.errors import UsageError, require_positive
from polyreel.losses.encoded import Encoded
from polyreel.losses.objectives import Distillation, InterModal, IntraModal, TextContrastive
from polyreel.models.pooling import precise, unit

__all__ = ["distillation_kl", "inter_modal_nce", "intra_modal_nce", "text_contrastive_nce"]


def inter_modal_nce(
    text: Tensor,
    video: Tensor,
    *,
    temperature: float | Tensor = 0.1,
    owner: Tensor | None = None,
    language: Tensor | None = None,
    concept: Tensor | None = None,
) -> Tensor:
    """Symmetric NCE of texts and videos: the loss of CLIP, with several positives and languages.

    ``InterModal`` gives the formula and its source.

    Args:
        text: (texts, dim) float, of any length: vectors are normalised here.
        video: (items, dim) float.
        temperature: What cosines are divided by; a scalar tensor can be trained.
        owner: (texts,) int64, row of the item that each text is about. None pairs row with row.
        language: (texts,) int64, number of each text's language: a video is compared with the texts of one
            language at a time, and every language counts alike. None for one language.
        concept: (items,) int64, items with the same number are not negatives of each other. None for all
            different.

    Returns:
        Scalar, 0 where there is only one concept.

    Raises:
        UsageError: shapes do not go together, or a temperature is not above 0.
    """
    encoded = _encoded(text, owner=owner, language=language, concept=concept, video=video)
    return _value(InterModal(), encoded, temperature)


def intra_modal_nce(
    vectors: Tensor,
    masked: Tensor,
    *,
    temperature: float | Tensor = 0.1,
    language: Tensor | None = None,
    concept: Tensor | None = None,
) -> Tensor:
    """NCE of items, texts or videos, with masked or otherwise changed views of themselves.

    ``IntraModal`` gives the formula and its source.

    Args:
        vectors: (items, dim) float, of any length.
        masked: (items, dim) float, a view of each row of ``vectors``.
        temperature: What cosines are divided by; a scalar tensor can be trained.
        language: (items,) int64, number of each text's language; negatives are of the same one. None for one
            language, or for videos.
        concept: (items,) int64, items with the same number are not negatives of each other.

    Raises:
        UsageError: shapes do not go together, or a temperature is not above 0.
    """
    encoded = _encoded(vectors, language=language, concept=concept, text_masked=masked)
    return _value(IntraModal(), encoded, temperature)


def text_contrastive_nce(
    text: Tensor,
    owner: Tensor,
    language: Tensor,
    *,
    temperature: float | Tensor = 0.1,
    concept: Tensor | None = None,
    pairs: Literal["languages", "all"] = "languages",
) -> Tensor:
    """NCE between texts of one item, such as translations of a caption. Needs no video.

    ``TextContrastive`` gives the formula and its source.

    Args:
        text: (texts, dim) float, of any length.
        owner: (texts,) int64, number of the item that each text is about, from 0.
        language: (texts,) int64, number of each text's language.
        temperature: What cosines are divided by; a scalar tensor can be trained.
        concept: (items,) int64, items with the same number are not negatives of each other.
        pairs: ``languages`` pairs texts of different languages, ``all`` also texts of one language.

    Raises:
        UsageError: shapes do not go together, or a temperature is not above 0.
    """
    encoded = _encoded(text, owner=owner, language=language, concept=concept)
    return _value(TextContrastive(pairs), encoded, temperature)


def distillation_kl(
    text: Tensor,
    video: Tensor,
    owner: Tensor,
    language: Tensor,
    *,
    english: int = 0,
    temperature: float | Tensor = 0.1,
    sharpness: float = 1.0,
) -> Tensor:
    """Divergence of how texts rank the videos from how the English texts of their item do.

    ``Distillation`` gives the formula and its source. The English texts get no gradient.

    Args:
        text: (texts, dim) float, of any length.
        video: (items, dim) float.
        owner: (texts,) int64, row of the item that each text is about.
        language: (texts,) int64, number of each text's language.
        english: Number of English, or of another language that teaches.
        temperature: What cosines are divided by; a scalar tensor can be trained.
        sharpness: The teacher's temperature as a share of ``temperature``.

    Raises:
        UsageError: shapes do not go together, or a temperature is not above 0.
    """
    encoded = _encoded(text, owner=owner, language=language, video=video)
    return _value(Distillation(english, sharpness=sharpness), encoded, temperature)


def _value(
    objective: InterModal | IntraModal | TextContrastive | Distillation, encoded: Encoded, t: float | Tensor
) -> Tensor:
    if not isinstance(t, Tensor):
        require_positive(t, "a temperature")
    elif t.numel() != 1:
        raise UsageError("a temperature is one number", value=f"shape {tuple(t.shape)}")
    elif t.device.type == "cpu":  # elsewhere, looking would wait for all that was asked of the device before
        require_positive(t.item(), "a temperature")
    value: Tensor = objective(encoded, torch.as_tensor(t, device=encoded.text.device))
    return value


def _encoded(
    text: Tensor,
    *,
    owner: Tensor | None = None,
    language: Tensor | None = None,
    concept: Tensor | None = None,
    video: Tensor | None = None,
    text_masked: Tensor | None = None,
) -> Encoded:
    """A batch of unit vectors, with what is not given filled in.

    Raises:
        UsageError: shapes do not go together.
    """
    device, texts = text.device, len(text)
    owner = torch.arange(texts, device=device) if owner is None else owner
    highest = int(owner.max()) + 1 if len(owner) else 0
    items = len(video) if video is not None else len(concept) if concept is not None else highest
    language = torch.zeros(texts, dtype=torch.int64, device=device) if language is None else language
    concept = torch.arange(items, device=device) if concept is None else concept
    for name, tensor, shape in (
        ("text", text, (texts, text.shape[-1])),
        ("video", video, (items, text.shape[-1])),
        ("masked", text_masked, tuple(text.shape)),
        ("owner", owner, (texts,)),
        ("language", language, (texts,)),
        ("concept", concept, (items,)),
    ):
        if tensor is not None and tuple(tensor.shape) != shape:
            raise UsageError(
                "a tensor has a shape that does not go with the others",
                item=name,
                value=f"{tuple(tensor.shape)}, not {shape}",
                remedy="Give one row for each text, or say by 'owner' which item each text is about",
            )
    if highest > items:
        raise UsageError("a text belongs to an item that is not there", item="owner", value=highest - 1)
    return Encoded(
        text=unit(precise(text)),
        owner=owner,
        language=language,
        concept=concept,
        has_video=torch.full((items,), video is not None, device=device),
        video=None if video is None else unit(precise(video)),
        text_masked=None if text_masked is None else unit(precise(text_masked)),
    )
