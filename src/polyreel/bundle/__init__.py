"""The seam between training and use: a two-tower model as ONNX graphs with a card."""

from polyreel.bundle.card import BundleCard, Measurement, read_card
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
    "Bundle",
    "BundleCard",
    "BundleEntry",
    "Measurement",
    "build_bundle",
    "list_bundles",
    "locate_bundle",
    "read_card",
]
