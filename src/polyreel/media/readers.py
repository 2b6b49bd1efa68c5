"""One way to open whatever holds moving pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from polyreel.media.animation import AnimationReader, is_animation
from polyreel.media.decode import Frame, VideoReader

__all__ = ["frames", "open_video"]


def open_video(path: Path) -> VideoReader | AnimationReader:
    """The reader of a file, to be closed after use.

    Raises:
        MediaError: the file is missing, unreadable, empty, no video, or of a codec that cannot be decoded.
    """
    return AnimationReader(path) if is_animation(path) else VideoReader(path)


def frames(path: Path, fps: float = 1.0, *, size: tuple[int, int] | None = None) -> Iterator[Frame]:
    """Frames of a video at ``fps`` per second, upright, in order.

    Args:
        path: the file.
        fps: how many frames for each second of video; the frame at or after each multiple is taken.
        size: width and height in pixels to scale to; the video's own by default.

    Raises:
        MediaError: the file cannot be opened as video, or nothing in it decodes.
    """
    with open_video(path) as reader:
        for picture in reader.pictures(fps):
            yield Frame(picture.time_s, picture.image(size))
