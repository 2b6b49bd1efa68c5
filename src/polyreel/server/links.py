"""Addresses of things on the server, which results hold in place of paths."""

from __future__ import annotations

import os.path
from pathlib import Path
from urllib.parse import quote

from polyreel.library.search.locator import Locator

__all__ = ["AddressLocator", "media_address", "thumbnail_address"]


def thumbnail_address(clip_id: str) -> str:
    """Address of a clip's picture."""
    return f"/api/v1/thumbnails/{quote(clip_id, safe='@')}"


def media_address(video_id: str, start_s: float | None = None) -> str:
    """Address of a video's file, at a time of it."""
    return f"/api/v1/videos/{video_id}/file" + ("" if start_s is None else f"#t={start_s:.3f}")


class AddressLocator(Locator):
    """Names files by address, and videos by their paths from the common folder."""

    def video(self, path: str, root: Path) -> str:
        """The path from ``root``."""
        return os.path.relpath(path, root)

    def thumbnail(self, clip_id: str, path: str) -> str:
        """Address of a clip's picture."""
        return thumbnail_address(clip_id)

    def media(self, video_id: str, path: str, start_s: float | None = None) -> str:
        """Address of a video's file, at a time of it.

        Args: those of ``Locator.media``.
        """
        return media_address(video_id, start_s)
