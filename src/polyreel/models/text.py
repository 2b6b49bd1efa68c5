"""The text tower: text -> token states -> one vector -> the shared space."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from polyreel.encoders.build.language_neutral import (
    LanguageNeutralProjection,
    estimate_language_neutral_projection,
)
from polyreel.errors import UsageError
from polyreel.languages import Parts
from polyreel.models.adapters import ADAPTER_PARAMETERS, AdaptedLinear, without_adapters
from polyreel.models.arrays import arrays_of, as_array
from polyreel.models.encoders import LoadedEncoder
from polyreel.models.fresh_rows import FreshRows
from polyreel.models.hashed_bag import HashedBag
from polyreel.models.heads import build_head
from polyreel.models.inputs import TextInputs
from polyreel.models.pooling import build_pooling, masked_mean, unit
from polyreel.models.specs import TextTowerSpec

__all__ = ["LanguageNeutral", "TextTower"]

_TEXTS_AT_ONCE = 64


class LanguageNeutral(nn.Module):
    """``unit((x - mean) P)``: without what the languages' means differ in (``LanguageNeutralProjection``).

    Args:
        width: of the vectors.
    """

    mean: Tensor
    projection: Tensor
    known: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("projection", torch.eye(width))
        self.register_buffer("known", torch.tensor(False))

    def put(self, space: LanguageNeutralProjection) -> None:
        """Use ``space`` from now on."""
        self.mean.copy_(torch.from_numpy(space.mean))
        self.projection.copy_(torch.from_numpy(space.projection))
        self.known.fill_(True)

    def space(self) -> LanguageNeutralProjection:
        """The space in use.

        Raises:
            UsageError: it was not estimated yet.
        """
        self._require()
        return LanguageNeutralProjection(self.mean.cpu().numpy().copy(), self.projection.cpu().numpy().copy())

    def forward(self, vectors: Float[Tensor, "texts width"]) -> Float[Tensor, "texts width"]:
        """Unit vectors without their language's offset."""
        self._require()
        return unit((vectors - self.mean) @ self.projection)

    def _require(self) -> None:
        # Exporters cannot follow a branch on a value; what is exported was used before.
        if not torch.compiler.is_exporting() and not self.known:
            raise UsageError(
                "the language-free space was not estimated",
                remedy="Call TextTower.estimate_language_neutral with texts of each language first",
            )


class TextTower(nn.Module):
    """``head(free(unit(pool(encoder(text)))))``; ``free`` only where the specification asks for it.

    Args:
        spec: what it is made of.
        encoder: loaded, cut to its layer, frozen and adapted.
        dim: width of the shared space.
    """

    def __init__(self, spec: TextTowerSpec, encoder: LoadedEncoder, *, dim: int) -> None:
        super().__init__()
        self.spec, self.dim, self.width = spec, dim, encoder.width
        self.encoder = encoder.module
        # A tuple, because the layers are already registered inside the encoder.
        self._layers, self._parts = tuple(encoder.layers), encoder.parts
        self.pooling = build_pooling(spec.pooling, encoder.width, spec.pooler)
        self.free = LanguageNeutral(self.pooling.dim) if spec.language_free else None
        self.head = build_head(spec.head, self.pooling.dim, dim, width=spec.head_width)
        self.reader = encoder.reader
        self._fresh = tuple(part for part in self.encoder.modules() if isinstance(part, FreshRows))
        self.train()

    @property
    def fresh(self) -> FreshRows | None:
        """The fresh rows of some languages; None where there are none."""
        return self._fresh[0] if self._fresh else None

    @property
    def cacheable(self) -> bool:
        """Whether ``encode_frozen`` is all that the head reads: what it gives may be kept as ``features``."""
        return self.spec.keeps_its_encoder and self.spec.adapters is None

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    def prepare(self, texts: Sequence[str], parts: Sequence[Parts] | None = None) -> TextInputs:
        """``texts``, already normalised (``languages.clean``), as tokens on the CPU.

        Args:
            texts: To prepare.
            parts: The same by language (``languages.parts_in``, ``Switched.parts``), which the encoder
                ``hashed-bag`` and fresh rows need and others do not look at.

        Raises:
            UsageError: the encoder needs ``parts``, or was not told which pieces have fresh rows.
        """
        if self.fresh is not None and not self.fresh.known:
            raise UsageError(
                "the fresh rows were not told which pieces they are for",
                remedy="Call TextTower.know_fresh with the texts of the training first",
            )
        return self.reader.read(texts, parts)

    def forward(self, inputs: TextInputs) -> Float[Tensor, "texts dim"]:
        """Vectors in the shared space, not normalised."""
        vectors: Tensor = self.head(self._freed(self.pooled(inputs)))
        return vectors

    def pooled(self, inputs: TextInputs) -> Float[Tensor, "texts pooled"]:
        """Unit vectors before the language-free space and the head; kept ``features`` as they are."""
        if inputs.features is None:
            apart = self.fresh is not None and torch.is_grad_enabled()
            return self._pooled_apart(inputs) if apart else self._pooled(inputs)
        if not self.cacheable:
            raise UsageError("the text tower learns from tokens, but got kept features")
        return inputs.features

    def prior(self, inputs: TextInputs) -> Float[Tensor, "texts width"]:
        """What the tower was before training, adapters and head aside: unit vectors without gradient."""
        with torch.no_grad():
            return self._freed(self._frozen(inputs))

    def encode_frozen(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Mean-pooled output of the frozen encoder, (texts, width) unit vectors: what a memo stores.

        Raises:
            UsageError: the encoder does not stay as it is.
        """
        if not self.spec.keeps_its_encoder:
            raise UsageError(
                "the text encoder is trained, so its output cannot be kept", item=self.spec.encoder
            )
        vectors = np.zeros((len(texts), self.width), np.float32)
        # Rows of similar length share a batch, so that little of it is padding.
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        with torch.inference_mode():
            for start in range(0, len(order), _TEXTS_AT_ONCE):
                rows = order[start : start + _TEXTS_AT_ONCE]
                inputs = self.prepare([texts[at] for at in rows]).to(self.device)
                vectors[rows] = self._frozen(inputs).float().cpu().numpy()
        return vectors

    @functools.cached_property
    def frozen_identity(self) -> str:
        """Hex digest of everything that decides what ``encode_frozen`` gives for a text."""
        digest = hashlib.sha256(self.reader.identity.encode())
        for name, parameter in self.encoder.state_dict().items():
            if not name.endswith(ADAPTER_PARAMETERS):
                digest.update(name.encode())
                digest.update(parameter.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def estimate_language_neutral(self, texts: Mapping[str, Sequence[str]]) -> None:
        """Estimate the language-free space from ``texts``, language -> texts, alike but not test texts.

        Raises:
            UsageError: fewer than two languages, a language without text, or a tower without such a space.
        """
        if self.free is None:
            raise UsageError("the text tower has no language-free space", remedy="Set 'language_free: true'")
        if len(texts) < 2 or not all(texts.values()):
            empty = sorted(language for language, group in texts.items() if not group)
            raise UsageError(
                "a language-free space needs texts of at least two languages",
                item=", ".join(empty) or ", ".join(texts),
                remedy="Leave languages without text out",
            )
        vectors = {language: self.encode_frozen(group) for language, group in texts.items()}
        self.free.put(estimate_language_neutral_projection(vectors))

    def train(self, mode: bool = True) -> TextTower:
        """As PyTorch's, but what is frozen stays as in use: its dropout would only add noise."""
        super().train(mode)
        if not any(parameter.requires_grad for parameter in self.encoder.parameters()):
            self.encoder.eval()
        for layer in self._layers:
            if not any(parameter.requires_grad for parameter in layer.parameters()):
                layer.eval()
        return self

    def know_fresh(self, texts: Sequence[Parts]) -> None:
        """Give fresh rows to the pieces of ``texts``, which are by language; other pieces share a row.

        Raises:
            UsageError: the tower has no fresh rows, or too few.
        """
        if self.fresh is None:
            raise UsageError("the text tower has no fresh rows", remedy="Give it 'fresh_rows'")
        found: set[int] = set()
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            some = texts[start : start + _TEXTS_AT_ONCE]
            inputs = self.reader.read(["".join([text for _, text in parts]) for parts in some], some)
            assert inputs.ids is not None
            found.update(inputs.ids.flatten().tolist())
        self.fresh.know(found)

    def trained_arrays(self) -> dict[str, NDArray[np.float32]]:
        """What training changes, under stable names; matrices are (outputs, inputs).

        ``layers.<n>.<part>.down`` (rank, inputs) and ``.up`` (outputs, rank) of adapters, the scale
        multiplied in; ``layers.<n>.<part>.weight`` and ``.bias`` of trained layers, n from 0 and parts as in
        ``AdapterTarget``; ``embeddings.*`` if they are trained; ``pooling.*`` and ``head.*``.
        """
        arrays: dict[str, NDArray[np.float32]] = {}
        for number, layer in enumerate(self._layers):
            part = _trained_of_layer(layer, self._parts)
            arrays |= {f"layers.{number}.{name}": array for name, array in part.items()}
        inside = {id(parameter) for layer in self._layers for parameter in layer.parameters()}
        for name, parameter in self.encoder.named_parameters():
            if parameter.requires_grad and id(parameter) not in inside:
                arrays[f"embeddings.{name}"] = as_array(parameter)
        return arrays | arrays_of(pooling=self.pooling, head=self.head)

    def _pooled(self, inputs: TextInputs) -> Tensor:
        states = self._states(inputs)
        # A bag is pooled already.
        return unit(states if isinstance(self.encoder, HashedBag) else self.pooling(states, inputs.mask))

    def _pooled_apart(self, inputs: TextInputs) -> Tensor:
        """Texts without a fresh piece apart from the others: nothing of what makes them is trained."""
        assert self.fresh is not None
        assert inputs.ids is not None
        learns = self.fresh.has_fresh(inputs.ids)
        if learns.all() or not learns.any():
            return self._pooled(inputs)
        vectors = torch.zeros(len(inputs), self.pooling.dim, device=inputs.ids.device)
        for rows, has_gradient in ((learns.nonzero()[:, 0], True), ((~learns).nonzero()[:, 0], False)):
            with torch.set_grad_enabled(has_gradient):
                found = self._pooled(inputs.some(rows))
            vectors = vectors.to(found.dtype).index_copy(0, rows, found)
        return vectors

    def _states(self, inputs: TextInputs) -> Tensor:
        states: Tensor = self.encoder(inputs.ids, inputs.mask)
        return states

    def _frozen(self, inputs: TextInputs) -> Tensor:
        if inputs.features is not None:
            return inputs.features
        assert inputs.mask is not None
        self.encoder.eval()
        with without_adapters(self.encoder):
            vectors = unit(masked_mean(self._states(inputs), inputs.mask))
        self.train(self.training)
        return vectors

    def _freed(self, pooled: Tensor) -> Tensor:
        return pooled if self.free is None else self.free(pooled)


def _trained_of_layer(layer: nn.Module, parts: Mapping[str, str]) -> dict[str, NDArray[np.float32]]:
    """Adapters, and whatever else of one layer is trained, under our names of its parts."""
    ours = {path: part for part, path in parts.items()}
    arrays = {}
    for path, module in layer.named_modules():
        name = ours.get(path, path)
        if isinstance(module, AdaptedLinear):
            arrays[f"{name}.down"] = as_array(module.down)
            arrays[f"{name}.up"] = as_array(module.up * module.scale)
        else:
            own = module.named_parameters(recurse=False)
            arrays |= {f"{name}.{kind}": as_array(weight) for kind, weight in own if weight.requires_grad}
    return arrays
