"""A library on disk: Lance tables under ``library.json``, one writer, any number of readers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from polyreel.encoders.card import BundleCard, EncoderCard
from polyreel.errors import LibraryBusyError, LibraryError, UsageError
from polyreel.files import exclusive_lock
from polyreel.interrupts import uninterrupted
from polyreel.library.line_kinds import SCREEN, SPEECH
from polyreel.library.store.frame_features import (
    FEATURES,
    FrameFeatures,
    KeptFeatures,
    drop_features,
    drop_unused_features,
)
from polyreel.library.store.preferences import PREFERENCES_FILE
from polyreel.library.store.state import (
    STATE_FILE,
    Generation,
    LibraryState,
    first_state,
    read_state,
    require_bundle,
    require_state,
    write_state,
)
from polyreel.library.store.table_files import TableFiles
from polyreel.library.store.tables import (
    CLIPS,
    FILES,
    RECOGNISED,
    SCHEMAS,
    SUBTITLES,
    embedding_schema,
    embedding_table,
)
from polyreel.library.store.vector_index import BuildIndex, IndexFacts, bring_up_to_date, index_facts
from polyreel.library.store.words import WORDS, indexed_words

if TYPE_CHECKING:
    from lancedb.db import DBConnection
    from lancedb.table import Table

__all__ = [
    "MOVE_FILE",
    "Commit",
    "TableReader",
    "Writer",
    "create_library",
    "moving",
    "open_snapshot",
    "recognising",
    "writing",
]

MOVE_FILE = "move.json"
"""There while the library moves to another bundle: how far that has come."""

THUMBNAILS = "thumbs"
_LOCK, _MOVE_LOCK, _RECOGNISE_LOCK = "write.lock", "move.lock", "recognise.lock"
# For a move to another bundle, which writes now and then for about a second.
_PATIENCE_S = 60.0
# Merging small fragments is worth its time once there are this many.
_FRAGMENTS_BEFORE_COMPACTION = 32
_MIGRATED_AT_ONCE = 10_000
# Lines that were recognised are told by their ids, in the table of vectors, too.
_IS_OF = {source: f"{{id}} LIKE '%#{source}.%'" for source in (SPEECH, SCREEN)}
_KEEP_VERSIONS = timedelta(hours=1)
_FOREVER = timedelta(days=36_500)


@dataclass(slots=True)
class Commit:
    """What one commit changes.

    Attributes:
        files: rows of paths, each replacing the row of the same path.
        removed_paths: paths that leave.
        clips, subtitles: new rows.
        embeddings: id, video, kind of each new vector; ``vectors`` holds them in the same order.
        vectors: (dim,) each.
        replaced_subtitles: videos whose subtitles give way to the new ones; what was recognised stays.
        recognised: how far videos are recognised, each row replacing that of the same video and source.
        dropped_lines: source and video of recognised lines that leave.
        dropped_clips: videos whose clips leave, with their pictures.
        features: of the frames of clips that get a vector, where they are kept.
    """

    files: list[dict[str, Any]] = field(default_factory=list)
    removed_paths: list[str] = field(default_factory=list)
    clips: list[dict[str, Any]] = field(default_factory=list)
    subtitles: list[dict[str, Any]] = field(default_factory=list)
    embeddings: list[dict[str, str]] = field(default_factory=list)
    vectors: list[NDArray[np.float32]] = field(default_factory=list)
    replaced_subtitles: list[str] = field(default_factory=list)
    recognised: list[dict[str, Any]] = field(default_factory=list)
    dropped_lines: list[tuple[str, str]] = field(default_factory=list)
    dropped_clips: list[str] = field(default_factory=list)
    features: list[KeptFeatures] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) for each in fields(self))

    @classmethod
    def of(cls, parts: Iterable[Commit]) -> Commit:
        """All of ``parts`` in one."""
        whole = cls()
        for part in parts:
            for each in fields(cls):
                getattr(whole, each.name).extend(getattr(part, each.name))
        return whole


class TableReader:
    """One consistent version of a library, for reading.

    Args:
        folder: the library.
        state: what to read; later commits do not show.
    """

    def __init__(self, folder: Path, state: LibraryState) -> None:
        self.folder, self.state = folder, state
        self._database = _connect(folder)

    def table(self, name: str) -> Table:
        """The table at this snapshot's version, for queries."""
        with _reading_errors(self.folder):
            table = self._database.open_table(name)
            table.checkout(self.state.tables[name])
        return table

    def read(self, name: str, columns: Sequence[str] | None = None, *, where: str | None = None) -> pa.Table:
        """Rows of a table.

        Args:
            name: of the table.
            columns: which to read; None for all.
            where: condition in SQL; None for all rows.
        """
        query = self.table(name).search()
        if where is not None:
            query = query.where(where)
        if columns is not None:
            query = query.select(list(columns))
        with _reading_errors(self.folder):
            return query.to_arrow()

    def read_with_addresses(self, name: str, columns: Sequence[str]) -> tuple[pa.Table, NDArray[np.uint64]]:
        """Rows of a table, and where in it each lies, (rows,).

        Args:
            name: of the table.
            columns: which to read.
        """
        query = self.table(name).search().with_row_id(True).select(list(columns))
        with _reading_errors(self.folder):
            found = query.to_arrow()
        return found.select(list(columns)), found["_rowid"].to_numpy()

    def index_facts(self) -> IndexFacts | None:
        """The index of the vectors that searches use; None if there is none."""
        with _reading_errors(self.folder):
            return index_facts(self.table(self.embeddings))

    def batches(self, name: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Rows of a table, some thousands at a time, so that they need not all be in memory.

        Args:
            name: of the table.
            columns: which to read.
        """
        query = self.table(name).search().select(list(columns))
        with _reading_errors(self.folder):
            yield from query.to_batches()

    def count(self, name: str) -> int:
        """Number of rows of a table."""
        table = self.table(name)
        with _reading_errors(self.folder):
            return table.count_rows()

    @property
    def embeddings(self) -> str:
        """Name of the active generation's table."""
        return embedding_table(self.state.active_generation)

    def read_of_videos(self, name: str, columns: Sequence[str], videos: Sequence[str]) -> pa.Table:
        """Rows of a table that belong to some videos.

        Args:
            name: of the table.
            columns: which to read.
            videos: hashes of their contents; at least one.
        """
        parts = [self.read(name, columns, where=_any_of("video", each)) for each in _batches(videos)]
        return pa.concat_tables(parts)


def open_snapshot(folder: Path) -> TableReader:
    """The library in ``folder`` as it is now.

    Raises:
        LibraryError: there is none, or it cannot be read.
    """
    return TableReader(folder, require_state(folder))


def create_library(folder: Path, generation: Generation) -> None:
    """Make an empty library for ``generation`` unless one is there.

    Raises:
        BundleMismatchError: the library that is there was made by another bundle.
        LibraryError: the folder holds tables but no ``library.json``, or cannot be written.
    """
    with _locked(folder):
        state = read_state(folder)
        if state is not None:
            require_bundle(folder, state, generation)
            return
        schemas = {**SCHEMAS, embedding_table(1): embedding_schema(generation.dim)}
        with _storage_errors(folder), uninterrupted():
            database = _connect(folder)
            _refuse_orphaned_tables(folder, database, schemas)
            tables = {
                name: database.create_table(name, schema=schema, mode="overwrite").version
                for name, schema in schemas.items()
            }
            write_state(folder, first_state(generation, tables))


def _remove_unused(folder: Path, *, with_folder: bool) -> None:
    """Remove a library that holds nothing. Its lock goes last, and only what a library is made of goes."""
    # First, because tables without it are made anew, and it without tables cannot be read.
    (folder / STATE_FILE).unlink(missing_ok=True)
    for name in (*SCHEMAS, embedding_table(1)):
        shutil.rmtree(folder / f"{name}.lance", ignore_errors=True)
    for name in (THUMBNAILS, FEATURES):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / PREFERENCES_FILE).unlink(missing_ok=True)
    with suppress(OSError):
        (folder / _LOCK).unlink()
        if with_folder:
            folder.rmdir()


class Writer:
    """The one process that changes a library. Made by ``writing``.

    While it writes, Ctrl-C waits: an interrupted call of Lance goes on in its own threads, and what it writes
    then could be published later together with something else.

    Args:
        folder: the library.
        state: its committed state.

    Attributes:
        abandoned: whether the block of ``writing`` ended before it was done.
    """

    def __init__(self, folder: Path, state: LibraryState) -> None:
        self.folder, self._state, self.abandoned = folder, state, False
        self._files = TableFiles(folder)
        self._database = _connect(folder)
        self._tables = {name: self._database.open_table(name) for name in state.tables}
        self._take_back()
        with uninterrupted():
            self._add_words()
            self._add_recognised()

    @property
    def snapshot(self) -> TableReader:
        """What is committed."""
        return TableReader(self.folder, self._state)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is committed."""
        try:
            return not self.snapshot.count(FILES)
        except LibraryError:  # what cannot be read is not for removal
            return False

    def commit(self, change: Commit, *, generation: int | None = None) -> None:
        """Make ``change`` part of the library, all of it or nothing.

        Args:
            change: what is new and what goes.
            generation: number of the one that its vectors belong to; None for the one that searches use.

        Raises:
            LibraryError: the disk is full or fails; the library stays as it was.
        """
        with _storage_errors(self.folder), uninterrupted():
            try:
                self._apply(change, generation or self._state.active_generation)
            except KeyboardInterrupt:
                # Where no handler could be set, half of this must not be published with what comes next.
                self._take_back()
                raise
            self._publish()
            for video in change.dropped_clips:
                self.drop_derived(video)

    def _apply(self, change: Commit, generation: int) -> None:
        if change.replaced_subtitles:
            recognised = " OR ".join(_IS_OF.values())
            self._delete_lines(f"NOT ({recognised})", change.replaced_subtitles)
        for source, condition in _IS_OF.items():
            if videos := [video for dropped, video in change.dropped_lines if dropped == source]:
                self._delete_lines(condition, videos)
        if change.dropped_clips:
            gone = _any_of("video", change.dropped_clips)
            self._tables[CLIPS].delete(gone)
            for name in self._embedding_tables:
                self._tables[name].delete(f"kind = 'clip' AND {gone}")
        self._append(CLIPS, change.clips)
        lines = [{**line, WORDS: indexed_words(line["text"])} for line in change.subtitles]
        self._append(SUBTITLES, lines)
        self._append_vectors(generation, change)
        for kept in change.features:
            _write_new(self.folder / kept.path, kept.data)
        if change.files:
            # A path that was linked and then got new subtitles has two rows here, of which the last is right.
            latest = {row["path"]: row for row in change.files}
            rows = pa.Table.from_pylist(list(latest.values()), SCHEMAS[FILES])
            merge = self._tables[FILES].merge_insert("path")
            merge.when_matched_update_all().when_not_matched_insert_all().execute(rows)
        for paths in _batches(change.removed_paths):
            self._tables[FILES].delete(_any_of("path", paths))
        if change.recognised:
            newest = {(row["video"], row["source"]): row for row in change.recognised}
            rows = pa.Table.from_pylist(list(newest.values()), SCHEMAS[RECOGNISED])
            merge = self._tables[RECOGNISED].merge_insert(["video", "source"])
            merge.when_matched_update_all().when_not_matched_insert_all().execute(rows)

    def _delete_lines(self, condition: str, videos: Sequence[str]) -> None:
        """Remove lines of videos, with their vectors of all generations.

        Args:
            condition: on the ids of lines, in SQL, ``{id}`` standing for the column.
            videos: hashes of their contents.
        """
        gone = _any_of("video", videos)
        self._tables[SUBTITLES].delete(f"{condition.format(id='subtitle_id')} AND {gone}")
        for name in self._embedding_tables:
            self._tables[name].delete(f"kind = 'subtitle' AND {condition.format(id='id')} AND {gone}")

    def save_thumbnail(self, video: str, start_ms: int, jpeg: bytes) -> str:
        """Keep a clip's picture; return its path within the library.

        Args:
            video: hash of the video's content.
            start_ms: start of the clip, milliseconds from the start of the video.
            jpeg: the picture.
        """
        relative = f"{THUMBNAILS}/{video[:2]}/{video}/{start_ms:010d}.jpg"
        with _storage_errors(self.folder):
            _write_new(self.folder / relative, jpeg)
        return relative

    def drop_derived(self, video: str) -> None:
        """Remove the pictures of all clips of a video, and what is kept of their frames."""
        shutil.rmtree(self.folder / THUMBNAILS / video[:2] / video, ignore_errors=True)
        drop_features(self.folder, video)

    def keep_features(self, card: EncoderCard) -> FrameFeatures:
        """Keep the features of frames from now on, as the bundle of this card makes them.

        Raises:
            UsageError: they are those of an encoder of a program.
            LibraryError: the disk is full or fails.
        """
        features = FrameFeatures(self.folder, card)
        if not isinstance(card, BundleCard):
            raise UsageError(
                "features of frames are kept of bundles only", item=card.label, remedy="Leave that out"
            )
        with _storage_errors(self.folder):
            features.start()
        return features

    def drop_all_features(self) -> None:
        """Let go of the features of all frames, and keep none from now on."""
        shutil.rmtree(self.folder / FEATURES, ignore_errors=True)

    def drop_orphans(self) -> int:
        """Remove what belongs to videos that no path has any more; return how many videos that were."""
        with _storage_errors(self.folder), uninterrupted():
            held = self._videos_in(CLIPS) | self._videos_in(SUBTITLES) | self._videos_in(RECOGNISED)
            orphans = sorted(held - self._videos_in(FILES))
            for video in orphans:
                self.drop_derived(video)
            for videos in _batches(orphans):
                for name in (CLIPS, SUBTITLES, RECOGNISED, *self._embedding_tables):
                    self._tables[name].delete(_any_of("video", videos))
            if orphans:
                self._publish()
        return len(orphans)

    def add_generation(self, generation: Generation) -> int:
        """Begin a generation without any vectors, which searches do not use; return its number."""
        number = max(self._state.generations) + 1
        name = embedding_table(number)
        with _storage_errors(self.folder), uninterrupted():
            schema = embedding_schema(generation.dim)
            self._tables[name] = self._database.create_table(name, schema=schema, mode="overwrite")
            self._publish(generations={**self._state.generations, number: generation})
        return number

    def activate(
        self, number: int, *, gaps: bool, prepare: Callable[[Path, LibraryState], object] | None = None
    ) -> None:
        """Let searches use another generation from now on, all at once.

        Args:
            number: of the generation.
            gaps: whether clips or lines lack a vector of it.
            prepare: called with the folder and the state to come, before it is published.
        """
        made = dict(self._state.generations)
        for each in (number, self._state.active_generation):
            made[each] = made[each].model_copy(update={"served": True})
        with _storage_errors(self.folder), uninterrupted():
            self._publish(
                prepare,
                active_generation=number,
                generations=made,
                gaps=gaps,
            )

    def close_gaps(self) -> None:
        """Note that nothing lacks a vector of the generation that searches use."""
        with _storage_errors(self.folder), uninterrupted():
            self._publish(gaps=False)

    def drop_generation(self, number: int) -> None:
        """Remove a generation that searches do not use, and its vectors."""
        if number == self._state.active_generation:
            raise ValueError("searches use this generation")
        with _storage_errors(self.folder), uninterrupted():
            name = embedding_table(number)
            del self._tables[name]
            self._publish(generations={n: each for n, each in self._state.generations.items() if n != number})
            shutil.rmtree(self.folder / f"{name}.lance", ignore_errors=True)
            drop_unused_features(self.folder, [each.identity for each in self._state.generations.values()])

    @property
    def _embedding_tables(self) -> list[str]:
        return [embedding_table(number) for number in self._state.generations]

    def _videos_in(self, name: str) -> set[str]:
        return set(pc.unique(self.snapshot.read(name, ["video"])["video"]).to_pylist())

    def tidy(self) -> None:
        """Merge small fragments where there are many."""
        with _storage_errors(self.folder), uninterrupted():
            self._drop_old_index()
            scattered = [
                name
                for name, table in self._tables.items()
                if _fragments(table) > _FRAGMENTS_BEFORE_COMPACTION
            ]
            for name in scattered:
                self._tables[name].optimize(cleanup_older_than=_FOREVER)
            self._publish_changes()
            # Old versions go only now: until a moment ago library.json named some of them.
            for name in scattered:
                self._tables[name].optimize(cleanup_older_than=_KEEP_VERSIONS)
            self._publish_changes()

    def index_vectors(
        self, build: BuildIndex | None = None, on_begin: Callable[[int], None] | None = None
    ) -> None:
        """Bring the index of the vectors that searches use up to date, where they are so many.

        Ctrl-C does not wait for it: what Lance may still publish then is an index, which holds no rows, and
        the next writer takes it back.

        Args:
            build: makes it, on other machines, say; None does it here.
            on_begin: called with how many vectors there are before that begins.
        """
        name = embedding_table(self._state.active_generation)
        table = self._tables[name]
        with _storage_errors(self.folder):
            place, dim = self.folder / f"{name}.lance", self._state.generation.dim
            if not bring_up_to_date(table, dim, place, build, on_begin):
                return
            with uninterrupted():
                self._publish_changes()
                table.optimize(cleanup_older_than=_KEEP_VERSIONS)
                self._publish_changes()

    def _drop_old_index(self) -> None:
        """Remove Lance's index of words, which an older polyreel searched and each commit has to keep up."""
        table = self._tables[SUBTITLES]
        for index in table.list_indices():
            table.drop_index(index.name)

    def _add_words(self) -> None:
        """Give the lines of a library of schema 2 or 1 the column of words."""
        table = self._tables[SUBTITLES]
        if WORDS in table.schema.names:
            return
        schema = SCHEMAS[SUBTITLES]
        lines = table.search().to_arrow()  # in memory, since the same table is written
        made = (
            pa.RecordBatch.from_arrays([*batch.columns, _words_of(batch["text"])], schema=schema)
            for batch in lines.select(table.schema.names).to_batches(max_chunksize=_MIGRATED_AT_ONCE)
        )
        table.add(pa.RecordBatchReader.from_batches(schema, made), mode="overwrite")
        self._publish()

    def _add_recognised(self) -> None:
        """Give a library of schema 3 or before the table of what was recognised."""
        if RECOGNISED not in self._tables:
            schema = SCHEMAS[RECOGNISED]
            self._tables[RECOGNISED] = self._database.create_table(
                RECOGNISED, schema=schema, mode="overwrite"
            )
            self._publish()

    def _take_back(self) -> None:
        """Return the tables to what is committed: a run was stopped before it committed the rest."""
        for name, table in self._tables.items():
            table.checkout_latest()  # type: ignore[no-untyped-call]
            if table.version != self._state.tables[name]:
                table.checkout(self._state.tables[name])
                table.restore()

    def _append(self, name: str, rows: list[dict[str, Any]]) -> None:
        if rows:
            self._tables[name].add(pa.Table.from_pylist(rows, SCHEMAS[name]))

    def _append_vectors(self, generation: int, change: Commit) -> None:
        if not change.embeddings:
            return
        name, dim = embedding_table(generation), self._state.generations[generation].dim
        schema = embedding_schema(dim)
        flat = np.stack(change.vectors).astype(np.float16).reshape(-1)
        columns = [pa.array([row[key] for row in change.embeddings]) for key in ("id", "video", "kind")]
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(flat), dim)
        self._tables[name].add(pa.Table.from_arrays([*columns, vectors], schema=schema))

    def _publish_changes(self) -> None:
        if any(table.version != self._state.tables[name] for name, table in self._tables.items()):
            self._publish()

    def _publish(self, prepare: Callable[[Path, LibraryState], object] | None = None, **changes: Any) -> None:
        self._files.secure()
        versions = {name: table.version for name, table in self._tables.items()}
        following = self._state.after(versions, **changes)
        if prepare is not None:
            prepare(self.folder, following)
        write_state(self.folder, following)
        self._state = following


@contextmanager
def writing(folder: Path, generation: Generation | None = None, *, briefly: bool = False) -> Iterator[Writer]:
    """Open the library for its one writer, taking back whatever a killed run left uncommitted.

    A library that this makes goes again if the block fails, or sets ``abandoned``, before it commits a file.

    Args:
        folder: the library.
        generation: what searches have to use, and what a new library is made for; None takes the library as
            it is, and makes none.
        briefly: it is open for a second or so; others wait for that instead of giving up.

    Raises:
        LibraryBusyError: another process is writing it.
        BundleMismatchError: the library was made by another bundle.
        LibraryError: there is no library to take as it is.
    """
    had_folder, is_new = folder.exists(), generation is not None and read_state(folder) is None
    if generation is None:
        require_state(folder)
    else:
        create_library(folder, generation)
    with _locked(folder, briefly=briefly):
        snapshot = open_snapshot(folder)
        if generation is not None:
            require_bundle(folder, snapshot.state, generation)
        with _storage_errors(folder):
            writer = Writer(folder, snapshot.state)
        try:
            yield writer
        except BaseException:
            writer.abandoned = True
            raise
        finally:
            if is_new and writer.abandoned and writer.is_empty:
                _remove_unused(folder, with_folder=not had_folder)


@contextmanager
def moving(folder: Path) -> Iterator[None]:
    """Be the one process that moves a library to another bundle, or drops a generation of it.

    Raises:
        LibraryBusyError: another one does.
        LibraryError: there is no library.
    """
    with _alone(folder, _MOVE_LOCK, "the library is being moved to another bundle already"):
        yield


@contextmanager
def recognising(folder: Path) -> Iterator[None]:
    """Be the one process that recognises what is said or shown in the videos of a library.

    Raises:
        LibraryBusyError: another one does.
        LibraryError: there is no library.
    """
    with _alone(
        folder, _RECOGNISE_LOCK, "speech or text in the videos of this library is being recognised already"
    ):
        yield


@contextmanager
def _alone(folder: Path, lock: str, what: str) -> Iterator[None]:
    require_state(folder)
    remedy = "Wait for that to end, or stop it and run the command again; searching goes on meanwhile"
    busy = LibraryBusyError(what, item=folder, remedy=remedy)
    with ExitStack() as held:
        with _storage_errors(folder):
            held.enter_context(exclusive_lock(folder / lock, busy=busy))
        yield


def _connect(folder: Path) -> DBConnection:
    # Imported late: it takes longer than a whole search, and a search from the cache does not need it.
    # It logs ordinary events as warnings, and reads this when it is first imported.
    os.environ.setdefault("LANCEDB_LOG", "error")
    import lancedb

    return lancedb.connect(folder)


@contextmanager
def _locked(folder: Path, *, briefly: bool = False) -> Iterator[None]:
    busy = LibraryBusyError(
        "another index run is writing this library",
        item=folder,
        remedy="Wait for it to end; searching goes on meanwhile",
    )
    with ExitStack() as held:
        with _storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock = exclusive_lock(folder / _LOCK, busy=busy, briefly=briefly, patience_s=_PATIENCE_S)
            held.enter_context(lock)
        yield


@contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    """Turn what the file system and Lance raise into one kind of error that says what to do."""
    try:
        yield
    except LibraryError:
        raise
    except (OSError, RuntimeError, ValueError, pa.ArrowException) as error:
        text = str(error)
        full = "No space left" in text or "File too large" in text or "StorageFull" in text
        raise LibraryError(
            "the disk is full" if full else "the library cannot be written",
            item=folder,
            value=_first_line(error),
            remedy=(
                "Free some space and run the command again; what was committed is kept"
                if full
                else "Check that the folder can be written; what was committed is kept"
            ),
        ) from error


@contextmanager
def _reading_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, ValueError, pa.ArrowException) as error:
        raise LibraryError(
            "the library cannot be read",
            item=folder,
            value=_first_line(error),
            remedy="Try again; if it stays so, restore the folder or index into another one with --library",
        ) from error


def _write_new(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _refuse_orphaned_tables(folder: Path, database: DBConnection, schemas: Mapping[str, pa.Schema]) -> None:
    for name in schemas:
        # A table without a version is one whose making was cut short.
        begun = any((folder / f"{name}.lance" / "_versions").glob("*.manifest"))
        if begun and database.open_table(name).count_rows():
            raise LibraryError(
                "the library's tables are here but its library.json is missing",
                item=folder,
                remedy="Restore library.json from a backup, or index into another folder with --library",
            )


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _words_of(texts: pa.Array) -> pa.Array:
    return pa.array([indexed_words(text) for text in texts.to_pylist()], pa.string())


def _fragments(table: Table) -> int:
    # The stub says object, the value is a dict.
    statistics: Any = table.stats()
    return int(statistics["fragment_stats"]["num_fragments"])


def _any_of(column: str, values: Iterable[str]) -> str:
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"{column} IN ({quoted})"


def _batches(values: Sequence[str], size: int = 500) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
