"""The seam between training and use: a two-tower model as ONNX graphs with a card."""

from polyreel.bundle.card import BundleCard, Measurement, read_card
from polyreel.bundle.e5 import E5Weights, Unigram
from polyreel.bundle.language_space import LanguageFreeSpace, estimate_language_free_space
from polyreel.bundle.parts import (
    E5_PREFIX,
    SemanticPooling,
    load_e5,
    read_language_free_space,
    read_semantic_pooling,
    text_tokenizer,
)
from polyreel.bundle.registry import (
    DEFAULT_BUNDLE,
    BundleEntry,
    build_bundle,
    list_bundles,
    locate_bundle,
)
from polyreel.bundle.runtime import Bundle

__all__ = [
    "DEFAULT_BUNDLE",
    "E5_PREFIX",
    "Bundle",
    "BundleCard",
    "BundleEntry",
    "E5Weights",
    "LanguageFreeSpace",
    "Measurement",
    "SemanticPooling",
    "Unigram",
    "build_bundle",
    "estimate_language_free_space",
    "list_bundles",
    "load_e5",
    "locate_bundle",
    "read_card",
    "read_language_free_space",
    "read_semantic_pooling",
    "text_tokenizer",
]
