"""Find videos in folders.

Symbolic links inside a folder are not followed: they can lead out of it or in a ring.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from polyreel.errors import MediaError, UsageError
from polyreel.media.subtitles import sidecars_in
from polyreel.media.suffixes import VIDEO_SUFFIXES

__all__ = ["VIDEO_SUFFIXES", "FoundVideo", "Scan", "scan"]


@dataclass(frozen=True, slots=True)
class FoundVideo:
    """A file that should be a video.

    Attributes:
        path: absolute.
        size_bytes, mtime_ns: what tells a changed file without reading it.
        sidecars: names, sizes and times of its subtitle files as one string, for the same purpose.
    """

    path: Path
    size_bytes: int
    mtime_ns: int
    sidecars: str


@dataclass(slots=True)
class Scan:
    """What a walk found.

    Attributes:
        roots: the absolute paths that were asked for.
        videos: found files, in order of path.
        problems: folders and files that could not be looked at.
        unseen: folders that could not be listed; what the library knows below them is not taken for deleted.
        links: symbolic links that were passed over.
    """

    roots: list[Path] = field(default_factory=list)
    videos: list[FoundVideo] = field(default_factory=list)
    problems: list[MediaError] = field(default_factory=list)
    unseen: list[Path] = field(default_factory=list)
    links: int = 0


def scan(paths: Iterable[Path]) -> Scan:
    """Walk ``paths``: files are taken whatever their names, folders are searched for video files.

    Raises:
        UsageError: a path does not exist.
    """
    result = Scan()
    found: dict[Path, FoundVideo] = {}
    subtitles = _Sidecars()
    for given in paths:
        root = _root(given)
        result.roots.append(root)
        candidates = _walk(root, result) if root.is_dir() else [root]
        for path in candidates:
            _examine(path, result, found, subtitles)
    result.videos = [found[path] for path in sorted(found)]
    return result


def _root(given: Path) -> Path:
    with contextlib.suppress(RuntimeError):  # a home of nobody: a path that does not exist
        given = given.expanduser()
    root = Path(os.path.normpath(given.absolute()))
    try:
        root.stat()
    except OSError as error:
        raise UsageError(
            "no such file or folder",
            item=root,
            value=None if isinstance(error, FileNotFoundError) else error.strerror,
            remedy="Check the path, and that its drive is mounted",
        ) from error
    return root


def _walk(root: Path, result: Scan) -> list[Path]:
    def refused(error: OSError) -> None:
        folder = Path(error.filename)
        result.unseen.append(folder)
        result.problems.append(
            MediaError(
                "the folder cannot be read", item=folder, value=error.strerror, remedy="Check permissions"
            )
        )

    candidates = []
    for folder, subfolders, names in os.walk(root, onerror=refused):
        # Hidden folders hold caches and trash; a library's own folder holds no videos.
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        result.links += sum((Path(folder) / name).is_symlink() for name in subfolders)
        candidates += [
            Path(folder) / name
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in VIDEO_SUFFIXES
        ]
    return candidates


def _examine(path: Path, result: Scan, found: dict[Path, FoundVideo], subtitles: _Sidecars) -> None:
    try:
        str(path).encode()
        facts = path.lstat() if path not in result.roots else path.stat()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode("utf-8", "replace")
        result.problems.append(MediaError("the file name is not valid UTF-8", item=shown, remedy="Rename it"))
        return
    except OSError as error:
        result.problems.append(MediaError("the file cannot be looked at", item=path, value=error.strerror))
        return
    if stat.S_ISLNK(facts.st_mode):
        result.links += 1
    elif stat.S_ISREG(facts.st_mode):
        found[path] = FoundVideo(path, facts.st_size, facts.st_mtime_ns, subtitles.signature(path))
    else:
        result.problems.append(MediaError("not a regular file", item=path))


class _Sidecars:
    """Looks up the subtitle files of many videos, listing each folder once."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, list[Path]]] = {}

    def signature(self, video: Path) -> str:
        if video.parent not in self._folders:
            self._folders[video.parent] = sidecars_in(video.parent)
        parts = []
        for sidecar in self._folders[video.parent].get(video.stem, ()):
            try:
                facts = sidecar.stat()
            except OSError:
                continue
            parts.append(f"{sidecar.name}:{facts.st_size}:{facts.st_mtime_ns}")
        return "|".join(parts)
