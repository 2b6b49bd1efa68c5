"""What an index run wants of devices that decode, such as a graphics card, and whether it gave them up."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["HWACCELS", "DeviceLeft", "Hwaccel", "HwaccelUse"]

Hwaccel = Literal["none", "auto", "cuda", "d3d11va", "d3d12va", "qsv", "vaapi", "videotoolbox", "vulkan"]
"""``none`` is the CPU, ``auto`` the first device that FFmpeg can open for a video's codec."""
HWACCELS: tuple[Hwaccel, ...] = get_args(Hwaccel)

_log = logging.getLogger("polyreel")


@dataclass(frozen=True, slots=True)
class DeviceLeft:
    """Why the CPU decodes a file although a device was wanted.

    Attributes:
        why: in words.
        for_good: whether other files would fare no better.
    """

    why: str
    for_good: bool


class HwaccelUse:
    """The device that an index run decodes on; may be used by many threads, and by one run after another.

    Args:
        wanted: name of the device.
    """

    def __init__(self, wanted: Hwaccel = "none") -> None:
        self._wanted: Hwaccel = wanted
        self._noting, self._has_told = threading.Lock(), False

    @property
    def wanted(self) -> Hwaccel:
        """What the next file is to be decoded on; ``none`` once the device is given up."""
        return self._wanted

    def leave(self, left: DeviceLeft) -> None:
        """Take note that the CPU decodes a file, and say so if it is the first."""
        with self._noting:
            asked, is_first = self._wanted, not self._has_told
            self._has_told = True
            if left.for_good:
                self._wanted = "none"
        if is_first:
            what = "the CPU decodes" if left.for_good else "the CPU decodes such videos"
            _log.warning("hwaccel %s: %s, so %s", asked, left.why, what)
