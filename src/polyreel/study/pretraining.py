"""What encoders of our own know before any arm begins."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from polyreel._version import __version__
from polyreel.packages.members import cache_dir
from polyreel.progress import OnProgress
from polyreel.study.recipe import PretrainingSpec, StudyRecipe
from polyreel.study.study_data import StudyData

__all__ = ["PretrainedEncoder", "ensure_pretrained", "pretrained_encoders"]


@dataclass(frozen=True, slots=True)
class PretrainedEncoder:
    """An encoder ``scratch`` as every arm finds it.

    Attributes:
        name: In the study.
        spec: how it is pretrained.
        texts: language -> what on.
        identity: of all that decides its weights.
        weights: file that they are kept in.
    """

    name: str
    spec: PretrainingSpec
    texts: Mapping[str, Sequence[str]]
    identity: str
    weights: Path


def pretrained_encoders(recipe: StudyRecipe, study_data: StudyData) -> dict[str, PretrainedEncoder]:
    """Name of an encoder -> how it is pretrained, for those that are; nothing is trained yet.

    Raises:
        DatasetError, UnknownNameError, FetchError: a corpus is not there.
    """
    found = {}
    for name, spec in recipe.pretraining.items():
        texts = study_data.monolingual(spec)
        facts = (__version__, spec.model_dump(mode="json"), recipe.encoders[name], texts)
        identity = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
        weights = cache_dir() / "study" / "encoders" / f"{identity}.safetensors"
        found[name] = PretrainedEncoder(name, spec, texts, identity, weights)
    return found


def ensure_pretrained(recipe: StudyRecipe, encoder: PretrainedEncoder, *, on_progress: OnProgress) -> None:
    """Pretrain the encoder, unless its weights are there.

    Args:
        recipe: Of the study.
        encoder: What to pretrain, and where to keep it.
        on_progress: Called with what is done, the step and the number of steps.
    """
    if encoder.weights.is_file():
        return
    from polyreel.models.specs import TextTowerSpec
    from polyreel.training.pretraining import pretrain

    spec = encoder.spec
    pretrain(
        TextTowerSpec.model_validate(recipe.encoders[encoder.name]),
        encoder.texts,
        encoder.weights,
        steps=spec.steps,
        batch_size=spec.batch_size,
        lr=spec.lr,
        seed=spec.seed,
        on_progress=lambda step, steps, loss: on_progress(
            f"pretraining {encoder.name}, loss {loss:.2f}, step", step, steps
        ),
    )
