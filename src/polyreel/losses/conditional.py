"""Pairs of texts seen together with the video of the first, against other texts seen with that same video.

Whatever a text is compared with, the video is the same on both sides: it says which texts go together only
through what they say. Were each negative seen with its own video instead, the videos alone would tell the
pair from the negatives, and the texts need not be read.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from polyreel.losses.encoded import Encoded
from polyreel.losses.nce import pair_losses

__all__ = ["conditioned_pair_losses"]

# Texts that are seen with a video at a time; they are computed again in the backward pass.
_ROWS_AT_ONCE = 4096


def conditioned_pair_losses(
    conditioner: nn.Module,
    encoded: Encoded,
    anchor: Int[Tensor, " pairs"],
    other: Int[Tensor, " pairs"],
    temperature: Float[Tensor, ""],
    *,
    negatives: int | None = None,
) -> Float[Tensor, " pairs"]:
    """``NCE((x|v) -> (y|v); negatives: (y'|v) in the language of y about other concepts)`` of each pair.

    Every text is seen with every video that a pair has, so the cost grows with items times texts. Of more
    rows than a block has, none is kept for the backward pass.

    Args:
        conditioner: Vectors of texts (rows, dim) and of videos (rows, dim) -> unit vectors (rows, width).
        encoded: Batch; items without video are passed over.
        anchor, other: Rows of x and y of each pair, of items with video, those of one item in a row.
        temperature: Scalar that divides cosines.
        negatives: of how many other items with video the texts are negatives: of those that follow in the
            batch, at whose end its beginning follows. None for all.
    """
    assert encoded.video is not None
    items = torch.unique(encoded.owner[anchor])
    wanted = _candidates(encoded, items, negatives)
    bounds = torch.searchsorted(encoded.owner[anchor].contiguous(), items)
    ends = [*bounds.tolist()[1:], len(anchor)]
    counts = wanted.sum(dim=1).tolist()
    blocks = list(_blocks(counts))
    losses = []
    for first, last in blocks:
        pairs = slice(int(bounds[first]), ends[last - 1])
        place = torch.searchsorted(items[first:last], encoded.owner[anchor[pairs]])
        block = _Block(conditioner, encoded, wanted[first:last], place, anchor[pairs], other[pairs])
        of = (encoded.text, encoded.video[items[first:last]], temperature)
        losses.append(block(*of) if len(blocks) == 1 else checkpoint(block, *of, use_reentrant=False))
    return torch.cat(losses)


def _candidates(
    encoded: Encoded, items: Int[Tensor, " items"], negatives: int | None
) -> Bool[Tensor, "items texts"]:
    """Which texts are seen with the video of which item: its own, and those of the items after it."""
    seen = encoded.has_video[encoded.owner]
    if negatives is None:
        return seen.expand(len(items), -1)
    turn = encoded.has_video.cumsum(0) - 1
    ahead = (turn[encoded.owner][None] - turn[items][:, None]) % int(encoded.has_video.sum())
    return seen & (ahead <= negatives)


def _blocks(counts: list[int]) -> Iterator[tuple[int, int]]:
    """First and last but one of as many items as have no more texts together than a block takes; one at
    least.
    """
    first = rows = 0
    for number, count in enumerate(counts):
        if number > first and rows + count > _ROWS_AT_ONCE:
            yield first, number
            first, rows = number, 0
        rows += count
    if counts:
        yield first, len(counts)


class _Block:
    """Losses of the pairs of some items.

    Args:
        conditioner, encoded: as in ``conditioned_pair_losses``.
        wanted: (items, texts) which texts are seen with which video.
        place: (pairs,) number of each pair's item among these, ascending.
        anchor, other: (pairs,) rows of the texts.
    """

    def __init__(
        self,
        conditioner: nn.Module,
        encoded: Encoded,
        wanted: Tensor,
        place: Tensor,
        anchor: Tensor,
        other: Tensor,
    ) -> None:
        self._conditioner, self._wanted = conditioner, wanted
        self._concept, self._language = encoded.text_concept, encoded.language
        self._place, self._anchor, self._other = place, anchor, other

    def __call__(self, text: Tensor, video: Tensor, temperature: Tensor) -> Tensor:
        at, row = self._wanted.nonzero(as_tuple=True)
        seen: Tensor = self._conditioner(text[row], video[at])
        counts = self._wanted.sum(dim=1)
        before = (counts.cumsum(0) - counts)[:, None] + self._wanted.cumsum(dim=1) - 1
        first, second = seen[before[self._place, self._anchor]], seen[before[self._place, self._other]]
        own = (first * second).sum(dim=1) / temperature
        sizes = torch.bincount(self._place, minlength=len(counts)).tolist()
        parts = zip(
            *(torch.split(part, sizes) for part in (first / temperature, self._anchor, self._other)),
            *(torch.split(part, counts.tolist()) for part in (seen, row)),
            strict=True,
        )
        return pair_losses(own, torch.cat([self._log_negatives(*part) for part in parts]))

    def _log_negatives(
        self, scaled: Tensor, anchor: Tensor, other: Tensor, seen: Tensor, row: Tensor
    ) -> Tensor:
        """``N`` of the pairs of one item: over texts of other concepts in the language of the second."""
        scores = scaled @ seen.T
        excluded = self._concept[anchor][:, None] == self._concept[row]
        excluded |= self._language[other][:, None] != self._language[row]
        # Not minus infinity: an anchor without negatives would have a gradient of NaN.
        return scores.masked_fill(excluded, torch.finfo(scores.dtype).min / 2).logsumexp(dim=1)
