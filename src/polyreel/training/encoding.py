"""A batch -> vectors -> what the objectives see: cut into chunks, masked, and gathered from all processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from polyreel.losses.encoded import Encoded
from polyreel.models.inputs import TextInputs
from polyreel.models.towers import TwoTowers
from polyreel.training.batches import Batch
from polyreel.training.distributed import Group
from polyreel.training.gradcache import ChunkedEncoding
from polyreel.training.stable_random import uniform

__all__ = ["MaskedInputs", "Views", "encoded_of", "encodings_of", "masked_frames", "masked_texts"]

Autocast = Callable[[], AbstractContextManager[object]]


class Views:
    """How batches become vectors.

    Args:
        model: whose towers.
        device: they are on.
        autocast: what the towers run under.
        micro_batch: texts, and clips, at a time; None takes all at once.
        mask_rate: share that masked views lack; None for no such views.
    """

    def __init__(
        self,
        model: TwoTowers,
        *,
        device: torch.device,
        autocast: Autocast,
        micro_batch: int | None,
        mask_rate: float | None,
    ) -> None:
        self.model, self.device, self.autocast = model, device, autocast
        self.micro_batch, self.mask_rate = micro_batch, mask_rate

    def masked(self, batch: Batch, inputs: TextInputs) -> MaskedInputs | None:
        """Inputs of the masked views of a batch; None where none are wanted.

        Args:
            batch: Of this process.
            inputs: Its texts, prepared.
        """
        return None if self.mask_rate is None else MaskedInputs.of(batch, inputs, self.mask_rate)


@dataclass(frozen=True, slots=True)
class MaskedInputs:
    """Inputs of masked views, and what the masks changed.

    Attributes:
        texts: masked texts.
        text_changed: (texts,) bool, whether a text lost anything.
        frames: (items, frames) mask of the frames that are left; None where no item has any.
        video_changed: (items,) bool, whether an item lost a frame.
    """

    texts: TextInputs
    text_changed: Tensor
    frames: Tensor | None
    video_changed: Tensor

    @classmethod
    def of(cls, batch: Batch, inputs: TextInputs, rate: float) -> MaskedInputs:
        """Views that lack about a share ``rate``.

        Args:
            batch: of this process.
            inputs: its texts, prepared.
            rate: share to leave out, 0 to 1.
        """
        texts = masked_texts(inputs, batch.text_key, rate)
        lost = (inputs.features, texts.features) if inputs.mask is None else (inputs.mask, texts.mask)
        assert lost[0] is not None
        assert lost[1] is not None
        frames, kept = batch.frame_mask, None
        unchanged = torch.zeros(len(batch.items), dtype=torch.bool)
        if frames is not None:
            kept = masked_frames(frames, batch.item_key, rate)
        return cls(
            texts,
            (lost[0] != lost[1]).any(dim=1),
            kept,
            unchanged if frames is None or kept is None else (frames != kept).any(dim=1),
        )


def encodings_of(
    batch: Batch, inputs: TextInputs, views: Views, masked: MaskedInputs | None = None
) -> dict[str, ChunkedEncoding]:
    """What has to be computed for a batch: ``text`` and ``video``, and ``.._masked`` where views are wanted.

    Args:
        batch: of this process.
        inputs: its texts, prepared.
        views: how.
        masked: inputs of masked views; None for none.
    """
    encodings = {"text": _text_encoding(inputs, views)}
    if masked is not None:
        encodings["text_masked"] = _text_encoding(masked.texts, views)
    if views.model.video is not None:
        encodings["video"] = _video_encoding(batch, batch.frame_mask, views)
        if masked is not None:
            encodings["video_masked"] = _video_encoding(batch, masked.frames, views)
    return encodings


def encoded_of(
    vectors: Mapping[str, Tensor], batch: Batch, group: Group, masked: MaskedInputs | None = None
) -> Encoded:
    """The whole batch, of all processes, from this one's vectors; see ``distributed`` for the gradient.

    Args:
        vectors: Name -> (rows, dim) unit vectors of this process, as ``encodings_of`` names them.
        batch: Of this process.
        group: All processes.
        masked: Inputs of its masked views; None for none.
    """
    device = vectors["text"].device

    def whole(part: Tensor) -> Tensor:
        return group.gather(part.to(device))

    return Encoded(
        owner=whole(batch.owner + batch.first),
        language=whole(batch.language),
        concept=whole(batch.concept),
        has_video=whole(batch.has_video),
        also=None if batch.also is None else whole(batch.also),
        text_changed=None if masked is None else whole(masked.text_changed),
        video_changed=None if masked is None else whole(masked.video_changed),
        **{name: whole(part) for name, part in vectors.items()},
    )


def masked_texts(inputs: TextInputs, keys: Tensor, rate: float) -> TextInputs:
    """A view that lacks about a share ``rate`` of each text: of its tokens but the first, or of the
    dimensions of ``features`` where tokens are no longer known.

    Args:
        inputs: Texts.
        keys: (texts,) int64, which the draws of each text depend on.
        rate: Share to leave out, 0 to 1.
    """
    if inputs.features is not None:
        return replace(inputs, features=inputs.features * (uniform(keys, inputs.features.shape[1]) >= rate))
    assert inputs.mask is not None
    kept = uniform(keys, inputs.mask.shape[1]) >= rate
    kept[:, 0] = True
    return replace(inputs, mask=inputs.mask & kept)


def masked_frames(mask: Tensor, keys: Tensor, rate: float) -> Tensor:
    """A mask of frames without about a share ``rate`` of each item's; an item that has frames keeps one.

    Args:
        mask: (items, frames) bool.
        keys: (items,) int64, which the draws of each item depend on.
        rate: Share to leave out, 0 to 1.
    """
    drawn = uniform(keys, mask.shape[1])
    highest = drawn.masked_fill(~mask, -1.0).argmax(dim=1, keepdim=True)
    return mask & (drawn >= rate).scatter(1, highest, True)


def _text_encoding(inputs: TextInputs, views: Views) -> ChunkedEncoding:
    length = inputs.mask.sum(dim=1) if inputs.mask is not None else torch.zeros(len(inputs))
    # Texts of like length share a chunk, so that little of it is padding. The shortest come first: dropout is
    # drawn in this order, and with another the cells of a study would not come out as they were published.
    order = length.argsort(stable=True)

    def run(rows: Tensor) -> Callable[[], Tensor]:
        def compute() -> Tensor:
            with views.autocast():
                return views.model.encode_text(inputs.some(rows).to(views.device))

        return compute

    return _chunked(order, run, rows=len(inputs), views=views)


def _video_encoding(batch: Batch, mask: Tensor | None, views: Views) -> ChunkedEncoding:
    order = batch.has_video.nonzero().squeeze(1)

    def run(rows: Tensor) -> Callable[[], Tensor]:
        def compute() -> Tensor:
            assert mask is not None
            assert batch.frames is not None
            with views.autocast():
                frames, kept = batch.frames[rows].to(views.device), mask[rows].to(views.device)
                return views.model.encode_video(frames, kept)

        return compute

    return _chunked(order, run, rows=len(batch.items), views=views)


def _chunked(
    order: Tensor, run: Callable[[Tensor], Callable[[], Tensor]], *, rows: int, views: Views
) -> ChunkedEncoding:
    chunks = [(part.to(views.device), run(part)) for part in _parts(order, views.micro_batch)]
    return ChunkedEncoding(chunks, rows=rows, dim=views.model.spec.dim, device=views.device)


def _parts(order: Tensor, size: int | None) -> Iterator[Tensor]:
    size = size or max(1, len(order))
    for start in range(0, len(order), size):
        yield order[start : start + size]
