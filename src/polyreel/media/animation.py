"""Animated WebP as video. FFmpeg reads still WebP only, so Pillow decodes these."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

import numpy as np
from av.video.frame import VideoFrame

from polyreel.errors import DecodeError, MediaError
from polyreel.files import open_regular
from polyreel.media.appearance import on_white
from polyreel.media.closed_captions import ClosedCaptions
from polyreel.media.decode import Picture, shown_for_s
from polyreel.media.health import Health
from polyreel.media.sampling import Sampling, next_due_s

if TYPE_CHECKING:
    from PIL.WebPImagePlugin import WebPImageFile

__all__ = ["AnimationReader", "is_animation"]

# Flag of the extended header, and where a frame's header has its length in milliseconds.
_ANIMATED, _LENGTH_MS = 0x02, slice(12, 15)


def is_animation(path: Path) -> bool:
    """Whether the file is an animated WebP; a file that cannot be read is none."""
    try:
        with open_regular(path) as file:
            return _is_animation(file.read(21))
    except OSError:
        return False


def _is_animation(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and bool(head[20:21] and head[20] & _ANIMATED)


class AnimationReader:
    """Reads one animation from start to end, once, as ``VideoReader`` reads a video.

    Args:
        path: the file.

    Attributes:
        closed_captions: as those of ``VideoReader``; there are none.

    Raises:
        MediaError: it is damaged or cut short.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._image = _open(path)
        self._decoded = self._sampled = 0
        self._got_s = 0.0
        self.closed_captions = ClosedCaptions()  # none
        self.duration_asked_s = _stated_length_s(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._image.close()

    @property
    def health(self) -> Health:
        """What has come out so far; complete once ``pictures`` is exhausted."""
        width, height = self._image.size
        return Health(
            sound_tracks=0,
            codec="webp",
            width_px=width,
            height_px=height,
            rotation_deg=0,
            duration_asked_s=self.duration_asked_s,
            duration_got_s=self._got_s,
            frames_decoded=self._decoded,
            frames_sampled=self._sampled,
            bad_packets=0,
        )

    def pictures(self, fps: float = 1.0, sampling: Sampling = "exact") -> Iterator[Picture]:
        """The first frame at or after each multiple of ``1 / fps`` seconds, on white where transparent.

        Each frame builds on the one before, so that it is so whatever the ``sampling``.

        Raises:
            DecodeError: a frame does not decode; what comes after it builds on it.
        """
        due_s = 0.0
        for index in range(self._image.n_frames):
            start_s = self._got_s
            try:
                self._image.seek(index)
                self._image.load()
            except (OSError, EOFError, ValueError) as error:
                raise DecodeError("a frame does not decode", item=self._path, value=error) from error
            self._decoded += 1
            self._got_s += shown_for_s(self._image.info.get("duration", 0) / 1000)
            if start_s >= due_s:
                due_s = next_due_s(start_s, fps)
                self._sampled += 1
                pixels = np.asarray(self._image.convert("RGBA"))
                yield Picture(start_s, on_white(VideoFrame.from_ndarray(pixels, format="rgba")))


def _open(path: Path) -> WebPImageFile:
    # Imported late: videos do without it.
    from PIL import Image
    from PIL.WebPImagePlugin import WebPImageFile

    try:
        image = Image.open(path, formats=["WEBP"])
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MediaError(
            "the animation cannot be opened", item=path, value=error, remedy="It may be damaged or cut short"
        ) from error
    assert isinstance(image, WebPImageFile)
    return image


def _stated_length_s(path: Path) -> float:
    """How long browsers show it, by its frames' headers (RIFF container: kind, size, content, even)."""
    with open_regular(path) as file:
        file.seek(12)
        return sum(shown_for_s(length_ms / 1000) for length_ms in _frame_lengths_ms(file))


def _frame_lengths_ms(file: BinaryIO) -> Iterator[int]:
    while len(head := file.read(8)) == 8:
        size = int.from_bytes(head[4:], "little")
        content = file.read(16) if head[:4] == b"ANMF" else b""
        if content:
            yield int.from_bytes(content[_LENGTH_MS], "little")
        file.seek(size + size % 2 - len(content), 1)
