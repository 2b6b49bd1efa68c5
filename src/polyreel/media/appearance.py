"""How a decoded frame is meant to look: turned and mirrored, on white where transparent, HDR as SDR."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from polyreel.media.side_data import side_data_of

__all__ = [
    "UPRIGHT",
    "Orientation",
    "has_opacity",
    "is_hdr",
    "on_white",
    "orientation_of",
    "pixel_aspect",
    "tone_mapped",
]

_PQ, _HLG = 16, 18  # transfer characteristics of ITU-T H.273
_BT2020 = 9
_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
# Light of a white page (ITU-R BT.2408), and the brightest that is told apart, in candela per square metre.
_WHITE_NITS, _PEAK_NITS = 203.0, 1_000.0


@dataclass(frozen=True, slots=True)
class Orientation:
    """What brings a stored picture upright, in this order.

    Attributes:
        transposed: rows and columns change places.
        mirrored: left and right change places.
        flipped: top and bottom change places.
    """

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False

    def apply(self, image: NDArray[Any]) -> NDArray[Any]:
        """The upright picture of a stored one, (height, width, 3)."""
        turned = image.transpose(1, 0, 2) if self.transposed else image
        return np.ascontiguousarray(turned[:: -1 if self.flipped else 1, :: -1 if self.mirrored else 1])


UPRIGHT = Orientation()
_QUARTER_TURNS = (
    UPRIGHT,
    Orientation(transposed=True, flipped=True),
    Orientation(mirrored=True, flipped=True),
    Orientation(transposed=True, mirrored=True),
)


# PyAV 18 does not read the side data of every frame of these decoders safely: the process may end. The angle,
# and Exif, are read in other ways.
_UNSAFE_SIDE_DATA = frozenset({"apng", "png"})


def orientation_of(frame: VideoFrame, codec: str) -> Orientation:
    """What the frame's display matrix asks for.

    Args:
        frame: as it was decoded.
        codec: FFmpeg's name of its decoder.
    """
    matrix = None if codec in _UNSAFE_SIDE_DATA else side_data_of(frame).get(Type.DISPLAYMATRIX)
    if matrix is not None:
        a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).tolist()
        if a * d - b * c < 0:
            if abs(a) >= abs(b):
                return Orientation(mirrored=a < 0, flipped=d < 0)
            return Orientation(transposed=True, mirrored=c < 0, flipped=b < 0)
    # The angle is what turns the picture counter-clockwise.
    return _QUARTER_TURNS[round(frame.rotation / 90) % 4]


def pixel_aspect(stream: VideoStream) -> Fraction:
    """Width of a stored pixel by its height, as it is shown; 1 where the file says nothing, or nonsense."""
    stated = stream.sample_aspect_ratio
    return stated if stated and Fraction(1, 10) < stated < 10 else Fraction(1)


def has_opacity(frame: VideoFrame) -> bool:
    """Whether the frame's pixels can be transparent."""
    return _format_has_opacity(frame.format.name)


@functools.cache
def _format_has_opacity(name: str) -> bool:
    return name.startswith(("argb", "abgr", "rgba", "bgra", "yuva", "gbrap", "ya8", "ya16", "pal8"))


def on_white(frame: VideoFrame) -> VideoFrame:
    """The frame without opacity. Scaling would show what colour lies hidden under transparent pixels."""
    if not has_opacity(frame):
        return frame
    pixels = frame.to_ndarray(format="rgba").astype(np.uint16)
    opacity = pixels[..., 3:]
    mixed = (pixels[..., :3] * opacity + 255 * (255 - opacity) + 127) // 255
    return VideoFrame.from_ndarray(mixed.astype(np.uint8), format="rgb24")


def is_hdr(frame: VideoFrame) -> bool:
    """Whether the frame codes light by PQ or HLG."""
    return frame.color_trc in {_PQ, _HLG}


def tone_mapped(rgb: NDArray[Any], frame: VideoFrame) -> NDArray[np.uint8]:
    """The picture of an HDR frame for ordinary screens.

    Args:
        rgb: (height, width, 3), 16 bits a channel, in the frame's own coding of light.
        frame: whose tags are taken.
    """
    light = _light(int(frame.color_trc))[rgb]
    if frame.color_primaries == _BT2020:
        light = np.maximum(light @ _TO_BT709.T, 0.0)
    # Reinhard's curve by the brightest channel, so that hues stay.
    brightest = light.max(axis=-1, keepdims=True)
    peak = _PEAK_NITS / _WHITE_NITS
    light *= (1 + brightest / peak**2) / (1 + brightest)
    return np.asarray(np.clip(light, 0, 1) ** (1 / 2.2) * 255 + 0.5, np.uint8)


@functools.cache
def _light(transfer: int) -> NDArray[np.float32]:
    """Light of each 16-bit code, 1 for white (ITU-R BT.2100)."""
    code = np.linspace(0, 1, 1 << 16)
    if transfer == _PQ:
        root = code ** (32 / 2523)
        nits = 10_000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (16384 / 2610)
    else:
        scene = np.where(
            code <= 0.5, code**2 / 3, (np.exp((code - 0.55991073) / 0.17883277) + 0.28466892) / 12
        )
        nits = 1_000 * scene**1.2
    return (nits / _WHITE_NITS).astype(np.float32)
