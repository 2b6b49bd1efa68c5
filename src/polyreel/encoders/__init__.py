"""Models that put texts and clips into one space: bundles, and any object with the methods of ``Encoder``."""

from polyreel.encoders.card import BundleCard, Confidence, EncoderCard, FrameInput
from polyreel.encoders.protocol import Encoder
from polyreel.encoders.runtime import Bundle

__all__ = ["Bundle", "BundleCard", "Confidence", "Encoder", "EncoderCard", "FrameInput"]
