"""Several libraries searched as one: what they answer is what one library of all their files would.

What a score means depends on the whole library: how rare a word is, what unrelated queries reach, which rows
are the best of all. So answers are not merged, which could not be exact. Rows are (``joined_rows``), and one
ranking, on one measure, goes over them.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from polyreel.encoders.protocol import Encoder
from polyreel.errors import BundleMismatchError, PolyreelError, UsageError
from polyreel.library.location import own_location
from polyreel.library.results import IndexStatus
from polyreel.library.search.background import Background, kept_background, load_background
from polyreel.library.search.calibration import calibration_file
from polyreel.library.search.joined_index import join_indexes
from polyreel.library.search.search import Library, load_bundle
from polyreel.library.search.search_index import CACHE
from polyreel.library.search.searching import SearchedLibrary, measure
from polyreel.library.search.snapshot import LibrarySnapshot, Snapshot
from polyreel.library.store.state import LibraryState, require_state
from polyreel.packages.members import cache_dir

__all__ = ["JoinedLibrary", "JoinedSnapshot", "open_joined"]

# Sets of libraries whose measures are kept in the user's cache, of up to 5 MB each.
_SETS_KEPT = 16


class JoinedSnapshot(Snapshot):
    """Several libraries, each as of one commit.

    Args:
        parts: the libraries, of one bundle.
    """

    def __init__(self, parts: Sequence[LibrarySnapshot]) -> None:
        joined = join_indexes([part.index for part in parts])
        self._parts, self._part_of_video = parts, joined.part_of_video
        first = parts[0]
        super().__init__(joined.index, first.locator, first.bundle, _calibration_file(parts))

    @property
    def parts(self) -> Sequence[LibrarySnapshot]:
        """The libraries, in the order in which they were named."""
        return self._parts

    def part_of(self, video_id: str) -> LibrarySnapshot:
        """The library that a video's clips and lines are from. Raises as ``video_row``."""
        return self._parts[int(self._part_of_video[self.video_row(video_id)])]


class JoinedLibrary(SearchedLibrary):
    """Several libraries opened for searching as one, by any number of threads.

    Each is followed as ``Library`` follows it. What a match means is measured on all of them together by the
    first search for a text after each of them has been measured by itself.

    Args:
        libraries: each opened, with one bundle; at least one.
        on_measuring: called before they are measured together, which takes time where they are large.

    Raises:
        UsageError: there is none, or the same one twice.
        BundleMismatchError: they were not made by one bundle.
    """

    def __init__(
        self, libraries: Sequence[Library], *, on_measuring: Callable[[], None] | None = None
    ) -> None:
        folders = [library.folder for library in libraries]
        _require_different(folders)
        _require_one_bundle(folders, [require_state(folder) for folder in folders])
        self.libraries = tuple(libraries)
        self._on_measuring = on_measuring
        self._snapshot: JoinedSnapshot | None = None
        # Two, as measuring takes time: what needs no measure is searched meanwhile.
        self._joining, self._measuring = threading.Lock(), threading.Lock()

    def close(self) -> None:
        """Let go of the commits that are open; a search opens them again."""
        self._snapshot = None
        for library in self.libraries:
            library.close()

    @property
    def snapshot(self) -> JoinedSnapshot:
        """What searches see now."""
        with self._joining:
            parts = [_snapshot_of(library) for library in self.libraries]
            known = self._snapshot
            if known is None or any(old is not new for old, new in zip(known.parts, parts, strict=True)):
                _require_one_bundle([part.folder for part in parts], [part.state for part in parts])
                known = self._snapshot = JoinedSnapshot(parts)
            return known

    def _measure_for_texts(self, snapshot: Snapshot) -> None:
        if isinstance(snapshot, JoinedSnapshot) and all(
            part.calibration is not None for part in snapshot.parts
        ):
            with self._measuring:  # of searches at once, the first one measures
                self._measure_if_quick(snapshot)

    def _laid_out_anew(self, snapshot: Snapshot) -> Snapshot:
        for library, part in zip(self.libraries, snapshot.parts, strict=True):
            library._laid_out_anew(part)  # which of them is damaged, is not known
        return self.snapshot

    def calibrate(self) -> None:
        """Measure what unrelated queries reach in each of the libraries, and in all of them together."""
        for library in self.libraries:
            library.calibrate()
        snapshot = self.snapshot
        with self._measuring:
            if snapshot.calibration is None:
                empty = not len(snapshot.index.clips)
                cache = self.libraries[0].folder / CACHE
                self._measure(snapshot, {} if empty else load_background(snapshot.bundle, cache))

    def calibrate_if_quick(self) -> bool:
        """As ``calibrate``, but only where nothing has to be encoded.

        Returns:
            Whether the libraries are measured.
        """
        for library in self.libraries:
            library.calibrate_if_quick()
        snapshot = self.snapshot
        with self._measuring:
            return self._measure_if_quick(snapshot)

    def _measure_if_quick(self, snapshot: JoinedSnapshot) -> bool:
        if snapshot.calibration is None:
            kept = (kept_background(snapshot.bundle, part.folder / CACHE) for part in snapshot.parts)
            background = next((each for each in kept if each is not None), None)
            if background is None:
                return False
            self._measure(snapshot, background)
        return True

    def _measure(self, snapshot: JoinedSnapshot, background: Background) -> None:
        if self._on_measuring is not None:
            self._on_measuring()
        _measure_and_keep(snapshot, background)

    def index_status(self) -> IndexStatus:
        """How far a running index has come, of the first of the libraries that is indexed now."""
        runs = (library.index_status() for library in self.libraries)
        return next((run for run in runs if run.running), IndexStatus(running=False))


def open_joined(
    folders: Sequence[Path],
    load_bundle: Callable[[str], Encoder] = load_bundle,
    *,
    on_measuring: Callable[[], None] | None = None,
) -> JoinedLibrary:
    """Open several libraries as one, with their bundle loaded once.

    Args:
        folders: of the libraries.
        load_bundle: as for ``Library``.
        on_measuring: as for ``JoinedLibrary``.

    Raises:
        UsageError: there is none, or the same one twice.
        LibraryError: there is no library in one of the folders, or it cannot be read.
        BundleMismatchError: they were not made by one bundle.
    """
    _require_different(folders)
    states = [require_state(folder) for folder in folders]
    _require_one_bundle(folders, states)
    locations = [own_location(state.generation) for state in states]
    # One bundle may be named by its name here, and by its folder there.
    loaded: dict[str, Encoder] = dict.fromkeys(locations, load_bundle(locations[0]))
    loading = threading.Lock()

    def load_once(location: str) -> Encoder:
        with loading:
            if location not in loaded:
                # They have moved to another one.
                bundle = load_bundle(location)
                loaded.clear()
                loaded[location] = bundle
            return loaded[location]

    return JoinedLibrary([Library(folder, load_once) for folder in folders], on_measuring=on_measuring)


def _require_different(folders: Sequence[Path]) -> None:
    if not folders:
        raise UsageError("there is no library to open", remedy="Name one, or several")
    seen: set[Path] = set()
    for folder in folders:
        if folder.resolve() in seen:
            raise UsageError("a library is named twice", item=folder, remedy="Name each once")
        seen.add(folder.resolve())


def _require_one_bundle(folders: Sequence[Path], states: Sequence[LibraryState]) -> None:
    first = states[0].generation
    for folder, state in zip(folders, states, strict=True):
        own = state.generation
        if own.identity == first.identity:
            continue
        bundle = first.bundle if first.is_of_a_program else own_location(first)
        way = (
            f"Index its videos again with the encoder {bundle}"
            if first.is_of_a_program
            else f"Move it to the other one: polyreel bundles set {bundle} --library {folder}"
        )
        raise BundleMismatchError(
            "libraries of different bundles cannot be searched as one",
            item=folder,
            value=f"{own.label}, where {folders[0]} has {first.label}",
            remedy=f"{way}. Or search each by itself",
        )


def _snapshot_of(library: Library) -> LibrarySnapshot:
    """What searches of one of the libraries see; an error says which it is about."""
    try:
        return library.snapshot
    except PolyreelError as error:
        if str(library.folder) not in str(error):
            error.what = f"{error.what} (in the library {library.folder})"
        raise


def _measure_and_keep(snapshot: JoinedSnapshot, background: Background) -> None:
    kept = snapshot.calibration_file.parent
    with contextlib.suppress(OSError):
        kept.mkdir(parents=True, exist_ok=True)
    measure(snapshot, background)
    # What was measured on earlier commits of the same libraries goes, and of others the oldest: nobody tells
    # when libraries go that were searched together.
    with contextlib.suppress(OSError):
        earlier = [each for each in kept.parent.iterdir() if each != kept]
        sets = sorted(kept.parent.parent.iterdir(), key=lambda each: each.stat().st_mtime_ns, reverse=True)
        others = [each for each in sets if each != kept.parent]
        for stale in (*earlier, *others[_SETS_KEPT - 1 :]):
            shutil.rmtree(stale, ignore_errors=True)


def _calibration_file(parts: Sequence[LibrarySnapshot]) -> Path:
    """Where the measure of some commits is kept: in the user's cache, for it belongs to none of them."""
    libraries = _digest(sorted(str(part.folder.resolve()) for part in parts))
    commits = _digest(sorted(part.state.key for part in parts))
    return calibration_file(cache_dir() / "joined" / libraries / commits)


def _digest(names: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:24]
