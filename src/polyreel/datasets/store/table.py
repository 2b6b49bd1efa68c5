"""A table on disk: clips and captions in memory-mapped Arrow files, features beside them.

Nothing is loaded: opening maps the files, and a row is read when it is asked for. A clip is named by its id
or by its *index*, its row in the order it was written in.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polyreel.clips import Caption, Clip
from polyreel.datasets.records import Frames, Media, Record, VideoFile
from polyreel.datasets.store.features import FeatureStore
from polyreel.datasets.store.manifest import (
    SOURCES_FILE,
    Manifest,
    read_manifest,
    require_whole,
    verify_files,
)
from polyreel.datasets.store.shuffling import shuffled_windows
from polyreel.datasets.store.table_writer import (
    BATCH_ROWS,
    CAPTION_COLUMNS,
    CLIP_COLUMNS,
    SOURCE_COLUMNS,
    hash_id,
)
from polyreel.errors import DatasetError, UnknownNameError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DatasetTable", "open_table"]


def open_table(folder: Path) -> DatasetTable:
    """The table that ``write_table`` has written; the size of every file is checked, not its content.

    Raises:
        DatasetError: there is none, its schema is another one, or a file is missing or cut short.
    """
    manifest = read_manifest(folder)
    require_whole(folder, manifest)
    return DatasetTable(folder, manifest)


class DatasetTable:
    """An open table. Two processes, or two threads, may read the same one.

    Args:
        folder: of the table.
        manifest: what it consists of.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        data = folder / manifest.data_folder
        self._clips = _ArrowColumns(data / "clips.arrow", CLIP_COLUMNS)
        self._captions = _ArrowColumns(data / "captions.arrow", CAPTION_COLUMNS)
        sources = data / SOURCES_FILE
        self._sources = _ArrowColumns(sources, SOURCE_COLUMNS) if manifest.knows_sources else None
        self._offsets = _map_npy(data / "offsets.npy")
        self._ids = _map_npy(data / "ids.npy")
        self._features: dict[str, FeatureStore] = {}
        if not len(self) == self._clips.rows == self._ids.shape[1] == len(self._offsets) - 1:
            raise DatasetError("the files of the table do not belong together", item=folder)

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return self.manifest.name

    @property
    def splits(self) -> tuple[str, ...]:
        """Its splits, in the order in which they first occur."""
        return tuple(self.manifest.clips)

    def __len__(self) -> int:
        """Clips in all splits."""
        return self.manifest.n_clips

    def index_of(self, clip_id: str) -> int:
        """Index of the clip with this id.

        Raises:
            DatasetError: there is no such clip.
        """
        wanted = np.uint64(hash_id(clip_id))
        hashes, rows = self._ids
        place = int(np.searchsorted(hashes, wanted))
        while place < len(hashes) and hashes[place] == wanted:
            index = int(rows[place])
            if self.clip(index).clip_id == clip_id:
                return index
            place += 1
        raise DatasetError(f"{self.name} has no such clip", item=repr(clip_id), value=self.folder)

    def clip(self, index: int) -> Clip:
        """The span of video."""
        return Clip(*self._clips.row(self._row(index), "video", "start_s", "end_s"))

    def split(self, index: int) -> str:
        """ "train", "dev", "test" or the dataset's own word."""
        return str(self._clips.row(self._row(index), "split")[0])

    def concept(self, index: int) -> str:
        """What makes clips positives of each other; empty if nothing does."""
        return str(self._clips.row(self._row(index), "concept")[0])

    def source(self, index: int) -> str:
        """What the clip was cut from: what the dataset says, or else its video."""
        said = "" if self._sources is None else str(self._sources.row(self._row(index), "source")[0])
        return said or self.clip(index).video

    def media(self, index: int) -> Media | None:
        """Where the pictures are, None if the dataset came without."""
        root, references = self._clips.row(self._row(index), "media_root", "media")
        if references is None:
            return None
        return VideoFile(Path(references[0])) if root is None else Frames(Path(root), tuple(references))

    def captions(self, index: int) -> tuple[Caption, ...]:
        """All captions of the clip, in the order they were written in."""
        row = self._row(index)
        first, end = int(self._offsets[row]), int(self._offsets[row + 1])
        return tuple(Caption(*values) for values in self._captions.rows_between(first, end))

    def record(self, index: int) -> Record:
        """Everything about one clip."""
        return Record(
            self.clip(index),
            self.captions(index),
            self.split(index),
            self.media(index),
            self.concept(index),
            source="" if self._sources is None else str(self._sources.row(index, "source")[0]),
        )

    def rows(self, split: str) -> NDArray[np.int64]:
        """Indices of the clips of one split, (clips,), ascending.

        Raises:
            UnknownNameError: no such split.
        """
        if split not in self.manifest.clips:
            raise UnknownNameError(f"split of {self.name}", split, self.splits)
        return self._clips.rows_where("split", split)

    def shuffled(self, split: str, *, seed: int, epoch: int, start: int = 0) -> Iterator[int]:
        """Indices of the clips of one split in an order that ``seed`` and ``epoch`` decide, each once.

        Neighbours on the disk stay near each other in time (see ``shuffling``), and features that have been
        opened by ``features`` are read ahead, so that reading them goes at the disk's own pace.

        Args:
            split: which clips.
            seed: of the run.
            epoch: 0, 1, ...; another order each.
            start: how many of them to pass over: an interrupted epoch goes on from there.

        Raises:
            UnknownNameError: no such split.
        """
        windows = shuffled_windows(self.rows(split), seed=seed, epoch=epoch, start=start)
        # A thread of its own: asking the disk for a whole window takes as long as reading it.
        reader = ThreadPoolExecutor(1)
        try:
            window = next(windows, None)
            ahead = reader.submit(self._read_ahead, window)
            while window is not None:
                ahead.result()
                following = next(windows, None)
                ahead = reader.submit(self._read_ahead, following)
                yield from window.tolist()
                window = following
        finally:
            reader.shutdown(wait=False, cancel_futures=True)

    @property
    def clip_columns(self) -> pa.Table:
        """All clips, memory-mapped: columns ``CLIP_COLUMNS``, a row a clip."""
        return self._clips.table

    def sources(self, rows: NDArray[np.int64]) -> list[str]:
        """What the clips of ``rows`` were cut from, as ``source`` says it, in one go."""
        videos: list[str] = self.clip_columns["video"].take(rows).to_pylist()
        if self._sources is None:
            return videos
        said = self._sources.table["source"].take(rows).to_pylist()
        return [source or video for source, video in zip(said, videos, strict=True)]

    @property
    def caption_columns(self) -> pa.Table:
        """All captions, memory-mapped: columns ``CAPTION_COLUMNS``, in the order of their clips."""
        return self._captions.table

    @property
    def caption_offsets(self) -> NDArray[np.int64]:
        """(clips + 1,) row of each clip's first caption; the last is the number of captions."""
        return self._offsets

    def features(self, name: str) -> FeatureStore:
        """The features of that name.

        Raises:
            UnknownNameError: there are none.
            DatasetError: their files are damaged.
        """
        if name not in self.manifest.features:
            raise UnknownNameError(f"kind of features of {self.name}", name, self.manifest.features)
        if name not in self._features:
            self._features[name] = FeatureStore(self.folder, self.manifest.features[name], len(self))
        return self._features[name]

    def verify(self) -> None:
        """Check every file against its digest, and the Arrow files' inner structure.

        Raises:
            DatasetError: a file is missing, changed or damaged.
        """
        verify_files(self.folder, self.manifest)
        self._clips.validate()
        self._captions.validate()
        if self._sources is not None:
            self._sources.validate()

    def _row(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.name} has {len(self):,} clips, there is no index {index:,}")
        return int(index)

    def _read_ahead(self, window: NDArray[np.int64] | None) -> None:
        if window is not None:
            for store in list(self._features.values()):
                store.read_ahead(window)


class _ArrowColumns:
    """A memory-mapped Arrow file, by row and column.

    A batch is looked at when a row of it is asked for: each costs a page of the disk, all over the file.
    """

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        import pyarrow as pa

        self._path = path
        with _reading(path):
            self._reader = pa.ipc.open_file(pa.memory_map(str(path)))
        if tuple(self._reader.schema.names) != columns:
            raise DatasetError(
                "a file of the table has other columns", item=path, value=self._reader.schema.names
            )
        self._batches: dict[int, pa.RecordBatch] = {}
        self._reading = threading.Lock()
        last = self._reader.num_record_batches - 1
        self.rows: int = last * BATCH_ROWS + self._batch(last).num_rows if last >= 0 else 0

    @property
    def table(self) -> pa.Table:
        import pyarrow as pa

        return pa.Table.from_batches(self._all_batches(), self._reader.schema)

    def row(self, row: int, *columns: str) -> tuple[Any, ...]:
        batch, place = divmod(row, BATCH_ROWS)
        found = self._batch(batch)
        return tuple(found[name][place].as_py() for name in columns)

    def rows_between(self, first: int, end: int) -> Iterator[tuple[Any, ...]]:
        while first < end:
            batch, place = divmod(first, BATCH_ROWS)
            found = self._batch(batch).slice(place, end - first)
            yield from zip(*(column.to_pylist() for column in found.columns), strict=True)
            first += found.num_rows

    def rows_where(self, column: str, value: str) -> NDArray[np.int64]:
        import pyarrow.compute as pc

        # A batch at a time: as one piece, the mask of a large table would be a copy of its column.
        found = [
            batch * BATCH_ROWS + np.flatnonzero(pc.equal(rows[column], value).to_numpy(zero_copy_only=False))
            for batch, rows in enumerate(self._all_batches())
        ]
        return np.concatenate(found).astype(np.int64)

    def validate(self) -> None:
        with _reading(self._path):
            self.table.validate(full=True)

    def _all_batches(self) -> list[pa.RecordBatch]:
        return [self._batch(number) for number in range(self._reader.num_record_batches)]

    def _batch(self, number: int) -> pa.RecordBatch:
        if number not in self._batches:
            with self._reading, _reading(self._path):
                self._batches[number] = self._reader.get_batch(number)
        return self._batches[number]


def _map_npy(path: Path) -> NDArray[Any]:
    with _reading(path):
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, EOFError) as error:  # Arrow's errors are ValueErrors too
        raise DatasetError("a file of the table cannot be read", item=path, value=error) from error
