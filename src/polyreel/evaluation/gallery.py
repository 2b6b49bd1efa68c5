"""Encode the items of a corpus: media through the encoder, in the same way as a library does."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyreel.datasets.records import Frames, Media
from polyreel.datasets.store.media_features import read_frames
from polyreel.encoders.protocol import Encoder
from polyreel.errors import DatasetError, MediaError
from polyreel.evaluation.items import Item
from polyreel.media.jpeg import encode_jpeg
from polyreel.media.limited import DecodeOptions, DecodeWorker
from polyreel.media.pictures import OpenArchives, read_bytes, read_picture
from polyreel.media.sampling import DEFAULT_SAMPLING
from polyreel.problems import Missing
from polyreel.units import count

__all__ = ["Gallery", "encode_gallery", "thumbnails"]

_THUMBNAIL_PX = (160, 120)


@dataclass(frozen=True, slots=True)
class Gallery:
    """Encoded items. An item is as near to a query as the nearest of its clips.

    Attributes:
        items: those that could be encoded, in the corpus's order.
        vectors: (clips, dim) float32, each item's clips one after the other.
        starts: (items,) row of each item's first clip.
        missing: items whose media could not be read, with the reason.
    """

    items: tuple[Item, ...]
    vectors: NDArray[np.float32]
    starts: NDArray[np.int64]
    missing: tuple[Missing, ...]

    def score(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """(queries, dim) -> (queries, items)."""
        scores = queries @ self.vectors.T
        if len(self.starts) == len(self.vectors):
            return scores
        return np.maximum.reduceat(scores, self.starts, axis=1)


def encode_gallery(
    items: Sequence[Item], encoder: Encoder, *, progress: Callable[[int, int], None] | None = None
) -> Gallery:
    """Encode every item; one that cannot be read is left out and noted.

    Vectors are rounded to float16, as a library keeps them, so that both give the same ranks.

    Args:
        items: the items to encode.
        encoder: the model.
        progress: called with the items done and the items in all.

    Raises:
        DatasetError: no item at all can be read.
    """
    kept, parts, missing = [], [], []
    with DecodeWorker() as worker, OpenArchives() as archives:
        for done, item in enumerate(items):
            try:
                parts.append(_encode(item.media, encoder, worker, archives))
                kept.append(item)
            except MediaError as error:
                missing.append(Missing(item.id, str(error)))
            if progress is not None:
                progress(done + 1, len(items))
    if not kept:
        raise DatasetError(
            "no item of the benchmark can be read",
            item=count(len(missing), "item"),
            value=missing[0].reason if missing else "there is none",
        )
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])[:-1]]).astype(np.int64)
    vectors = np.concatenate(parts).astype(np.float16).astype(np.float32)
    return Gallery(tuple(kept), vectors, starts, tuple(missing))


def thumbnails(items: Iterable[Item], *, size: tuple[int, int] = _THUMBNAIL_PX) -> dict[str, str | None]:
    """Id -> a small JPEG of the middle of each item in base64, None of one that cannot be read."""
    different = {item.id: item.media for item in items}
    with DecodeWorker() as worker:
        return {name: _thumbnail(media, worker, size) for name, media in different.items()}


def _thumbnail(media: Media, worker: DecodeWorker, size: tuple[int, int]) -> str | None:
    try:
        if isinstance(media, Frames):
            middle = media.references[len(media.references) // 2]
            picture = read_picture(read_bytes(media.root, middle), size=size, item=middle)
            jpeg = encode_jpeg(picture)
        else:
            clips = list(worker.clips(media.path, DecodeOptions(16, 16, thumbnail_px=max(size))))
            jpeg = clips[len(clips) // 2].thumbnail
    except MediaError:
        return None
    return base64.b64encode(jpeg).decode("ascii")


def _encode(
    media: Media, encoder: Encoder, worker: DecodeWorker, archives: OpenArchives
) -> NDArray[np.float32]:
    """(clips, dim): pictures are one clip, a video is cut and sampled as an index run does by default."""
    if isinstance(media, Frames):
        pictures = read_frames(media, encoder.card.frames, archives=archives)
        return encoder.encode_video([encoder.encode_frames(pictures)])
    clips = worker.clips(media.path, DecodeOptions.of(encoder.card.frames, DEFAULT_SAMPLING))
    return np.concatenate([encoder.encode_video([encoder.encode_frames(clip.images)]) for clip in clips])
