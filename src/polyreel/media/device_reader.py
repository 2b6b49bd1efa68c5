"""Reads a video on a device, in the process that touches media files, and on the CPU where that fails.

Drivers decode what they should refuse: before a device decodes a kind of video, the first pictures of one are
held against those of the CPU. That a driver crashes or hangs is seen from outside (``limited``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from av.codec.codec import Codec
from av.codec.hwaccel import HWAccel, hwdevices_available
from numpy.typing import NDArray

from polyreel.errors import DecodeError, MediaError
from polyreel.media.animation import AnimationReader
from polyreel.media.closed_captions import ClosedCaptions
from polyreel.media.decode import DeviceFailed, Picture, VideoReader
from polyreel.media.health import Health
from polyreel.media.hwaccel import DeviceLeft, Hwaccel
from polyreel.media.readers import open_video
from polyreel.media.sampling import Sampling
from polyreel.media.windows import cell_means

__all__ = ["DeviceReader", "pictures_agree"]

# In the order in which they are tried. Vulkan, which is there without a decoder too, is for those who ask.
_AUTO = ("cuda", "videotoolbox", "vaapi", "qsv", "d3d12va", "d3d11va")
_COMPARED_PICTURES, _COMPARED_SIZE, _COMPARED_CELLS = 3, (224, 224), 32
# The largest difference of a cell's colour, 0 to 1. A codec says every bit of a picture; what differs is how
# colour is brought from half to full resolution.
_AGREE, _SAME_TIME_S = 4 / 255, 1e-3

# What is known of the devices of this process: why one cannot be opened, and what became of each kind of
# video on one.
_cannot_open: dict[str, str] = {}
_kinds: dict[tuple[object, ...], DeviceLeft | None] = {}


class DeviceReader:
    """Reads a video as ``VideoReader`` does, on a device as long as that works, and on by the CPU.

    Args:
        path: the file.
        wanted: name of the device.

    Attributes:
        left: why the CPU decodes although a device was wanted; may come while pictures are read.

    Raises:
        MediaError: the file is missing, unreadable, empty, no video, or of a codec that cannot be decoded.
    """

    def __init__(self, path: Path, wanted: Hwaccel) -> None:
        self._path = path
        self.left: DeviceLeft | None = None
        self._reader: VideoReader | AnimationReader = open_video(path)
        self._is_on_device = False
        if wanted == "none" or isinstance(self._reader, AnimationReader):
            return
        try:
            found = _reader_on_device(path, self._reader, wanted)
        except BaseException:
            self._reader.close()
            raise
        if isinstance(found, DeviceLeft):
            self.left = found
        else:
            self._reader.close()
            self._reader, self._is_on_device = found, True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.__exit__(kind, error, trace)

    @property
    def duration_asked_s(self) -> float | None:
        """Length in seconds that the file states."""
        return self._reader.duration_asked_s

    @property
    def health(self) -> Health:
        """What has come out so far, of the device or else of the CPU."""
        return self._reader.health

    @property
    def closed_captions(self) -> ClosedCaptions:
        """Those that came with the pictures."""
        return self._reader.closed_captions

    def pictures(self, fps: float = 1.0, sampling: Sampling = "exact") -> Iterator[Picture]:
        """Those of ``VideoReader``; where a device fails, the CPU begins anew and goes on behind the last.

        Args:
            fps: pictures for each second of video.
            sampling: how far from its time a picture may lie.

        Raises: as ``VideoReader.pictures``.
        """
        last_s = -math.inf
        try:
            for picture in self._reader.pictures(fps, sampling):
                yield picture
                last_s = picture.time_s
        except (DeviceFailed, DecodeError) as error:
            if not self._is_on_device:
                raise
            self.left = DeviceLeft(f"the device fails on {self._path.name} ({error})", for_good=False)
            self._reader.__exit__(None, None, None)
            self._reader, self._is_on_device = open_video(self._path), False
        else:
            return
        for picture in self._reader.pictures(fps, sampling):
            if picture.time_s > last_s:
                yield picture


def pictures_agree(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Whether two pictures, (height, width, 3) uint8, differ by no more than two ways of decoding may."""
    if one.shape != other.shape:
        return False
    first, second = (cell_means(picture, _COMPARED_CELLS) for picture in (one, other))
    return float(np.abs(first - second).max()) <= _AGREE


def _reader_on_device(path: Path, on_cpu: VideoReader, wanted: Hwaccel) -> VideoReader | DeviceLeft:
    device = _device_for(on_cpu.codec, wanted)
    if isinstance(device, DeviceLeft):
        return device
    kind = (device, *on_cpu.kind)
    if kind not in _kinds:
        _kinds[kind] = _why_not(path, device)
    left = _kinds[kind]
    if left is not None:
        return left
    try:
        return VideoReader(path, hwaccel=HWAccel(device))
    except MediaError as error:  # the CPU has opened it
        return DeviceLeft(f"{device} cannot be opened again ({error.value})", for_good=False)


def _device_for(codec: Codec, wanted: Hwaccel) -> str | DeviceLeft:
    """The device that is there for a codec."""
    if wanted != "auto" and wanted not in hwdevices_available():
        return DeviceLeft(f"this FFmpeg was built without {wanted}", for_good=True)
    known = {config.device_type.name for config in codec.hardware_configs or () if config.is_supported}
    names = [name for name in (_AUTO if wanted == "auto" else (wanted,)) if name in known]
    if not names:
        return DeviceLeft(f"this FFmpeg decodes {codec.canonical_name} on no such device", for_good=False)
    for name in names:
        if name not in _cannot_open:
            try:
                HWAccel(name).create(codec)
            except Exception as error:  # of the driver, through FFmpeg or PyAV
                _cannot_open[name] = str(getattr(error, "strerror", None) or error)
            else:
                return name
    reasons = "; ".join(f"{name} cannot be opened ({_cannot_open[name]})" for name in names)
    return DeviceLeft(reasons, for_good=True)


def _why_not(path: Path, device: str) -> DeviceLeft | None:
    """Why a device is not to be trusted with videos like this one; None if it is."""
    expected = _first_pictures(VideoReader(path))
    try:
        found = _first_pictures(VideoReader(path, hwaccel=HWAccel(device)))
    except Exception as error:  # of the driver, through FFmpeg or PyAV; the CPU has read the same
        return DeviceLeft(f"{device} fails ({error})", for_good=True)
    agree = len(found) == len(expected) and all(
        abs(their_s - our_s) <= _SAME_TIME_S and pictures_agree(theirs, ours)
        for (their_s, theirs), (our_s, ours) in zip(found, expected, strict=True)
    )
    return None if agree else DeviceLeft(f"{device} makes other pictures than the CPU", for_good=True)


def _first_pictures(reader: VideoReader) -> list[tuple[float, NDArray[np.uint8]]]:
    with reader:
        pictures = islice(reader.pictures(), _COMPARED_PICTURES)
        return [(picture.time_s, picture.image(_COMPARED_SIZE)) for picture in pictures]
