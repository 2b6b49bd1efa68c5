"""Bundles on the parts of the default one: what they add, and what their cards say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from polyreel.encoders.build.caption_map import CaptionMap, read_caption_map
from polyreel.encoders.build.image_networks import LCNET, LITE0, ImageNetwork
from polyreel.encoders.build.trained_heads import TrainedHeads, read_trained_heads
from polyreel.encoders.card import Confidence, Licence, LineParts, Measurement
from polyreel.encoders.glosses import GlossTable

__all__ = ["DEFAULT_CONFIDENCE", "BundleSpec", "networks_of", "shipped", "training_free"]

# benchmarks/confidence.py: the clip cosine tells little about this bundle, the subtitle cosine much.
DEFAULT_CONFIDENCE = Confidence(clip=0.20, subtitle=0.30)
_FREE, _SMALL = (LITE0,), (LITE0, LCNET)


@dataclass(frozen=True, slots=True)
class BundleSpec:
    """A bundle that stands on the parts of the default one.

    Attributes:
        name: of the bundle.
        description: one or two sentences.
        training: how it was made.
        learnt: what training added; None for the training-free bundle.
        networks: what sees its frames; their features stand side by side.
        captions: what is added to the training-free part of a clip; None for nothing.
        confidence: from which cosines on a match means something.
        trained_in_lines: share of what was trained in a cosine of a query and a line; None as of a clip.
        glosses: English of common words, put before queries in languages that the text encoder knows
            little of.
        measured: results on benchmarks.
        licences: of what it was trained on.
    """

    name: str
    description: str
    training: str
    learnt: TrainedHeads | None
    networks: tuple[ImageNetwork, ...]
    captions: CaptionMap | None = None
    confidence: Confidence = DEFAULT_CONFIDENCE
    trained_in_lines: float | None = None
    glosses: GlossTable | None = None
    measured: tuple[Measurement, ...] = ()
    licences: tuple[Licence, ...] = ()

    @property
    def features(self) -> int:
        """Width of what its networks make of a frame."""
        return sum(network.dim for network in self.networks)

    def lines(self, prior: int) -> LineParts | None:
        """How queries are weighed against lines, given the width of the training-free part."""
        if self.learnt is None or self.trained_in_lines is None or self.learnt.prior_weight == 1:
            return None
        stored, wanted = self.learnt.prior_weight, self.trained_in_lines
        return LineParts(width=prior, first=(1 - wanted) / (1 - stored), other=wanted / stored)


def networks_of(features: int) -> tuple[ImageNetwork, ...] | None:
    """The networks whose features, side by side, are so wide; None if those of no built bundle are."""
    return next((found for found in (_SMALL, _FREE) if sum(each.dim for each in found) == features), None)


def training_free() -> BundleSpec:
    """The parts of the default bundle, without anything trained."""
    return BundleSpec(
        name="training-free",
        description=(
            "multilingual-e5-small and EfficientNet-Lite0, joined without training: a clip is the sum of "
            "the text embeddings of the ImageNet class names, weighted by how likely each is to be seen."
        ),
        training="none; language means from Babel-ImageNet names in nine languages",
        learnt=None,
        networks=_FREE,
    )


def shipped() -> BundleSpec:
    """The default bundle, ``small``: its arrays, and what its card says, come with polyreel."""
    assets = resources.files("polyreel.encoders.build") / "assets"
    facts = json.loads((assets / "small.json").read_text(encoding="utf-8"))
    with resources.as_file(assets / "small_learnt.npz") as path:
        heads = read_trained_heads(path)
    captions = None
    if facts.get("caption_map"):
        with resources.as_file(assets / "small_captions.npz") as path:
            captions = read_caption_map(path)
    return BundleSpec(
        name="small",
        description=facts["description"],
        training=facts["training"],
        learnt=heads,
        networks=_SMALL,
        captions=captions,
        confidence=Confidence.model_validate(facts["confidence"]),
        trained_in_lines=facts["trained_in_lines"],
        glosses=_glosses(assets / "glosses.tsv"),
        measured=tuple(map(Measurement.model_validate, facts["measured"])),
        licences=tuple(map(Licence.model_validate, facts["licences"])),
    )


def _glosses(table: Traversable) -> GlossTable:
    """The table that comes with polyreel: language, word, English in each line."""
    found: dict[str, dict[str, str]] = {}
    for line in table.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            tag, word, gloss = line.split("\t")
            found.setdefault(tag, {})[word] = gloss
    return found
