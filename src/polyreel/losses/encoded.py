"""A batch as the objectives see it."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["Encoded"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Embeddings of a batch of items with their texts; all vectors are of length 1.

    Attributes:
        text: (texts, dim).
        owner: (texts,) row of the item that each text is about.
        language: (texts,) number of its language.
        concept: (items,) items with the same number are positives of each other, so never negatives.
        has_video: (items,) whether the item has a video.
        video: (items, dim); rows without video mean nothing. None if no item has one.
        text_masked, video_masked: masked views, only where an objective requires them.
        also: (texts, items) items that a keyword describes, its own among them; none of a caption. None where
            there are no keywords.
        text_changed, video_changed: (texts,) and (items,) whether the view lost anything; None if all did.
    """

    text: Float[Tensor, "texts dim"]
    owner: Int[Tensor, " texts"]
    language: Int[Tensor, " texts"]
    concept: Int[Tensor, " items"]
    has_video: Bool[Tensor, " items"]
    video: Float[Tensor, "items dim"] | None = None
    text_masked: Float[Tensor, "texts dim"] | None = None
    video_masked: Float[Tensor, "items dim"] | None = None
    text_changed: Bool[Tensor, " texts"] | None = None
    video_changed: Bool[Tensor, " items"] | None = None
    also: Bool[Tensor, "texts items"] | None = None

    @property
    def text_concept(self) -> Int[Tensor, " texts"]:
        """Concept of the item that each text is about."""
        return self.concept[self.owner]
