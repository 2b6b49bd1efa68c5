"""How results say where videos and pictures are."""

from __future__ import annotations

from pathlib import Path

__all__ = ["Locator"]


class Locator:
    """Names files by their paths. A server has another one, which gives addresses and hides folders."""

    def video(self, path: str, root: Path) -> str:
        """What a hit calls the video at ``path`` in a library below ``root``."""
        return path

    def thumbnail(self, clip_id: str, path: str) -> str:
        """Where the picture of a clip is."""
        return path

    def media(self, video_id: str, path: str, start_s: float | None = None) -> str:
        """Where the file of a video is.

        Args:
            video_id: hash of the video's content.
            path: path of the file.
            start_s: time to begin at, seconds from the start of the video; None for no particular one.
        """
        return path
