"""One library opened for searching, and followed from commit to commit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from polyreel.encoders.protocol import Encoder
from polyreel.encoders.registry import list_bundles, locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.errors import BundleError, BundleMismatchError, LibraryError
from polyreel.library.index.progress_file import LINES_FILE, PROGRESS_FILE, read_progress
from polyreel.library.location import location_of, own_location
from polyreel.library.results import IndexStatus
from polyreel.library.search.background import kept_background, load_background
from polyreel.library.search.locator import Locator
from polyreel.library.search.search_index import CACHE
from polyreel.library.search.searching import SearchedLibrary, measure
from polyreel.library.search.snapshot import LibrarySnapshot, Snapshot
from polyreel.library.store.state import LibraryState, generation_of, require_bundle, require_state

__all__ = ["Library", "calibrate_again", "calibrate_library", "load_bundle"]


def load_bundle(location: str) -> Bundle:
    """The bundle at the location that a library states, built if it can be."""
    return Bundle(locate_bundle(location))


class Library(SearchedLibrary):
    """A library opened for searching, by any number of threads.

    Args:
        folder: the library.
        load_bundle: gives the bundle for the location that the library states; by default the installed one,
            or one built on first use. Of a library that an earlier build of the default bundle made, it is
            asked for the folder of that one, as long as it is there.
        refresh: whether later commits show by themselves at each search, or "when asked" by ``refresh``, so
            that no search waits for a new commit to be laid out. A library that moves to another bundle is
            followed there at the next search; "when asked", it has to be opened anew.
        locator: names the files in results; by default by path.

    Raises:
        LibraryError: there is no library, or it cannot be read.
        BundleMismatchError: the bundle at that location is not the one that the library was made by.
    """

    def __init__(
        self,
        folder: Path,
        load_bundle: Callable[[str], Encoder] = load_bundle,
        *,
        refresh: Literal["at each search", "when asked"] = "at each search",
        locator: Locator | None = None,
    ) -> None:
        self.folder = folder
        state = require_state(folder)
        self._load_bundle = load_bundle
        self.bundle = load_bundle(own_location(state.generation))
        _require_own_bundle(folder, state, self.bundle)
        self._refresh_policy = refresh
        self._locator = locator or Locator()
        self._snapshot: LibrarySnapshot | None = None
        self._refreshing = threading.Lock()

    def close(self) -> None:
        """Let go of the commit that is open; a search opens it again."""
        self._snapshot = None

    def _laid_out_anew(self, snapshot: Snapshot) -> Snapshot:
        """The same commit from its tables; what was laid out of it before is damaged."""
        assert isinstance(snapshot, LibrarySnapshot)
        with self._refreshing:
            anew = LibrarySnapshot(self.folder, snapshot.state, self._locator, snapshot.bundle, anew=True)
            if self._snapshot is snapshot:
                self._snapshot = anew
        return anew

    def index_status(self) -> IndexStatus:
        """How far a running index of this library has come; its pictures first, if they and lines go on."""
        runs = (self.run_status(file) for file in (PROGRESS_FILE, LINES_FILE))
        return next((run for run in runs if run.running), IndexStatus(running=False))

    def run_status(self, file: str) -> IndexStatus:
        """How far the run has come that writes ``file`` (see ``progress_file``)."""
        progress = read_progress(self.folder, file)
        if progress is None or not progress.is_running:
            return IndexStatus(running=False)
        return IndexStatus(
            running=True,
            stage=progress.source or "pictures",
            files=progress.files,
            files_done=progress.files_done,
            failed=progress.failed,
            share=progress.share,
            left_s=progress.left_s,
            current=self._shown(progress.current),
        )

    def _shown(self, path: str) -> str:
        """A path from the common folder; where there is none yet, the bare name, which tells of no folder."""
        snapshot = self.snapshot
        return snapshot.name(path) if path and len(snapshot.index.videos) else Path(path).name

    @property
    def snapshot(self) -> LibrarySnapshot:
        """The commit that searches see now."""
        snapshot = self._snapshot
        if snapshot is None or self._refresh_policy == "at each search":
            self.refresh()
            snapshot = self._snapshot
        assert snapshot is not None
        return snapshot

    def refresh(self) -> bool:
        """Take up what was committed since; whether there was anything. Searches go on meanwhile."""
        with self._refreshing:
            state = require_state(self.folder)
            if self._snapshot is not None and state.key == self._snapshot.state.key:
                self._snapshot.follow(state)
                return False
            try:
                self._take_up(state)
            except LibraryError:
                # What the state names can go before it is read, if the library moves on just then.
                latest = require_state(self.folder)
                if latest.key == state.key:
                    raise
                self._take_up(latest)
            return True

    def _take_up(self, state: LibraryState) -> None:
        bundle = self.bundle
        if bundle.card.identity != state.generation.identity and self._refresh_policy == "at each search":
            bundle = self._load_bundle(own_location(state.generation))
        _require_own_bundle(self.folder, state, bundle)
        self._snapshot = LibrarySnapshot(self.folder, state, self._locator, bundle)
        self.bundle = bundle

    def calibrate(self) -> None:
        """Measure what unrelated queries reach, so that results can say how much a match means.

        The first time with a bundle takes seconds; it is kept beside what is laid out for searching, where
        that can be written, until the next commit.
        """
        snapshot = self.snapshot
        if snapshot.calibration is None:
            # Nothing is encoded for a library that has nothing to be found.
            empty = not len(snapshot.index.clips)
            measure(snapshot, {} if empty else load_background(snapshot.bundle, self.folder / CACHE))

    def calibrate_if_quick(self) -> bool:
        """As ``calibrate``, but only where nothing has to be encoded: where it was done before, and what was
        kept is damaged, or not what this version reads.

        Returns:
            Whether the library is measured.
        """
        snapshot = self.snapshot
        if snapshot.calibration is None:
            background = kept_background(snapshot.bundle, self.folder / CACHE)
            if background is None:
                return False
            measure(snapshot, background)
        return True


def calibrate_library(folder: Path, encoder: Encoder) -> None:
    """Measure what unrelated queries reach in a library, so that its first search need not do without.

    Args:
        folder: the library.
        encoder: its own.

    Raises:
        UsageError: an encoder of the user's own fails.
        LibraryError: it cannot be read.
    """
    Library(folder, lambda _location: encoder).calibrate()


def calibrate_again(folder: Path) -> bool:
    """Measure a library whose files changed without an index run, if nothing has to be encoded for that.

    The measurement belongs to all that is searched, so none of it holds for the rest.

    Args:
        folder: the library.

    Returns:
        Whether it is measured: not if it never was, or if its bundle is not here.

    Raises:
        LibraryError: it cannot be read.
    """
    try:
        return Library(folder, _installed).calibrate_if_quick()
    except (BundleError, BundleMismatchError):
        return False


def _installed(location: str) -> Bundle:
    """The bundle at a location, which is not built. Raises a BundleError if it is not there."""
    named = next((entry.folder for entry in list_bundles() if entry.name == location), Path(location))
    return Bundle(named)


def _require_own_bundle(folder: Path, state: LibraryState, bundle: Encoder) -> None:
    require_bundle(folder, state, generation_of(bundle.card, location_of(bundle)))
