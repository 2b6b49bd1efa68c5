"""A library laid out for searching: the vectors of clips and of subtitles, and what each row stands for.

Laying it out reads every table once. The result is kept beside the tables, memory-mapped, under the key of
the state that it was made from, so that a search needs neither the tables nor the time; it can be deleted at
will, and what does not fit the state is made anew.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from polyreel.files import SCRATCH, scratch_folder
from polyreel.library.line_kinds import line_kind
from polyreel.library.search.indexed_vectors import Addresses, IndexedVectors, read_indexed, write_indexed
from polyreel.library.search.joined_rows import is_among
from polyreel.library.search.quantised import quantise
from polyreel.library.search.searched_vectors import (
    ExactVectors,
    QuantisedVectors,
    SearchedVectors,
    is_large,
    read_vectors,
    write_vectors,
)
from polyreel.library.search.word_index import (
    SearchedWords,
    WordIndex,
    make_word_index,
    read_word_index,
    write_word_index,
)
from polyreel.library.store.state import LibraryState
from polyreel.library.store.store import TableReader
from polyreel.library.store.tables import CLIPS, FILES, SUBTITLES, embedding_table
from polyreel.library.store.vector_index import TableIndex, is_indexed
from polyreel.library.store.words import WORDS, indexed_words

__all__ = ["CACHE", "SearchIndex", "cache_of", "load_search_index"]

CACHE = "cache"
_LAYOUT = 12
_CLIP_COLUMNS = ["clip_id", "video", "path", "start_s", "end_s", "thumbnail", "encoded"]
_SUBTITLE_COLUMNS = ["subtitle_id", "text", "language", "kind", "start_s", "end_s", "clip", "encoded"]
_VIDEO_FACTS = ["path", "video", "size_bytes", "mtime_ns"]
_VIDEO_COLUMNS = [*_VIDEO_FACTS, "first", "clips", "duration_s", "languages", "copies"]
_COPIES = pa.list_(pa.struct([("path", pa.string()), ("mtime_ns", pa.int64())]))
_MAKING_S = 3600.0
# NumPy reads the head of a file as Python.
_DAMAGE = (EOFError, LookupError, ValueError, TokenError, pa.ArrowException)
_KIND_OF = {"clips": "clip", "subtitles": "subtitle"}
# An address is the number of a fragment, and below it the row's number there.
_FRAGMENT_BITS = 32


@dataclass(frozen=True, slots=True)
class SearchIndex:
    """One commit of a library, ready to be searched.

    Attributes:
        clips: a row a clip: clip_id, video, path, start_s, end_s, thumbnail, encoded (whether it has a vector
            of the generation that searches use; else its row there is zero); by path and time.
        clip_vectors: (clips, dim).
        subtitles: a row a line: subtitle_id, text, language, kind (see ``line_kinds``), start_s, end_s, clip
            (row of the clip that holds its middle), encoded; by clip and time.
        subtitle_vectors: (subtitles, dim).
        videos: a row a video: path, video, first (row of its first clip) and clips (how many, one after the
            other), duration_s, size_bytes and mtime_ns (of the file as it was indexed), languages (of its
            subtitles), copies (path and mtime_ns of the other files of the same content); by path.
        words: which rows of ``subtitles`` hold which words.
    """

    clips: pa.Table
    clip_vectors: SearchedVectors
    subtitles: pa.Table
    subtitle_vectors: SearchedVectors
    videos: pa.Table
    words: SearchedWords

    def lines_of(self, kinds: Collection[str]) -> NDArray[np.bool_]:
        """Which lines are of some kinds, (lines,)."""
        return is_among(self.subtitles["kind"], kinds)


def load_search_index(
    folder: Path, state: LibraryState, *, beside: Collection[LibraryState] = (), anew: bool = False
) -> SearchIndex:
    """The library as of ``state``, from its cache or, where there is none yet, from its tables.

    Args:
        folder: the library.
        state: what to lay out.
        beside: states whose caches are still in use; those of others go where a new one is made.
        anew: the cache is known to be damaged.
    """
    home, cached = folder / CACHE, cache_of(folder, state)
    in_use = {cache_of(folder, each).name for each in beside}
    if not anew:
        with contextlib.suppress(OSError, *_DAMAGE):
            return _fitting(_read(cached, _table_index(folder, state)), state.generation.dim)
    laid_out = _lay_out(TableReader(folder, state))
    # A library on a read-only or full disk is searched from memory.
    with contextlib.suppress(OSError):
        shutil.rmtree(cached, ignore_errors=True)  # it could not be read
        _write(laid_out, cached)
        for stale in home.iterdir():
            if stale != cached and stale.name not in in_use and not _in_the_making(stale):
                shutil.rmtree(stale, ignore_errors=True)
        with contextlib.suppress(*_DAMAGE):
            # Mapped into memory, so that what it was made in goes.
            return _fitting(_read(cached, _table_index(folder, state)), state.generation.dim)
    return laid_out


def cache_of(folder: Path, state: LibraryState) -> Path:
    """Folder of what is laid out of a commit of the library in ``folder``."""
    return folder / CACHE / f"{state.key}-{_LAYOUT}"


def _in_the_making(folder: Path) -> bool:
    """Whether another process may be writing it; an old one was left by a process that was killed."""
    return folder.name.startswith(SCRATCH) and time.time() - folder.stat().st_mtime < _MAKING_S


def _table_index(folder: Path, state: LibraryState) -> TableIndex:
    name = embedding_table(state.active_generation)
    return TableIndex(folder, name, state.tables[name])


def _read(cached: Path, index: TableIndex) -> SearchIndex:
    for part in cached.iterdir():
        if not part.is_file():  # a pipe would be waited for
            raise OSError(errno.EINVAL, "Not a regular file", str(part))
    subtitles = _read_table(cached / "subtitles.arrow")
    return SearchIndex(
        _read_table(cached / "clips.arrow"),
        _read_vectors(cached, "clips", index),
        subtitles,
        _read_vectors(cached, "subtitles", index),
        _read_table(cached / "videos.arrow"),
        read_word_index(cached, subtitles["text"]),
    )


def _read_vectors(cached: Path, name: str, index: TableIndex) -> SearchedVectors:
    indexed = read_indexed(cached, name, functools.partial(index.nearest, _KIND_OF[name]))
    return read_vectors(cached, name) if indexed is None else indexed


def _fitting(found: SearchIndex, dim: int) -> SearchIndex:
    """``found``, if its parts belong together.

    Raises:
        ValueError: they do not.
    """
    clips, subtitles, videos = len(found.clips), len(found.subtitles), found.videos
    fits = (
        found.clips.column_names == _CLIP_COLUMNS
        and found.subtitles.column_names == _SUBTITLE_COLUMNS
        and videos.column_names == _VIDEO_COLUMNS
        and found.clip_vectors.shape == (clips, dim)
        and found.subtitle_vectors.shape == (subtitles, dim)
        and _are_rows(found.subtitles["clip"], clips)
        and _are_rows(videos["first"], clips)
        and pc.sum(videos["clips"]).as_py() in ({clips} if clips else {None, 0})
    )
    if not fits:
        raise ValueError("the parts of a cache do not belong together")
    return found


def _are_rows(column: pa.ChunkedArray, rows: int) -> bool:
    limits = pc.min_max(column).as_py()
    return limits["min"] is None or (limits["min"] >= 0 and limits["max"] < rows)


def _read_table(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def _write(laid_out: SearchIndex, cached: Path) -> None:
    with scratch_folder(cached.parent) as made:
        for name in ("clips", "subtitles", "videos"):
            table = getattr(laid_out, name)
            with (
                pa.OSFile(str(made / f"{name}.arrow"), "wb") as file,
                pa.ipc.new_file(file, table.schema) as out,
            ):
                out.write_table(table)
        for name, vectors in (("clips", laid_out.clip_vectors), ("subtitles", laid_out.subtitle_vectors)):
            if isinstance(vectors, IndexedVectors):
                write_indexed(made, name, vectors)
            else:
                write_vectors(made, name, vectors)
        assert isinstance(laid_out.words, WordIndex)
        write_word_index(laid_out.words, made)
        made.replace(cached)  # fails, as it should, if another process was first


def _lay_out(snapshot: TableReader) -> SearchIndex:
    files = snapshot.read(FILES, [*_VIDEO_FACTS, "indexed_at"], where="status = 'ok'")
    # A video that lies at several paths has the name of the one that was known first, of several the first
    # by path: a copy does not rename it.
    facts = ["path", "size_bytes", "mtime_ns"]
    known_first = files.sort_by([("indexed_at", "ascending"), ("path", "ascending")])
    by_video = known_first.group_by("video", use_threads=False)
    places = by_video.aggregate([(fact, "first") for fact in facts]).rename_columns(["video", *facts])
    copies = _copies(files.sort_by("path"), places["path"].combine_chunks())
    clips = snapshot.read(CLIPS).join(places, "video", join_type="inner")
    clips = clips.sort_by([("path", "ascending"), ("start_s", "ascending")])
    table, addresses = snapshot.read_with_addresses(snapshot.embeddings, ["id"])
    encoded = table["id"].combine_chunks()
    subtitles = _with_words(snapshot.read(SUBTITLES))
    subtitles = subtitles.append_column("clip", pa.array(_clip_of_each(subtitles, clips), pa.int64()))
    subtitles = subtitles.filter(pc.greater_equal(subtitles["clip"], 0))
    # Lance promises no order, and lines of equal score come in theirs: it must not tell when a line was
    # added, to which library, or by which machine.
    subtitles = subtitles.sort_by([(key, "ascending") for key in ("clip", "start_s", "subtitle_id")])
    kinds = [line_kind(source) for source in subtitles["source"].to_pylist()]
    subtitles = subtitles.append_column("kind", pa.array(kinds, pa.string()))
    clips = clips.append_column("encoded", pc.is_in(clips["clip_id"], value_set=encoded))
    subtitles = subtitles.append_column("encoded", pc.is_in(subtitles["subtitle_id"], value_set=encoded))
    subtitles = subtitles.combine_chunks()
    ids = {"clips": clips["clip_id"], "subtitles": subtitles["subtitle_id"]}
    clip_vectors, subtitle_vectors = _vectors_of(ids, encoded, addresses, snapshot)
    return SearchIndex(
        clips.select(_CLIP_COLUMNS).combine_chunks(),
        clip_vectors,
        subtitles.select(_SUBTITLE_COLUMNS),
        subtitle_vectors,
        _videos(clips, subtitles, copies),
        make_word_index(subtitles["text"], subtitles[WORDS]),
    )


def _with_words(lines: pa.Table) -> pa.Table:
    """Lines with their words, which libraries of schema 2 and 1 lack."""
    if WORDS in lines.column_names:
        return lines
    words = [indexed_words(text) for text in lines["text"].to_pylist()]
    return lines.append_column(WORDS, pa.array(words, pa.string()))


def _copies(files: pa.Table, names: pa.Array) -> dict[str, list[dict[str, Any]]]:
    """Video -> its files but the one that names it, for videos that lie at several paths."""
    others = files.filter(pc.invert(pc.is_in(files["path"], value_set=names)))
    copies: dict[str, list[dict[str, Any]]] = {}
    for row in others.select(["video", "path", "mtime_ns"]).to_pylist():
        copies.setdefault(row.pop("video"), []).append(row)
    return copies


def _videos(clips: pa.Table, subtitles: pa.Table, copies: Mapping[str, list[dict[str, Any]]]) -> pa.Table:
    # Clips are in order of path, so each video's lie together. Arrow's groups come in no order.
    codes = clips["path"].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    first = np.flatnonzero(np.diff(codes, prepend=-1))
    ends_s = clips["end_s"].to_numpy()
    spoken: dict[str, set[str]] = {}
    for pair in subtitles.group_by(["video", "language"]).aggregate([]).to_pylist():
        spoken.setdefault(pair["video"], set()).add(pair["language"])
    facts = clips.select(_VIDEO_FACTS).take(pa.array(first))
    ids = facts["video"].to_pylist()
    columns = {
        "first": pa.array(first, pa.int64()),
        "clips": pa.array(np.diff(first, append=len(clips)), pa.int64()),
        "duration_s": pa.array(np.maximum.reduceat(ends_s, first) if len(first) else [], pa.float64()),
        "languages": pa.array([sorted(spoken.get(video, ())) for video in ids], pa.list_(pa.string())),
        "copies": pa.array([copies.get(video, []) for video in ids], _COPIES),
    }
    for name, column in columns.items():
        facts = facts.append_column(name, column)
    return facts.combine_chunks()


def _vectors_of(
    asked: Mapping[str, pa.ChunkedArray],
    encoded: pa.Array,
    addresses: NDArray[np.uint64],
    snapshot: TableReader,
) -> list[SearchedVectors]:
    """The vectors of lists of ids, each (ids, dim) in their order; zero where there is none.

    Args:
        asked: "clips" and "subtitles" -> their ids.
        encoded: ids of all embeddings, in the order in which they are read.
        addresses: (embeddings,) where each lies in its table.
        snapshot: where the embeddings are read, a batch at a time: they are most of a library.
    """
    dim = snapshot.state.generation.dim
    many = [_has_index(len(ids), dim) for ids in asked.values()]
    since = _first_new(addresses, snapshot) if any(many) else None
    indexed = [since is not None and each for each in many]
    large = [is_large(len(ids), dim) for ids in asked.values()]
    made: list[NDArray[np.floating[Any]]] = [
        _blank_on_disk(snapshot.folder / CACHE, (len(ids), dim))
        if by_index
        else np.zeros((len(ids), dim), np.float16 if quantised else np.float32)
        for ids, by_index, quantised in zip(asked.values(), indexed, large, strict=True)
    ]
    places = [_places(encoded, ids) for ids in asked.values()]
    begin = 0
    for batch in snapshot.batches(snapshot.embeddings, ["id", "vector"]):
        part = slice(begin, begin + len(batch))
        begin = part.stop
        # Lance promises no order.
        in_order = encoded[part].equals(batch["id"])
        matrix = batch["vector"].flatten().to_numpy(zero_copy_only=False).reshape(-1, dim)
        for vectors, ids, known in zip(made, asked.values(), places, strict=True):
            rows = known[part] if in_order else _places(batch["id"], ids)
            vectors[rows[rows >= 0]] = matrix[rows >= 0]
    index = _table_index(snapshot.folder, snapshot.state)
    found: list[SearchedVectors] = []
    for name, vectors, rows, by_index, quantised in zip(asked, made, places, indexed, large, strict=True):
        if by_index and since is not None:
            own = _addresses(addresses, rows, since)
            found.append(IndexedVectors(vectors, own, functools.partial(index.nearest, _KIND_OF[name])))
        elif quantised:
            found.append(QuantisedVectors(vectors, quantise(vectors)))
        else:
            found.append(ExactVectors(vectors))
    return found


def _blank_on_disk(folder: Path, shape: tuple[int, int]) -> NDArray[np.float16]:
    """Zeros of float16 that need no memory: of a file that goes with them, or else in memory after all."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            # A disk that is full must say so here, and not when a page of it is written.
            os.posix_fallocate(file.fileno(), 0, max(1, 2 * shape[0] * shape[1]))
            return np.memmap(file, np.float16, "r+", shape=shape)
    return np.zeros(shape, np.float16)


def _has_index(rows: int, dim: int) -> bool:
    """Whether so many vectors are searched by an index that is there: it is kept down to half its size."""
    return is_indexed(rows, dim, share=0.5)


def _first_new(addresses: NDArray[np.uint64], snapshot: TableReader) -> np.uint64 | None:
    """From which address on the index lacks rows; None if there is none, or that cannot be told."""
    facts = snapshot.index_facts()
    if facts is None:
        return None
    held = len(addresses) - facts.new
    if not facts.new:
        return np.uint64(np.iinfo(np.uint64).max)
    if held <= 0:
        return None
    before, first = np.partition(addresses, [held - 1, held])[[held - 1, held]]
    # It lacks whole fragments of the table.
    return first if before >> np.uint64(_FRAGMENT_BITS) != first >> np.uint64(_FRAGMENT_BITS) else None


def _addresses(addresses: NDArray[np.uint64], rows: NDArray[np.int64], since: np.uint64) -> Addresses:
    """Where some of the embeddings lie.

    Args:
        addresses: (embeddings,) of all.
        rows: (embeddings,) which row each is; -1 if it is none.
        since: from which address on the index lacks them.
    """
    own = np.flatnonzero(rows >= 0)
    own = own[np.argsort(addresses[own])]
    return Addresses(addresses[own], rows[own], np.sort(rows[own][addresses[own] >= since]))


def _places(ids: pa.Array, among: pa.ChunkedArray) -> NDArray[np.int64]:
    """Where each id lies among others, (ids,); -1 where it does not."""
    found = pc.index_in(ids, value_set=among.combine_chunks())
    return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int64)


def _clip_of_each(subtitles: pa.Table, clips: pa.Table) -> NDArray[np.int64]:
    """Row of the clip that holds each subtitle's middle (or the nearest before it).

    -1 where there is none.
    """
    videos = pa.concat_tables([clips.select(["video"]), subtitles.select(["video"])])["video"]
    codes = videos.combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    clip_codes, codes = codes[: len(clips)], codes[len(clips) :]
    order = np.lexsort((clips["start_s"].to_numpy(), clip_codes))
    # One sorted key for (video, time): videos are further apart than any two times in one of them.
    times = clips["start_s"].to_numpy()
    middle = (subtitles["start_s"].to_numpy() + subtitles["end_s"].to_numpy()) / 2
    apart = max(times.max(initial=0.0), middle.max(initial=0.0)) + 1.0
    keys = (clip_codes * apart + times)[order]
    position = np.maximum(np.searchsorted(keys, codes * apart + middle, side="right") - 1, 0)
    if not len(order):
        return np.full(len(subtitles), -1, np.int64)
    nearest = order[position]
    return np.where(clip_codes[nearest] == codes, nearest, -1).astype(np.int64)
