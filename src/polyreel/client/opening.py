"""One way in to a library, wherever it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from polyreel.client.remote import connect
from polyreel.errors import UsageError, require_type
from polyreel.library.results import (
    Contents,
    IndexStatus,
    LibraryClip,
    Mode,
    SearchResult,
    Timeline,
    Video,
)
from polyreel.library.search.filters import EVERYTHING, Filter
from polyreel.remote.address import on_a_disk

if TYPE_CHECKING:
    from polyreel.encoders.protocol import Encoder

__all__ = ["VideoLibrary", "open_library"]


class VideoLibrary(Protocol):
    """What ``Library`` and ``RemoteLibrary`` have in common; ``Library`` says what each call does."""

    def search(
        self,
        query: str,
        *,
        top: int = 10,
        mode: Mode = "hybrid",
        language: str = "auto",
        likely: Sequence[str] = (),
        filters: Filter = EVERYTHING,
        per_video: int | None = None,
        exact: bool = False,
    ) -> SearchResult:
        """The moments that match a text in any language best.

        Args: those of ``Library.search``.
        """

    def search_like(
        self,
        clip_id: str,
        *,
        top: int = 10,
        filters: Filter = EVERYTHING,
        per_video: int | None = None,
        exact: bool = False,
    ) -> SearchResult:
        """The moments that look most like a clip of the library, without that clip.

        Args: those of ``Library.search_like``.
        """

    def search_example(
        self,
        path: str | os.PathLike[str],
        *,
        top: int = 10,
        filters: Filter = EVERYTHING,
        per_video: int | None = None,
        exact: bool = False,
    ) -> SearchResult:
        """The moments that look most like a picture or a clip in a file.

        Args: those of ``Library.search_example``.
        """

    def timeline(self, video_id: str, query: str, *, language: str = "auto") -> Timeline:
        """How well each clip of a video matches a text, in order of time.

        Args: those of ``Library.timeline``.
        """

    def clip(self, clip_id: str) -> LibraryClip:
        """A clip and its video."""

    def video(self, video_id: str) -> Video:
        """A video of the library."""

    def videos(self, *, skip: int = 0, top: int = 100, filters: Filter = EVERYTHING) -> list[Video]:
        """Videos in order of path.

        Args: those of ``Library.videos``.
        """

    def contents(self) -> Contents:
        """What can be searched, and which files were left out or read in part."""

    def index_status(self) -> IndexStatus:
        """How far a running index has come."""

    def calibrate(self) -> None:
        """Measure how much a match means, where an index run has not: results then have strengths."""

    def close(self) -> None:
        """Let go of what is open."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_error: object) -> None: ...


def open_library(
    path_or_url: str | Path | Sequence[str | Path],
    *,
    token: str | None = None,
    encoder: Encoder | None = None,
) -> VideoLibrary:
    """Open the library in a folder, or the one that a server has; or those in several folders, as one.

    The bundle of a folder's library is found by what the library says; one that is not installed is built.
    Several libraries answer as one would that holds all their files; each hit says which it is from.

    Args:
        path_or_url: folder that ``polyreel index`` made, or ``http://`` address of a ``polyreel serve``; or
            several folders of libraries that one bundle made.
        token: what a server asks for beyond its own machine.
        encoder: the encoder of one's own that the library was indexed with.

    Raises:
        UsageError: the encoder lacks a method or a card; from a search, it fails or gives wrong answers. Of
            several libraries, one is named twice, or a server's is among them; or an address of no server.
        LibraryError: there is no library in that folder, or it cannot be read.
        BundleMismatchError: the library was made by another encoder or bundle, or several by different ones.
        BundleError: its bundle is damaged, or it was made by an encoder and none is given.
        RemoteError: the server cannot be reached or refuses the token.
    """
    if isinstance(path_or_url, list | tuple):
        return _open_several(path_or_url, encoder)
    require_type(path_or_url, (str, os.PathLike), "a library's place")
    assert isinstance(path_or_url, str | Path)
    if _is_address(path_or_url):
        if encoder is not None:
            raise UsageError("a server has its encoder already", item=path_or_url, remedy="Leave it out")
        return connect(str(path_or_url), token=token)
    folder = on_a_disk(path_or_url)
    # Imported late: they load numpy and Arrow, which a client does not need.
    if encoder is not None:
        from polyreel.library.own_encoder import open_with

        return open_with(folder, encoder)
    from polyreel.library.search.search import Library

    return Library(folder)


def _open_several(places: Sequence[str | Path], encoder: Encoder | None) -> VideoLibrary:
    for place in places:
        require_type(place, (str, os.PathLike), "a library's place")
        if _is_address(place):
            raise UsageError(
                "a server's library cannot be searched as one with others",
                item=place,
                remedy="Open it by itself, or name the folder of its library",
            )
    if len(places) == 1:
        return open_library(places[0], encoder=encoder)
    folders = [on_a_disk(place) for place in places]
    from polyreel.library.search.joined_library import JoinedLibrary, open_joined

    if encoder is None:
        return open_joined(folders)
    from polyreel.library.own_encoder import open_with

    return JoinedLibrary([open_with(folder, encoder) for folder in folders])


def _is_address(place: str | Path) -> bool:
    return str(place).startswith(("http://", "https://"))
