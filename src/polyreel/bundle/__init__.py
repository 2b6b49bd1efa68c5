"""The seam between training and use: a two-tower model as ONNX graphs with a card."""

from polyreel.bundle.card import BundleCard, FrameInput, Licence, Measurement, TextInput, read_card
from polyreel.bundle.e5 import E5Weights, Unigram
from polyreel.bundle.language_space import LanguageFreeSpace, estimate_language_free_space
from polyreel.bundle.learnt import Learnt, write_learnt
from polyreel.bundle.parts import (
    E5_PREFIX,
    load_e5,
    read_language_free_space,
    read_semantic_pooling,
    text_tokenizer,
)
from polyreel.bundle.registry import (
    DEFAULT_BUNDLE,
    BundleEntry,
    build_bundle,
    build_on_default,
    list_bundles,
    locate_bundle,
)
from polyreel.bundle.runtime import Bundle
from polyreel.bundle.semantic_pooling import SemanticPooling
from polyreel.bundle.trained import Trained, training_free
from polyreel.bundle.writing import GraphParts, write_bundle

__all__ = [
    "DEFAULT_BUNDLE",
    "E5_PREFIX",
    "Bundle",
    "BundleCard",
    "BundleEntry",
    "E5Weights",
    "FrameInput",
    "GraphParts",
    "LanguageFreeSpace",
    "Learnt",
    "Licence",
    "Measurement",
    "SemanticPooling",
    "TextInput",
    "Trained",
    "Unigram",
    "build_bundle",
    "build_on_default",
    "estimate_language_free_space",
    "list_bundles",
    "load_e5",
    "locate_bundle",
    "read_card",
    "read_language_free_space",
    "read_semantic_pooling",
    "text_tokenizer",
    "training_free",
    "write_bundle",
    "write_learnt",
]
