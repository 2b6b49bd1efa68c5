"""The towers of an arm, asked directly. Needs PyTorch."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from polyreel.datasets.readers.imagenet_names import class_names, fetch_imagenet_names
from polyreel.encoders.build.parts import read_semantic_pooling
from polyreel.encoders.build.semantic_pooling import SemanticPooling
from polyreel.encoders.registry import locate_bundle
from polyreel.languages import Parts, parts_in
from polyreel.packages.members import cache_dir
from polyreel.study.study_data import FEATURES_BUNDLE
from polyreel.training.batches import padded
from polyreel.training.engine import Engine

__all__ = ["Towers"]

_AT_ONCE = 128
_PROMPT = "a photo of {}"
Rows = NDArray[np.float32]


class Towers:
    """A trained model, ready to be measured.

    Args:
        engine: that trained it; its memo keeps what a frozen encoder made of texts, for all arms and seeds.
        reads_class_names: whether clips are seen through the names of classes where there is no video tower.
    """

    def __init__(self, engine: Engine, *, reads_class_names: bool = False) -> None:
        self._engine, self._model = engine, engine.model
        self._reads_class_names = reads_class_names and engine.model.video is None

    def texts(self, texts: Sequence[str], language: str) -> Rows:
        """(texts, dim) unit vectors of texts in one language."""
        return self.parts(parts_in(texts, language))

    def parts(self, parts: Sequence[Parts]) -> Rows:
        """(texts, dim) unit vectors of texts in several languages each."""
        texts = ["".join([text for _, text in each]) for each in parts]
        vectors = np.empty((len(texts), self._model.spec.dim), np.float32)
        # Rows of similar length share a batch, so that little of it is padding.
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        with self._engine.evaluating(), torch.inference_mode():
            for start in range(0, len(order), _AT_ONCE):
                rows = order[start : start + _AT_ONCE]
                inputs = self._engine.prepare(
                    tuple(texts[at] for at in rows), tuple(parts[at] for at in rows)
                )
                vectors[rows] = _array(self._model.embed_text(inputs.to(self._engine.device)))
        return vectors

    def can_see(self, *, has_classes: bool) -> bool:
        """Whether ``clips`` can be asked, of features that the class layer reads or others."""
        return self._model.video is not None or (self._reads_class_names and has_classes)

    def clips(self, frames: Sequence[Rows]) -> Rows:
        """(clips, dim) unit vectors: of the video tower, or through the names of classes where there is none.

        Without a tower the features have to be those of ``FEATURES_BUNDLE``.
        """
        if self._model.video is None:
            return self._through_names(frames)
        parts = []
        with self._engine.evaluating(), torch.inference_mode():
            for start in range(0, len(frames), _AT_ONCE):
                rows, mask = padded(list(frames[start : start + _AT_ONCE]))
                device = self._engine.device
                parts.append(_array(self._model.embed_video(rows.to(device), mask.to(device))))
        return np.concatenate(parts)

    def _through_names(self, frames: Sequence[Rows]) -> Rows:
        """The names of a clip's classes, as the text tower reads them, weighted by their posterior (ConSE,
        Norouzi et al. 2014)."""
        semantic = _class_layer()
        known = class_names(fetch_imagenet_names(cache_dir() / "corpora"))
        names = self.texts([_PROMPT.format(name) for name in known], "en")
        names -= names.mean(axis=0)
        weights = torch.from_numpy(semantic.class_weights)
        bias = torch.from_numpy(semantic.class_bias)
        posteriors = [(torch.from_numpy(rows) @ weights + bias).softmax(dim=1).mean(dim=0) for rows in frames]
        vectors = torch.stack(posteriors) @ torch.from_numpy(names)
        return _array(nn.functional.normalize(vectors, dim=1))


@functools.cache
def _class_layer() -> SemanticPooling:
    """The class layer of the image network."""
    return read_semantic_pooling(locate_bundle(FEATURES_BUNDLE))


def _array(vectors: Tensor) -> Rows:
    found: Rows = vectors.float().cpu().numpy()
    return found
