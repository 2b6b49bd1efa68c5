"""Examine a library: what it holds, what was left out and why."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from polyreel.encoders.card import BundleCard, read_card
from polyreel.encoders.devices import CPU, chosen_device
from polyreel.encoders.registry import earlier_build, list_bundles
from polyreel.encoders.runtime import Bundle
from polyreel.errors import BundleError, LibraryError
from polyreel.extras import installed_extras
from polyreel.library.line_kinds import SCREEN, SPEECH
from polyreel.library.results import LibraryResult
from polyreel.library.search.calibration import calibration_file, read_calibration
from polyreel.library.search.search_index import cache_of
from polyreel.library.search.searched_vectors import way_of_search
from polyreel.library.store.installation import NOT_BUILT, WHOLE, versions
from polyreel.library.store.preferences import Preferences, read_preferences
from polyreel.library.store.recognised import (
    RECOGNISED_COLUMNS,
    FileProblem,
    RecognisedHealth,
    recognised_health,
)
from polyreel.library.store.state import Generation, LibraryState
from polyreel.library.store.store import TableReader, open_snapshot
from polyreel.library.store.tables import (
    CLIPS,
    FILES,
    OK,
    PARTIAL,
    RECOGNISED,
    SUBTITLES,
    embedding_table,
)
from polyreel.library.store.vector_index import IndexFacts
from polyreel.remote.address import BucketPath, existing, place

__all__ = ["GenerationHealth", "LibraryHealth", "examine"]

_RESTORE = "Restore the library from a backup, or index into another folder with --library"


class GenerationHealth(LibraryResult):
    """The vectors that one bundle made.

    Attributes:
        bundle: its label.
        active: whether searches use it; others are kept, or in the making.
        clips, subtitles: how many it has a vector of.
    """

    bundle: str
    active: bool
    clips: int
    subtitles: int


class LibraryHealth(LibraryResult):
    """What ``examine`` finds.

    Attributes:
        library: its folder.
        schema_version, commit: of its ``library.json``.
        ways: "clips" and "subtitles" -> how they are searched, which their number decides.
        bundle, bundle_state: the bundle that it needs, and whether that is here and whole.
        device: what runs a bundle here, where a command names none.
        usable: whether it can be searched now, all of it.
        measured: whether it is known how much a match means in this commit; if not, no hit has a strength,
            and the verdict of searches is "unmeasured".
        damage: what of the library itself cannot be read or found, and what to do.
        videos, clips, subtitles: what can be searched. A video is a content: copies of it are one.
        files: that these videos lie in, copies and all.
        copies: path of each copy -> the path of the same content that was known first.
        paths: files that were looked at, whether or not they could be read.
        failed: files that are left out.
        half_read: files that a run did not read to their end, and that the next one reads on.
        left_out_gone: paths of those among ``failed`` and ``half_read`` that are not on the disk now.
        missing: files that can be found and are not on the disk now; copies that are there do not help.
        generations: bundles that the library has vectors of, the one that searches use first.
        unencoded: paths of videos whose pictures are not searched, because the bundle that searches use has
            not encoded them.
        gone_folders: their highest folders that are gone as well: moved, or on a drive that is not mounted.
        remarks: files that were read, with what was not as it should be.
        languages: BCP-47 tags that the library remembers as likely to be spoken.
        speech: what was heard in them.
        screen_text: what was read in their pictures.
        space_bytes: part -> bytes on disk.
        extras: those that are installed.
        versions: package -> version.
    """

    library: str
    schema_version: int
    commit: int
    bundle: str
    bundle_state: str
    device: str
    usable: bool
    measured: bool
    ways: Mapping[str, str]
    videos: int
    files: int
    copies: Mapping[str, str]
    paths: int
    clips: int
    subtitles: int
    generations: tuple[GenerationHealth, ...]
    unencoded: tuple[str, ...]
    damage: tuple[str, ...]
    failed: tuple[FileProblem, ...]
    half_read: tuple[FileProblem, ...]
    left_out_gone: tuple[str, ...]
    missing: tuple[str, ...]
    gone_folders: tuple[str, ...]
    remarks: tuple[FileProblem, ...]
    languages: tuple[str, ...]
    speech: RecognisedHealth
    screen_text: RecognisedHealth
    space_bytes: Mapping[str, int]
    extras: tuple[str, ...]
    versions: Mapping[str, str]


def examine(folder: Path) -> LibraryHealth:
    """Look at the library in ``folder`` without changing it.

    Raises:
        LibraryError: there is no library, or it cannot be read.
    """
    snapshot = open_snapshot(folder)
    state = snapshot.state
    look = _Look(snapshot)
    rows = look.rows(FILES, ["path", "video", "status", "message", "health", "indexed_at"])
    rows.sort(key=lambda row: row["path"])
    clips, lines = (
        look.rows(CLIPS, ["clip_id", "video", "thumbnail"]),
        look.rows(SUBTITLES, ["subtitle_id", "source"]),
    )
    made = {number: look.rows(embedding_table(number), ["id", "kind"]) for number in state.generations}
    vectors = {row["id"] for row in made[state.active_generation]}
    anywhere = {row["id"] for each in made.values() for row in each} if state.gaps else vectors
    look.require_vectors("clip", {row["clip_id"] for row in clips}, anywhere)
    look.require_vectors("subtitle line", {row["subtitle_id"] for row in lines}, anywhere)
    left_out = {row["video"] for row in clips if row["clip_id"] not in vectors} if state.gaps else set()
    look.require_pictures(row["thumbnail"] for row in clips)
    whole = {row["video"] for row in rows if row["status"] == OK}
    searched_paths = [row["path"] for row in rows if row["status"] == OK]
    left_out_paths = [row["path"] for row in rows if row["status"] != OK]
    there = existing([*searched_paths, *left_out_paths])
    missing = [path for path in searched_paths if path not in there]
    problems = [
        FileProblem(**{name: row[name] for name in FileProblem.model_fields})
        for row in rows
        if row["message"]
    ]
    recognised = look.rows(RECOGNISED, RECOGNISED_COLUMNS, in_=state)
    speech, screen_text = (
        recognised_health(source, rows, recognised, lines=sum(line["source"] == source for line in lines))
        for source in (SPEECH, SCREEN)
    )
    bundle_state, usable = _bundle_state(state.generation)
    searched = sum(clip["video"] in whole for clip in clips)
    wishes, unread = _preferences(folder)
    index = look.index()
    return LibraryHealth(
        library=str(folder),
        schema_version=state.schema_version,
        commit=state.commit,
        bundle=state.generation.label,
        bundle_state=bundle_state,
        device=chosen_device(),
        usable=usable and not look.damage,
        measured=read_calibration(calibration_file(cache_of(folder, state)), state.generation.dim)
        is not None,
        ways={
            name: way_of_search(rows, state.generation.dim, index)
            for name, rows in (("clips", searched), ("subtitles", len(lines)))
        },
        videos=len(whole),
        files=len(searched_paths),
        copies=_copies(row for row in rows if row["status"] == OK),
        paths=len(rows),
        clips=searched,
        subtitles=len(lines),
        generations=_generations(state, made),
        unencoded=tuple(row["path"] for row in rows if row["video"] in left_out),
        damage=(*look.damage, *unread),  # wishes are of no matter to a search
        missing=tuple(missing),
        gone_folders=_gone_folders(missing),
        failed=tuple(problem for problem in problems if problem.status not in {OK, PARTIAL}),
        half_read=tuple(problem for problem in problems if problem.status == PARTIAL),
        left_out_gone=tuple(path for path in left_out_paths if path not in there),
        remarks=tuple(problem for problem in problems if problem.status == OK),
        languages=wishes.languages,
        speech=speech,
        screen_text=screen_text,
        space_bytes={path.name: _used(path) for path in sorted(folder.iterdir()) if path.is_dir()},
        extras=installed_extras(),
        versions=versions(),
    )


def _preferences(folder: Path) -> tuple[Preferences, list[str]]:
    """The owner's wishes, and what is wrong with them."""
    try:
        return read_preferences(folder), []
    except LibraryError as error:
        return Preferences(), [str(error)]


def _generations(
    state: LibraryState, made: Mapping[int, list[dict[str, Any]]]
) -> tuple[GenerationHealth, ...]:
    order = sorted(made, key=lambda number: (number != state.active_generation, -number))
    return tuple(
        GenerationHealth(
            bundle=state.generations[number].label,
            active=number == state.active_generation,
            clips=sum(row["kind"] == "clip" for row in made[number]),
            subtitles=sum(row["kind"] == "subtitle" for row in made[number]),
        )
        for number in order
    )


def _copies(rows: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Path of each copy -> the path that was known first of its content; rows in order of path."""
    rows, first = list(rows), dict[str, str]()
    for row in sorted(rows, key=lambda row: row["indexed_at"]):
        first.setdefault(row["video"], row["path"])
    return {row["path"]: first[row["video"]] for row in rows if row["path"] != first[row["video"]]}


class _Look:
    """Reads tables and notes what is wrong, so that one broken part does not hide the others."""

    def __init__(self, snapshot: TableReader) -> None:
        self._snapshot = snapshot
        self.damage: list[str] = []

    def rows(
        self, table: str, columns: list[str], *, in_: LibraryState | None = None
    ) -> list[dict[str, Any]]:
        """Rows of a table; of one that ``in_`` does not name, none."""
        if in_ is not None and table not in in_.tables:
            return []
        try:
            found: list[dict[str, Any]] = self._snapshot.read(table, columns).to_pylist()
        except LibraryError as error:
            self.damage.append(f"the table {table} cannot be read ({error.value}). {_RESTORE}")
            return []
        return found

    def index(self) -> IndexFacts | None:
        """The index of the vectors; none where their table cannot be read, which is noted already."""
        with contextlib.suppress(LibraryError):
            return self._snapshot.index_facts()
        return None

    def require_vectors(self, what: str, ids: set[str], vectors: set[str]) -> None:
        if lost := len(ids - vectors):
            self.damage.append(
                f"{lost:,} of {len(ids):,} {what}s have no vector and cannot be found. {_RESTORE}"
            )

    def require_pictures(self, thumbnails: Iterable[str]) -> None:
        lost = sum(not (self._snapshot.folder / name).exists() for name in thumbnails)
        if lost:
            self.damage.append(f"{lost:,} clips have lost their picture. {_RESTORE}")


def _gone_folders(missing: Iterable[str]) -> tuple[str, ...]:
    gone: set[str] = set()
    is_there = functools.cache(lambda folder: folder.exists())
    for path in missing:
        # From above: below a bucket that does not answer nothing need be asked for.
        above = (str(folder) for folder in reversed(_folders_above(place(path))) if not is_there(folder))
        gone.update(itertools.islice(above, 1))
    return tuple(sorted(gone))


def _folders_above(path: Path) -> list[Path]:
    """The folders that a file lies in, the nearest first; of an address up to its bucket."""
    folders = list(path.parents)
    return [each for each in folders if len(each.parts) > 1] if isinstance(path, BucketPath) else folders


def _bundle_state(generation: Generation) -> tuple[str, bool]:
    if generation.is_of_a_program:
        return "an encoder of a Python program, which passes it: polyreel.open(LIBRARY, encoder=...)", True
    named = next((entry for entry in list_bundles() if entry.name == generation.location), None)
    folder = named.folder if named is not None else Path(generation.location)
    earlier = earlier_build(generation.location, generation.identity)
    try:
        card: BundleCard = read_card(folder if earlier is None else earlier)
        if card.identity != generation.identity:
            return f"another bundle of this name is installed: {card.label}", False
        Bundle(folder if earlier is None else earlier, device=CPU).verify()  # nothing is run
    except BundleError as error:
        if named is not None and named.card is None and named.problem is None:
            return NOT_BUILT, True
        return str(error), False
    if earlier is not None:
        now = generation.location
        return f"whole, of an earlier polyreel; to the present one: polyreel bundles set {now}", True
    return WHOLE, True


def _used(folder: Path) -> int:
    total = 0
    for home, _, names in os.walk(folder):
        for name in names:
            # An index run beside this one may be removing it.
            with contextlib.suppress(FileNotFoundError):
                total += (Path(home) / name).stat().st_size
    return total
