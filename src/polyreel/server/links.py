"""Addresses of things on the server, which results hold in place of paths."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import Scope

from polyreel.library.search.locator import Locator
from polyreel.remote.address import name_below

__all__ = ["AddressLocator", "redirect", "route_path"]


def route_path(scope: Scope) -> str:
    """Path of a request without the path under which a reverse proxy shows the server."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def redirect(request: Request, address: str) -> RedirectResponse:
    """Lead to an address of this server, given without its root path, by GET."""
    return RedirectResponse(request.scope.get("root_path", "") + address, 303)


class AddressLocator(Locator):
    """Names files by address, and videos by their paths from the common folder.

    Args:
        root_path: path under which a reverse proxy shows the server.
    """

    def __init__(self, root_path: str = "") -> None:
        self._api = f"{root_path}/api/v1"

    def video(self, path: str, root: Path) -> str:
        """The path from ``root``."""
        return name_below(path, root)

    def thumbnail(self, clip_id: str, path: str = "") -> str:
        """Address of a clip's picture."""
        return f"{self._api}/thumbnails/{quote(clip_id, safe='@')}"

    def media(self, video_id: str, path: str = "", start_s: float | None = None) -> str:
        """Address of a video's file, at a time of it.

        Args: those of ``Locator.media``.
        """
        return f"{self._api}/videos/{video_id}/file" + ("" if start_s is None else f"#t={start_s:.3f}")
