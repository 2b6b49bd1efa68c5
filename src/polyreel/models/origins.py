"""What text encoders were trained on before any training here, for reports to print beside their results.

An encoder that was trained on translations is aligned across languages already, and one that has read a
benchmark's kind of text knows it: neither is told by a figure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from polyreel.models.specs import E5_SMALL, HASHED_BAG, TextTowerSpec

__all__ = ["TextEncoderOrigin", "origin_of"]


@dataclass(frozen=True, slots=True)
class TextEncoderOrigin:
    """Where a text encoder comes from.

    Attributes:
        encoder: as a recipe names it.
        trained_on: what its weights have learnt from, each with its source; empty where they are random, None
            where it is not known here.
        shared: what its languages share before training, in words.
        aligned: whether it has learnt from translations; None where it is not known here.
    """

    encoder: str
    trained_on: tuple[str, ...] | None
    shared: str
    aligned: bool | None

    def __str__(self) -> str:
        known = "not known here: see its own card" if self.trained_on is None else "; ".join(self.trained_on)
        return (
            f"{self.encoder}: trained on {known or 'nothing, random weights'}; shared between languages: "
            + (self.shared)
        )


def origin_of(spec: TextTowerSpec) -> TextEncoderOrigin:
    """What the encoder of a text tower was trained on, and what its languages share."""
    found = _origin_of_encoder(spec)
    if spec.fresh_rows is None:
        return found
    fresh = ", ".join(spec.fresh_rows.languages)
    return replace(
        found, shared=f"{found.shared}, but for the word rows of {fresh}, which are random at the start"
    )


def _origin_of_encoder(spec: TextTowerSpec) -> TextEncoderOrigin:
    if spec.encoder == HASHED_BAG:
        head = "nothing" if spec.head == "none" else "the map behind it, of random weights"
        return TextEncoderOrigin(HASHED_BAG, (), head, aligned=False)
    if spec.encoder == E5_SMALL:
        return TextEncoderOrigin(
            E5_SMALL,
            (
                "pairs of texts in many languages, translation pairs (NLLB) among them "
                "(Wang et al. 2024, Multilingual E5, pre-training)",
                "labelled pairs, natural language inference among them (the same, fine-tuning)",
            ),
            "vocabulary and all weights",
            aligned=True,
        )
    return TextEncoderOrigin(spec.encoder, None, "see its own card", aligned=None)
