"""The seam between training and use: a two-tower model as ONNX graphs with a card."""

from polyreel.encoders.build.bundle_spec import BundleSpec, training_free
from polyreel.encoders.build.e5 import E5Weights, Unigram
from polyreel.encoders.build.language_neutral import (
    LanguageNeutralProjection,
    estimate_language_neutral_projection,
)
from polyreel.encoders.build.parts import (
    E5_PREFIX,
    load_e5,
    read_language_neutral_projection,
    read_semantic_pooling,
    text_tokenizer,
)
from polyreel.encoders.build.semantic_pooling import SemanticPooling
from polyreel.encoders.build.trained_heads import TrainedHeads, write_learnt
from polyreel.encoders.build.writing import GraphParts, write_bundle
from polyreel.encoders.card import BundleCard, FrameInput, Licence, Measurement, TextInput, read_card
from polyreel.encoders.registry import (
    DEFAULT_BUNDLE,
    BundleEntry,
    build_bundle,
    build_on_default,
    list_bundles,
    locate_bundle,
)
from polyreel.encoders.runtime import Bundle

__all__ = [
    "DEFAULT_BUNDLE",
    "E5_PREFIX",
    "Bundle",
    "BundleCard",
    "BundleEntry",
    "BundleSpec",
    "E5Weights",
    "FrameInput",
    "GraphParts",
    "LanguageNeutralProjection",
    "Licence",
    "Measurement",
    "SemanticPooling",
    "TextInput",
    "TrainedHeads",
    "Unigram",
    "build_bundle",
    "build_on_default",
    "estimate_language_neutral_projection",
    "list_bundles",
    "load_e5",
    "locate_bundle",
    "read_card",
    "read_language_neutral_projection",
    "read_semantic_pooling",
    "text_tokenizer",
    "training_free",
    "write_bundle",
    "write_learnt",
]
