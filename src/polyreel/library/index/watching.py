"""Folders that are watched: when something in them changed, and what was being written has come to rest."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence, Set
from contextlib import closing
from pathlib import Path

from polyreel.errors import LibraryError
from polyreel.library.index.ignoring import IGNORE_FILE
from polyreel.media.subtitles import SIDECAR_SUFFIXES
from polyreel.media.suffixes import VIDEO_SUFFIXES

__all__ = ["watched_changes"]

_TICK_MS = 200
_STEP_MS = 50
# A file that is written for longer than this is passed over until it rests: others need not wait for it.
_LONGEST_WAIT_S = 60.0
_RELEVANT = VIDEO_SUFFIXES | frozenset(SIDECAR_SUFFIXES)

_Facts = tuple[int, int] | None


def watched_changes(
    paths: Iterable[Path], library: Path, *, settle_s: float = 2.0, stop: threading.Event | None = None
) -> Generator[frozenset[Path]]:
    """Nothing once watching has begun; then, each time that something changed, what is still being written.

    What came about while the caller was busy with one of these is in the next.

    Args:
        paths: files and folders, absolute.
        library: folder whose own changes do not count.
        settle_s: a file is at rest once its size and time have not changed for so many seconds.
        stop: ends watching when it is set.

    Raises:
        LibraryError: the system does not let so many folders be watched, or one is gone.
        KeyboardInterrupt: Ctrl-C.
    """
    roots = list(paths)
    relevance = _Relevance(roots, library)  # now: a folder that goes meanwhile was one
    events = _events(roots, stop)
    with closing(events):
        try:
            next(events)  # from here on nothing is missed
            yield frozenset()
            yield from _settled(events, relevance, settle_s)
        # What watchfiles raises where the system refuses, such as at the limit of inotify.
        except (OSError, RuntimeError) as error:
            raise LibraryError(
                "the folders cannot be watched",
                value=error,
                remedy="Index them from time to time, or raise fs.inotify.max_user_watches",
            ) from error


def _events(roots: Sequence[Path], stop: threading.Event | None) -> Generator[Set[tuple[int, str]]]:
    """What watchfiles tells, or nothing, several times a second; at once if a folder is there again.

    What watches a folder that was removed does not watch another one in its place.
    """
    from watchfiles import Change, watch

    folders = {root for root in roots if root.is_dir()}
    # A file is replaced by a rename more often than written, which its folder notices.
    others = {root.parent for root in roots if root not in folders}
    came_back: set[tuple[int, str]] = set()
    while True:
        watched = {folder: _identity(folder) for folder in folders}
        events = watch(
            *(folder for folder, found in watched.items() if found is not None),
            *others,
            watch_filter=None,
            debounce=_TICK_MS,
            step=_STEP_MS,
            rust_timeout=_TICK_MS,
            yield_on_timeout=True,
            stop_event=stop,
        )
        with closing(events):
            for changes in events:
                yield changes | came_back
                came_back = set()
                gone = {Path(name) for change, name in changes if change == Change.deleted}
                for folder in folders:
                    # Seen to be gone, or told so: the next one may have the same number.
                    if _identity(folder) is None or folder in gone:
                        watched[folder] = None
                    elif _identity(folder) != watched[folder]:
                        came_back.add((int(Change.added), str(folder)))
                if came_back:
                    break
            else:
                return


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if folder.is_dir() else None


def _settled(
    events: Iterable[Set[tuple[int, str]]], relevance: _Relevance, settle_s: float
) -> Iterator[frozenset[Path]]:
    waiting: dict[Path, tuple[_Facts, float]] = {}  # size and time, and since when they are so
    began_s = 0.0
    for changes in events:
        now_s = time.monotonic()
        for _, name in changes:
            for path in relevance.concerned(Path(name)):
                began_s = began_s if waiting else now_s
                waiting[path] = _facts(path), now_s
        if not waiting:
            continue
        for path, (facts, _) in waiting.items():
            if (found := _facts(path)) != facts:
                waiting[path] = found, now_s
        resting = {path for path, (_, since_s) in waiting.items() if now_s - since_s >= settle_s}
        if resting and (len(resting) == len(waiting) or now_s - began_s >= _LONGEST_WAIT_S):
            for path in resting:
                del waiting[path]
            began_s = now_s
            yield frozenset(waiting)


class _Relevance:
    """Which changes can be of a video or its subtitles."""

    def __init__(self, roots: list[Path], library: Path) -> None:
        self._folders = [root for root in roots if root.is_dir()]
        self._files = [root for root in roots if not root.is_dir()]
        self._library = library.resolve()

    def concerned(self, path: Path) -> Iterator[Path]:
        """What a change is of: a path, and what lies in a folder that came; nothing if it is no matter."""
        if self._concerns(path):
            yield path
            if path.is_dir():
                yield from (inner for inner in path.rglob("*") if self._concerns(inner))

    def _concerns(self, path: Path) -> bool:
        if path.resolve().is_relative_to(self._library):
            return False
        if any(path == file or path.stem.startswith(file.stem) for file in self._files):
            return True
        root = next((folder for folder in self._folders if path.is_relative_to(folder)), None)
        if root is None:
            return False
        inside = path.relative_to(root).parts
        if any(part.startswith(".") for part in inside if part != IGNORE_FILE):
            return False
        # A folder that is gone cannot be asked whether it was one.
        return path.suffix.lower() in _RELEVANT or path.name == IGNORE_FILE or not path.is_file()


def _facts(path: Path) -> _Facts:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if path.is_file() else (0, 0)
