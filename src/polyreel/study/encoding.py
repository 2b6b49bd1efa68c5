"""The towers of an arm, asked directly. Needs PyTorch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from polyreel.datasets.readers.imagenet_names import class_names, fetch_imagenet_names
from polyreel.encoders.build.parts import read_semantic_pooling
from polyreel.encoders.build.semantic_pooling import SemanticPooling
from polyreel.encoders.registry import locate_bundle
from polyreel.files import new_file
from polyreel.models.inputs import TextInputs
from polyreel.models.specs import ModelSpec, TextTowerSpec
from polyreel.models.text import TextTower
from polyreel.models.towers import TwoTowers, build_model
from polyreel.models.video import VideoTower
from polyreel.packages.members import cache_dir
from polyreel.training.checkpoints import Checkpoint

__all__ = ["TowerCache", "Towers"]

_AT_ONCE = 128
_E5_SMALL = "e5-small"
_PROMPT = "a photo of {}"
Rows = NDArray[np.float32]


class TowerCache:
    """Models by specification: the frozen part of one is read once, however many arms share it."""

    def __init__(self) -> None:
        self._text: tuple[tuple[TextTowerSpec, int], TextTower] | None = None
        self._frozen: dict[tuple[str, str], Rows] = {}
        self._semantic: SemanticPooling | None = None

    def trained(self, checkpoint: Checkpoint) -> Towers:
        """The towers of a checkpoint."""
        model = self._model(checkpoint.state.recipe.model)
        checkpoint.load_into(model)
        return Towers(model.eval(), self, embed=model.embed_text)

    def untrained(self, text: TextTowerSpec, *, seed: int) -> Towers:
        """The encoder as it is, mean-pooled, without a head; random weights are drawn by ``seed``."""
        if text.encoder != _E5_SMALL:  # of others the space without languages is estimated in training
            text = text.model_copy(update={"language_free": False})
        self._text = None
        torch.manual_seed(seed)
        model = build_model(ModelSpec(text=text, video=None)).eval()
        return Towers(model, self, embed=model.text.prior)

    def frozen(self, model: TwoTowers, texts: tuple[str, ...]) -> Rows:
        """What the frozen encoder makes of ``texts``, computed once and kept on the disk."""
        identity = model.text.frozen_identity[:16]
        digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:24]
        key = (identity, digest)
        if key not in self._frozen:
            path = cache_dir() / "study" / "texts" / identity / f"{digest}.npy"
            if not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                with new_file(path) as file:
                    np.save(file, model.text.encode_frozen(texts))
            self._frozen[key] = np.load(path, allow_pickle=False)
        return self._frozen[key]

    @property
    def semantic(self) -> SemanticPooling:
        """The class layer of the image network."""
        if self._semantic is None:
            self._semantic = read_semantic_pooling(locate_bundle())
        return self._semantic

    def _model(self, spec: ModelSpec) -> TwoTowers:
        """A model of this specification; its text tower is that of the last one where that is alike."""
        key = (spec.text, spec.dim)
        starts_semantic = spec.prior_weight is not None or (
            spec.video is not None and spec.video.pooling == "semantic"
        )
        if self._text is None or self._text[0] != key:
            self._text = None  # an encoder weighs half a gigabyte: one at a time
            model = build_model(spec)
            self._text = (key, model.text)
            return model
        if starts_semantic:
            return build_model(spec)
        video = None if spec.video is None else VideoTower(spec.video, dim=spec.dim)
        return TwoTowers(spec, self._text[1], video)


class Towers:
    """One model, ready to be measured.

    Args:
        model: in evaluation mode, on the CPU.
        cache: keeps what frozen encoders made.
        embed: what makes (texts, dim) unit vectors.
    """

    def __init__(self, model: TwoTowers, cache: TowerCache, *, embed: Callable[[TextInputs], Tensor]) -> None:
        self.model, self._cache, self._embed = model, cache, embed

    def texts(self, texts: Sequence[str]) -> Rows:
        """(texts, dim) unit vectors."""
        if self.model.text.cacheable:
            features = torch.from_numpy(self._cache.frozen(self.model, tuple(texts)))
            starts = range(0, len(features), _AT_ONCE)
            return self._parts([TextInputs(features=features[at : at + _AT_ONCE]) for at in starts])
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        groups = [order[start : start + _AT_ONCE] for start in range(0, len(order), _AT_ONCE)]
        found = self._parts([self.model.text.prepare([texts[at] for at in group]) for group in groups])
        vectors = np.empty_like(found)
        vectors[order] = found
        return vectors

    @property
    def sees(self) -> bool:
        """Whether there is a video tower."""
        return self.model.video is not None

    def clips(self, frames: Sequence[Rows]) -> Rows:
        """(clips, dim) unit vectors: of the video tower, or through the names of classes where there is none.

        Without a tower the features have to be those of the default bundle.
        """
        if not self.sees:
            return self._through_names(frames)
        parts = []
        with torch.inference_mode():
            for start in range(0, len(frames), _AT_ONCE):
                batch = [torch.from_numpy(rows) for rows in frames[start : start + _AT_ONCE]]
                padded = nn.utils.rnn.pad_sequence(batch, batch_first=True)
                lengths = torch.tensor([len(rows) for rows in batch])
                mask = torch.arange(padded.shape[1])[None] < lengths[:, None]
                parts.append(self.model.embed_video(padded, mask))
        return _array(torch.cat(parts))

    def _through_names(self, frames: Sequence[Rows]) -> Rows:
        """The names of a clip's classes, as the text tower reads them, weighted by their posterior (ConSE,
        Norouzi et al. 2014)."""
        semantic = self._cache.semantic
        known = class_names(fetch_imagenet_names(cache_dir() / "corpora"))
        names = self.texts([_PROMPT.format(name) for name in known])
        names -= names.mean(axis=0)
        weights = torch.from_numpy(semantic.class_weights)
        bias = torch.from_numpy(semantic.class_bias)
        posteriors = [(torch.from_numpy(rows) @ weights + bias).softmax(dim=1).mean(dim=0) for rows in frames]
        vectors = torch.stack(posteriors) @ torch.from_numpy(names)
        return _array(nn.functional.normalize(vectors, dim=1))

    def _parts(self, inputs: Sequence[TextInputs]) -> Rows:
        with torch.inference_mode():
            return _array(torch.cat([self._embed(part) for part in inputs]))


def _array(vectors: Tensor) -> Rows:
    found: Rows = vectors.float().cpu().numpy()
    return found
