"""What encoders of our own know before any arm begins."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from polyreel._version import __version__
from polyreel.packages.members import cache_dir
from polyreel.study.recipe import PretrainingSpec, StudyRecipe
from polyreel.study.study_data import StudyData

__all__ = ["Start", "require_start", "starts_of"]


@dataclass(frozen=True, slots=True)
class Start:
    """An encoder ``scratch`` as every arm finds it.

    Attributes:
        encoder: name in the study.
        spec: how it is pretrained.
        texts: language -> what on.
        identity: of all that decides its weights.
        weights: file that they are kept in.
    """

    encoder: str
    spec: PretrainingSpec
    texts: Mapping[str, Sequence[str]]
    identity: str
    weights: Path


def starts_of(recipe: StudyRecipe, material: StudyData) -> dict[str, Start]:
    """Name of an encoder -> its start, for those that have one; nothing is trained yet.

    Raises:
        DatasetError, UnknownNameError, FetchError: a corpus is not there.
    """
    found = {}
    for name, spec in recipe.pretraining.items():
        texts = material.monolingual(spec)
        facts = (__version__, spec.model_dump(mode="json"), recipe.encoders[name], texts)
        identity = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
        weights = cache_dir() / "study" / "encoders" / f"{identity}.safetensors"
        found[name] = Start(name, spec, texts, identity, weights)
    return found


def require_start(recipe: StudyRecipe, start: Start, *, tell: Callable[[str, int, int], None]) -> None:
    """Pretrain the encoder, unless its weights are there."""
    if start.weights.is_file():
        return
    from polyreel.models.specs import TextTowerSpec
    from polyreel.training.pretraining import pretrain

    spec = start.spec
    pretrain(
        TextTowerSpec.model_validate(recipe.encoders[start.encoder]),
        start.texts,
        start.weights,
        steps=spec.steps,
        batch_size=spec.batch_size,
        lr=spec.lr,
        seed=spec.seed,
        on_progress=lambda step, steps, loss: tell(
            f"pretraining {start.encoder}, loss {loss:.2f}, step", step, steps
        ),
    )
