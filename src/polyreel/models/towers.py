"""Both towers, their temperature, and the prior that what is trained is mixed with."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from polyreel.encoders.build.language_neutral import LanguageNeutralProjection
from polyreel.encoders.build.parts import read_language_neutral_projection, read_semantic_pooling
from polyreel.encoders.build.semantic_pooling import SemanticPooling
from polyreel.encoders.registry import bundle_with_features, locate_bundle
from polyreel.errors import UsageError
from polyreel.models.encoders import load_encoder
from polyreel.models.inputs import TextInputs
from polyreel.models.pooling import precise, unit
from polyreel.models.specs import E5_SMALL, ModelSpec
from polyreel.models.text import TextTower
from polyreel.models.video import VideoTower

__all__ = ["TwoTowers", "WithPrior", "build_model"]

_LOWEST_TEMPERATURE = 0.01


class WithPrior(nn.Module):
    """``[sqrt(1 - w) prior, sqrt(w) trained]``: a cosine is ``(1 - w)`` the prior's plus ``w`` the trained.

    Args:
        weight: w, 0 to 1.
    """

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(
        self, prior: Float[Tensor, "rows prior"], trained: Float[Tensor, "rows dim"]
    ) -> Float[Tensor, "rows both"]:
        """Unit vectors side by side as one unit vector."""
        return torch.cat([(1 - self.weight) ** 0.5 * prior, self.weight**0.5 * trained], dim=1)


class TwoTowers(nn.Module):
    """A text tower, a video tower unless the model is text-only, and the temperature of their cosines.

    Args:
        spec: what it is made of.
        text, video: the towers.
    """

    def __init__(self, spec: ModelSpec, text: TextTower, video: VideoTower | None) -> None:
        super().__init__()
        self.spec, self.text, self.video = spec, text, video
        self.with_prior = None if spec.prior_weight is None else WithPrior(spec.prior_weight)
        log_temperature = torch.tensor(spec.temperature).log()
        # The logarithm is trained, so that steps are relative and the temperature stays positive.
        self.log_temperature = nn.Parameter(log_temperature, requires_grad=spec.learn_temperature)

    @property
    def temperature(self) -> Float[Tensor, ""]:
        """Scalar that divides cosines; 0.01 or above if it is trained (as in CLIP, Radford et al. 2021)."""
        if not self.spec.learn_temperature:
            return self.log_temperature.exp()
        return self.log_temperature.exp().clamp(min=_LOWEST_TEMPERATURE)

    def encode_text(self, inputs: TextInputs) -> Float[Tensor, "texts dim"]:
        """What was trained, of length 1: what the objectives see."""
        return unit(precise(self.text(inputs)))

    def encode_video(
        self, frames: Float[Tensor, "items frames features"], mask: Bool[Tensor, "items frames"]
    ) -> Float[Tensor, "items dim"]:
        """What was trained, of length 1: what the objectives see.

        Raises:
            UsageError: the model is text-only.
        """
        return unit(self._video(frames, mask))

    def embed_text(self, inputs: TextInputs) -> Float[Tensor, "texts embedding"]:
        """What is searched with: ``encode_text``, beside the prior if there is one."""
        trained = self.encode_text(inputs)
        if self.with_prior is None:
            return trained
        both: Tensor = self.with_prior(self.text.prior(inputs), trained)
        return both

    def embed_video(
        self, frames: Float[Tensor, "items frames features"], mask: Bool[Tensor, "items frames"]
    ) -> Float[Tensor, "items embedding"]:
        """What is searched: ``encode_video``, beside the prior if there is one."""
        trained = self.encode_video(frames, mask)
        if self.with_prior is None or self.video is None:
            return trained
        both: Tensor = self.with_prior(self.video.prior(frames, mask), trained)
        return both

    def own_state(self) -> dict[str, Tensor]:
        """The state but for what the specification brings back: the encoder's frozen weights."""
        frozen = {
            f"text.encoder.{name}"
            for name, parameter in self.text.encoder.named_parameters()
            if not parameter.requires_grad
        }
        return {name: tensor for name, tensor in self.state_dict().items() if name not in frozen}

    def load_own_state(self, state: Mapping[str, Tensor]) -> None:
        """Load what ``own_state`` gave.

        Raises:
            UsageError: it is of a model of another specification.
        """
        expected = self.own_state()
        wrong = sorted(
            name
            for name in expected.keys() | state.keys()
            if name not in expected or name not in state or expected[name].shape != state[name].shape
        )
        if wrong:
            raise UsageError(
                "the weights are of a model of another specification",
                item=", ".join(wrong[:3]),
                value=f"{len(wrong)} tensors differ",
                remedy="Build the model with the specification that was saved with the weights",
            )
        self.load_state_dict(dict(state), strict=False)

    def _video(self, frames: Tensor, mask: Tensor) -> Tensor:
        if self.video is None:
            raise UsageError(
                "the model has no video tower", remedy="Give the recipe's model a 'video' section"
            )
        return precise(self.video(frames, mask))


def build_model(
    spec: ModelSpec,
    *,
    space: LanguageNeutralProjection | None = None,
    semantic: SemanticPooling | None = None,
) -> TwoTowers:
    """The model of ``spec``. Random weights are drawn from PyTorch's global generator.

    Args:
        spec: what it is made of.
        space: the language-free space of the text tower; the default bundle's for ``e5-small``. Of another
            encoder it can also be estimated later, by ``TextTower.estimate_language_neutral``.
        semantic: the training-free video tower; that of the built bundle with such features if it is needed.

    Raises:
        FetchError: weights of the default bundle could not be had.
        UsageError: the parts do not fit.
    """
    text = TextTower(spec.text, load_encoder(spec.text), dim=spec.dim)
    if text.free is not None:
        if space is None and spec.text.encoder == E5_SMALL:
            space = read_language_neutral_projection(locate_bundle())
        if space is not None:
            text.free.put(space)
    if spec.video is None:
        return TwoTowers(spec, text, None)
    needs_semantic = spec.video.pooling == "semantic" or spec.prior_weight is not None
    if needs_semantic and semantic is None:
        semantic = read_semantic_pooling(locate_bundle(bundle_with_features(spec.video.features)))
    return TwoTowers(
        spec, text, VideoTower(spec.video, dim=spec.dim, semantic=semantic if needs_semantic else None)
    )
