"""A bundle, or an encoder of one's own, as a model that the package MTEB measures."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from polyreel.arrays import as_array, raise_if_any
from polyreel.encoders.card import FrameInput
from polyreel.encoders.protocol import CheckedEncoder, Encoder
from polyreel.encoders.runtime import Bundle
from polyreel.encoders.text_roles import encode_lines, encode_queries
from polyreel.errors import UsageError, require_type
from polyreel.languages import clean, narrow
from polyreel.media.pictures import scale_for_encoder

__all__ = ["MtebModel"]

_KINDS: tuple[Literal["text", "image", "video"], ...] = ("text", "image", "video")


class MtebModel:
    """What ``mteb.evaluate`` takes, after MTEB's ``EncoderProtocol``; see ``polyreel.mteb_model``.

    Args:
        encoder: the model.
        max_frames: frames of a video that are looked at, at most.

    Raises:
        UsageError: the encoder lacks a method or a card, or ``max_frames`` is below 1.
    """

    def __init__(self, encoder: Encoder, *, max_frames: int) -> None:
        require_type(max_frames, int, "the number of frames")
        if max_frames < 1:
            raise UsageError("the number of frames must be above 0", value=max_frames)
        self._encoder = encoder if isinstance(encoder, Bundle) else CheckedEncoder(encoder)
        self._max_frames = max_frames

    @functools.cached_property
    def mteb_model_meta(self) -> Any:
        """An ``mteb.ModelMeta``; MTEB keeps results under its name and revision, the card's identity."""
        from mteb.models.model_meta import ModelMeta, ScoringFunction

        card = self._encoder.card
        return ModelMeta(
            loader=None,
            name=f"polyreel/{card.name}",
            revision=card.identity,
            release_date=None,
            languages=None,
            n_parameters=None,
            memory_usage_mb=None,
            max_tokens=None,
            embed_dim=card.dim,
            license=None,
            open_weights=None,
            public_training_code=None,
            public_training_data=None,
            framework=["ONNX"] if isinstance(self._encoder, Bundle) else [],
            similarity_fn_name=ScoringFunction.COSINE,
            use_instructions=False,
            training_datasets=None,
            modalities=list(_KINDS),
            experiment_kwargs={"max_frames": self._max_frames},
        )

    def encode(
        self, inputs: Any, *, task_metadata: Any, prompt_type: Any = None, **options: Any
    ) -> NDArray[np.float32]:
        """Unit vectors of a loader's items, (items, dim), each a text, a picture or a video.

        Args:
            inputs: a ``DataLoader`` of MTEB's.
            task_metadata: of the task, for messages.
            prompt_type: whether the items ask or are searched.
            options: others of MTEB's; ``show_progress_bar`` is heeded.

        Raises:
            UsageError: an item has several parts or none that an encoder takes, or a vector is not finite,
                which MTEB would take for a low score.
        """
        from tqdm.auto import tqdm

        present = [kind for kind in (*_KINDS, "audio") if kind in inputs.dataset.features]
        kinds = [kind for kind in _KINDS if present == [kind]]
        if not kinds:
            raise UsageError(
                "an item must be one text, picture or video",
                item=task_metadata.name,
                value=" and ".join(present) or "none of them",
                remedy="Leave this task out",
            )
        (kind,) = kinds
        if kind != "text":
            inputs.collate_fn = _Pictures(kind, self._encoder.card.frames, self._max_frames)
        is_searched = prompt_type is not None and prompt_type.value == "document"
        parts = [
            self._texts(batch[kind], is_searched) if kind == "text" else self._pictures(batch[kind])
            for batch in tqdm(inputs, disable=not options.get("show_progress_bar", True))
        ]
        vectors = np.concatenate(parts) if parts else np.zeros((0, self._encoder.card.dim), np.float32)
        raise_if_any(
            ~np.isfinite(vectors).all(axis=1),
            "a vector is not finite",
            "Correct the model, or leave those items out",
            of=task_metadata.name,
        )
        return vectors

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines of all pairs, a tensor (items of the first, items of the second)."""
        from mteb.similarity_functions import cos_sim

        return cos_sim(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines of items in the same place, a tensor (items,)."""
        from mteb.similarity_functions import pairwise_cos_sim

        return pairwise_cos_sim(embeddings1, embeddings2)

    def _texts(self, texts: Sequence[str], is_searched: bool) -> NDArray[np.float32]:
        cleaned = [narrow(clean(text)) for text in texts]
        encode = encode_lines if is_searched else encode_queries
        return encode(self._encoder, cleaned, [None] * len(cleaned))

    def _pictures(self, items: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        return self._encoder.encode_video([self._encoder.encode_frames(frames) for frames in items])


@dataclass(frozen=True, slots=True)
class _Pictures:
    """Makes a batch of pictures or videos of a loader's rows, each (frames, height, width, 3) uint8.

    Frames are chosen as MTEB's ``FramesCollator`` chooses them, and brought to the encoder's size at once: at
    their own, those of a whole batch would not fit in memory.
    """

    kind: Literal["image", "video"]
    frames: FrameInput
    max_frames: int

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[NDArray[np.uint8]]]:
        return {
            self.kind: [
                np.stack([scale_for_encoder(image, self.frames) for image in self._own_size(row[self.kind])])
                for row in rows
            ]
        }

    def _own_size(self, item: Any) -> NDArray[np.uint8]:
        if self.kind == "image":
            return np.asarray(item.convert("RGB"))[None]
        from mteb.models.modality_collators import FramesCollator

        chosen = FramesCollator.resample_video(item, fps=self.frames.fps, max_frames=self.max_frames)
        return as_array(chosen, "the frames of a video").transpose(0, 2, 3, 1)
