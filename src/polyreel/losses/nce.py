"""Noise-contrastive estimation with several positives, in memory that grows with the batch, not its square.

The loss of one positive pair (a, p) with cosines over the temperature t is

    -log( exp(a.p / t) / (exp(a.p / t) + sum over negatives n of exp(a.n / t)) )  =  softplus(N(a) - a.p / t)

with N(a) = log sum over negatives n of exp(a.n / t) (van den Oord et al. 2018, InfoNCE). Whatever shares the
anchor's concept is not a negative; other positives do not compete with p. An
anchor without negatives costs 0.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  PyTorch's own abbreviation
from torch.utils.checkpoint import checkpoint

__all__ = [
    "by_blocks",
    "log_negatives",
    "log_negatives_in",
    "mean_of_groups",
    "pair_losses",
    "pairs_within",
    "text_pair_losses",
]

# Scores of one block of rows are held at a time, and computed again in the backward pass.
_ROWS_AT_ONCE = 512


def log_negatives(
    anchors: Float[Tensor, "anchors dim"],
    anchor_concept: Int[Tensor, " anchors"],
    candidates: Float[Tensor, "candidates dim"],
    candidate_concept: Int[Tensor, " candidates"],
    temperature: Float[Tensor, ""],
    also: Bool[Tensor, "anchors candidates"] | None = None,
) -> Float[Tensor, " anchors"]:
    """``N(a)`` of every anchor: over the candidates of other concepts. Very negative where there are none.

    Args:
        anchors, candidates: Unit vectors.
        anchor_concept, candidate_concept: Concept of each.
        temperature: Scalar that divides cosines.
        also: Further candidates that are not negatives of an anchor.
    """

    def of_block(anchors: Tensor, concept: Tensor, also: Tensor | None = None) -> Tensor:
        scores = (anchors / temperature) @ candidates.T
        # Not minus infinity: an anchor without negatives would have a gradient of NaN.
        nothing = torch.finfo(scores.dtype).min / 2
        positive = concept[:, None] == candidate_concept
        return scores.masked_fill(positive if also is None else positive | also, nothing).logsumexp(dim=1)

    if not len(candidates):
        return anchors.new_full((len(anchors),), torch.finfo(anchors.dtype).min / 2)
    return by_blocks(of_block, anchors, anchor_concept, *(() if also is None else (also,)))


def log_negatives_in(
    language: Int[Tensor, " pairs"],
    anchor: Int[Tensor, " pairs"],
    anchors: Float[Tensor, "anchors dim"],
    anchor_concept: Int[Tensor, " anchors"],
    candidates: Float[Tensor, "candidates dim"],
    candidate_concept: Int[Tensor, " candidates"],
    candidate_language: Int[Tensor, " candidates"],
    temperature: Float[Tensor, ""],
) -> Float[Tensor, " pairs"]:
    """``N(a)`` of the anchor of each pair over the candidates in the pair's ``language`` alone.

    Args:
        language, anchor: Of each pair, its language and the row of its anchor.
        anchors, anchor_concept: Unit vectors and their concepts.
        candidates, candidate_concept, candidate_language: Unit vectors, their concepts and languages.
        temperature: Scalar that divides cosines.
    """
    (tags, rows), pair = torch.unique(torch.stack([language, anchor]), dim=1, return_inverse=True)
    parts = []
    # The pairs come out sorted by language, so the parts follow each other.
    for tag in torch.unique(tags):
        at, there = rows[tags == tag], candidate_language == tag
        parts.append(
            log_negatives(
                anchors[at], anchor_concept[at], candidates[there], candidate_concept[there], temperature
            )
        )
    return torch.cat(parts)[pair] if parts else anchors.new_zeros(0)


def pairs_within(owner: Int[Tensor, " texts"]) -> tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]]:
    """All ordered pairs of different texts of one owner: the first of each pair, and the second."""
    order = owner.argsort(stable=True)
    ranked = owner[order]
    most = int(owner.bincount().max()) if len(owner) else 0
    first, second = [order[:0]], [order[:0]]
    for step in range(1, most):
        same = ranked[step:] == ranked[:-step]
        first.append(order[:-step][same])
        second.append(order[step:][same])
    return torch.cat(first + second), torch.cat(second + first)


def text_pair_losses(
    text: Float[Tensor, "texts dim"],
    anchor: Int[Tensor, " pairs"],
    other: Int[Tensor, " pairs"],
    concept: Int[Tensor, " texts"],
    language: Int[Tensor, " texts"],
    temperature: Float[Tensor, ""],
) -> Float[Tensor, " pairs"]:
    """NCE of each pair of texts; negatives are texts of other concepts in the language of the second.

    Args:
        text: Unit vectors.
        anchor, other: Rows of the first and second text of each pair.
        concept, language: Of each text.
        temperature: Scalar that divides cosines.
    """
    own = (text[anchor] * text[other]).sum(dim=1) / temperature
    negatives = log_negatives_in(language[other], anchor, text, concept, text, concept, language, temperature)
    return pair_losses(own, negatives)


def pair_losses(
    positives: Float[Tensor, " pairs"], negatives: Float[Tensor, " pairs"]
) -> Float[Tensor, " pairs"]:
    """``softplus(N(a) - a.p / t)`` of pairs whose scores over the temperature are ``positives``."""
    return F.softplus(negatives - positives)


def by_blocks(function: Callable[..., Tensor], *rows: Tensor) -> Tensor:
    """``function(*rows)``, block of rows by block; ``function`` must treat rows one by one.

    With more than one block, none keeps its intermediate results for the backward pass.
    """
    if len(rows[0]) <= _ROWS_AT_ONCE:
        return function(*rows)
    blocks = zip(*(torch.split(part, _ROWS_AT_ONCE) for part in rows), strict=True)
    return torch.cat([checkpoint(function, *block, use_reentrant=False) for block in blocks])


def mean_of_groups(losses: Float[Tensor, " pairs"], group: Int[Tensor, " pairs"]) -> Float[Tensor, ""]:
    """Mean over the groups that occur of the mean in each; 0 without any pair."""
    if not len(losses):
        return losses.sum()
    _, place, count = torch.unique(group, return_inverse=True, return_counts=True)
    sums = losses.new_zeros(len(count)).index_add(0, place, losses)
    mean: Tensor = (sums / count).mean()
    return mean
