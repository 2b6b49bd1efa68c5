"""Pictures as JPEG, by the same library that decodes the video."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

__all__ = ["encode_jpeg", "fit_within"]


def fit_within(size: tuple[int, int], longest_px: int) -> tuple[int, int]:
    """Even width and height of the same shape with a longest side of at most ``longest_px``."""
    scale = min(1.0, longest_px / max(size))
    width, height = (max(2, round(side * scale / 2) * 2) for side in size)
    return width, height


def encode_jpeg(image: NDArray[np.uint8]) -> bytes:
    """A (height, width, 3) uint8 RGB picture with even sides as a JPEG file."""
    codec = CodecContext.create("mjpeg", "w")
    assert isinstance(codec, VideoCodecContext)
    height, width, _ = image.shape
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.color_range = ColorRange.JPEG
    codec.time_base = Fraction(1, 25)
    codec.thread_count = 1  # by default it starts a thread for each core, for one picture
    codec.options = {"qmin": "3", "qmax": "6"}
    frame = VideoFrame.from_ndarray(image, format="rgb24").reformat(
        format="yuv420p", dst_color_range=ColorRange.JPEG, threads=1
    )
    packets = [*codec.encode(frame), *codec.encode(None)]
    return b"".join(bytes(packet) for packet in packets)
