"""One commit of a library, opened for searching by any number of threads."""

from __future__ import annotations

import difflib
import functools
import os
import re
import stat
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from polyreel.encoders.protocol import Encoder
from polyreel.errors import NotFoundError, require_type
from polyreel.library.line_kinds import LINE_KINDS, SCREEN, SPEECH, LineKind
from polyreel.library.results import Contents, LibraryClip, LibraryLine, ProblemFile, Video
from polyreel.library.search.calibration import Calibration, calibration_file, read_calibration
from polyreel.library.search.evidence import PICTURES, probability
from polyreel.library.search.filters import Filter
from polyreel.library.search.locator import Locator
from polyreel.library.search.search_index import SearchIndex, cache_of, load_search_index
from polyreel.library.store.file_version import FileVersion
from polyreel.library.store.recognised import (
    RECOGNISED_COLUMNS,
    RecognisedHealth,
    recognised_health,
)
from polyreel.library.store.state import LibraryState
from polyreel.library.store.store import TableReader
from polyreel.library.store.tables import FILES, OK, RECOGNISED, SUBTITLES
from polyreel.remote.address import (
    BucketPath,
    given_path,
    in_bucket,
    is_address,
    is_below,
    kept_place,
    name_below,
    place,
)

__all__ = ["NO_VIDEO_BELOW", "IndexedFile", "LibrarySnapshot", "Snapshot"]

NO_VIDEO_BELOW = "the library holds no video below this folder"
"""What a search of such a folder is refused with."""

_LINE_COLUMNS = ["start_s", "end_s", "text", "language", "source"]
_FACTS_KEPT = 1_000
_CLIP_ID = re.compile(r"(?P<video>[0-9a-f]{32})@\d{10,}")


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A file of a video, as it was when it was indexed."""

    path: str
    version: FileVersion

    @property
    def is_unchanged(self) -> bool:
        """Whether it is a regular file of the same size and time.

        Of one in a bucket that is taken on trust: no search waits for a network, and whoever reads it asks.
        """
        if in_bucket(self.path):
            return True
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        return FileVersion.of(found) == self.version and stat.S_ISREG(found.st_mode)


class Snapshot(ABC):
    """What searches see, of one library or several as one; nothing here changes.

    Args:
        index: what is searched.
        locator: names the files in results.
        bundle: what made the embeddings that searches use, and encodes queries.
        calibration_file: where ``calibration`` is kept.
    """

    def __init__(self, index: SearchIndex, locator: Locator, bundle: Encoder, calibration_file: Path) -> None:
        self.index, self.locator, self.bundle = index, locator, bundle
        self.calibration_file = calibration_file
        self.calibration: Calibration | None = read_calibration(calibration_file, bundle.card.dim)
        self._facts: dict[int, Mapping[str, Any]] = {}

    @property
    @abstractmethod
    def parts(self) -> Sequence[LibrarySnapshot]:
        """The libraries that are searched."""

    @abstractmethod
    def part_of(self, video_id: str) -> LibrarySnapshot:
        """The library that a video's clips and lines are from.

        Raises:
            NotFoundError: none holds such a video.
        """

    def library_of(self, video_id: str) -> str | None:
        """Folder of the library that a video is from, where several are searched; else None."""
        return str(self.part_of(video_id).folder) if len(self.parts) > 1 else None

    @functools.cached_property
    def root(self) -> Path:
        """The deepest folder that holds all videos."""
        paths = self.index.videos["path"]
        if not len(paths):
            return Path("/")
        # In order of path, the first and the last share what all share.
        ends = [paths[0].as_py(), paths[-1].as_py(), *self._rows_of_copies]
        if len({path.partition("://")[0] if in_bucket(path) else "" for path in ends}) > 1:
            return Path("/")
        shared = os.path.commonpath([os.path.dirname(path) for path in ends])  # noqa: PTH120
        return BucketPath(shared) if in_bucket(ends[0]) else Path(shared)

    def name(self, path: str) -> str:
        """A path from ``root``; an address where only some of the videos lie in a bucket."""
        return name_below(path, self.root)

    def path_of(self, name: str) -> Path:
        """The path that has this name; other names lead below ``root``."""
        return place(name) if in_bucket(name) else self.root / name

    @functools.cached_property
    def folders(self) -> tuple[str, ...]:
        """Folders below ``root`` that hold videos, by name, with all folders that lead there."""
        paths = [*self.index.videos["path"].to_pylist(), *self._rows_of_copies]
        parents = {place(self.name(path)).parent for path in paths}
        every = {folder for parent in parents for folder in (parent, *parent.parents)}
        # The scheme of an address is no folder.
        most = {folder for folder in every if not isinstance(folder, BucketPath) or len(folder.parts) > 1}
        return tuple(sorted(str(folder) for folder in most if str(folder) != "."))

    @functools.cached_property
    def languages(self) -> tuple[str, ...]:
        """BCP-47 tags of all subtitles."""
        return tuple(sorted({tag for own in self.index.videos["languages"].to_pylist() for tag in own}))

    @functools.cached_property
    def line_kinds(self) -> tuple[LineKind, ...]:
        """Kinds of lines that there are."""
        found = set(self.index.subtitles["kind"].unique().to_pylist())
        return tuple(kind for kind in LINE_KINDS if kind in found)

    @functools.cached_property
    def contents(self) -> Contents:
        """What can be searched, and which files were not as they should be."""
        columns = ["path", "status", "message", "indexed_at"]
        files = pa.concat_tables([part.tables().read(FILES, columns) for part in self.parts])
        files = files.sort_by([("path", "ascending"), ("indexed_at", "ascending")])
        # Of a file in several libraries the one that looked at it last tells.
        told = [("status", "last"), ("message", "last")]
        last = files.group_by("path", use_threads=False).aggregate(told).sort_by("path")
        updated_at = pc.max(files["indexed_at"]).as_py()
        lines = self.index.subtitles["language"].value_counts().to_pylist()
        return Contents(
            commit=sum(part.state.commit for part in self.parts),
            bundle=self.parts[0].state.generation.label,
            videos=len(self.index.videos),
            clips=len(self.index.clips),
            subtitles=len(self.index.subtitles),
            files=pc.sum(pc.equal(last["status_last"], OK)).as_py() or 0,
            paths=len(last),
            duration_s=pc.sum(self.index.videos["duration_s"]).as_py() or 0.0,
            lines={pair["values"]: pair["counts"] for pair in lines},
            folders=self.folders,
            pictures_left_out=self.pictures_left_out,
            problems=tuple(
                ProblemFile(
                    name=self.name(row["path"]),
                    left_out=row["status_last"] != OK,
                    message=self._below_root(row["message_last"]),
                )
                for row in last.filter(pc.not_equal(last["message_last"], "")).to_pylist()
            ),
            updated_at=datetime.fromisoformat(updated_at) if updated_at else None,
        )

    @functools.cached_property
    def encoded_clips(self) -> NDArray[np.bool_] | None:
        """Which clips have a vector, (clips,); None if all have, as they do but after a move to a bundle."""
        return _unless_all(self.index.clips["encoded"].to_numpy())

    @functools.cached_property
    def encoded_lines(self) -> NDArray[np.bool_] | None:
        """The same of subtitle lines, (lines,)."""
        return _unless_all(self.index.subtitles["encoded"].to_numpy())

    @functools.cached_property
    def pictures_left_out(self) -> int:
        """Number of videos whose pictures cannot be ranked, or not all of them."""
        if self.encoded_clips is None:
            return 0
        firsts = self.index.videos["first"].to_numpy()
        return int(np.count_nonzero(~np.logical_and.reduceat(self.encoded_clips, firsts)))

    def picture_strengths(self, cosines: NDArray[np.float32]) -> list[float] | None:
        """Probabilities that clips show what a text asks for, given its cosines with them, (clips,).

        None where that cannot be told.
        """
        if self.calibration is None or self.calibration.clips is None:
            return None
        weights = PICTURES.weigh(self.calibration.clips.deviations(cosines))
        return [probability(weight) for weight in weights.tolist()]

    def allowed_videos(self, filters: Filter) -> NDArray[np.bool_]:
        """Which videos a filter lets through, (videos,).

        Raises:
            NotFoundError: no video lies below its folder.
        """
        videos = self.index.videos
        allowed = np.ones(len(videos), bool)
        if filters.folder is not None:
            allowed &= self._within(filters.folder)
        duration_s = videos["duration_s"].to_numpy()
        if filters.min_duration_s is not None:
            allowed &= duration_s >= filters.min_duration_s
        if filters.max_duration_s is not None:
            allowed &= duration_s <= filters.max_duration_s
        modified_s = videos["mtime_ns"].to_numpy() / 1e9
        if filters.after is not None:
            allowed &= modified_s >= _midnight_s(filters.after)
        if filters.before is not None:
            allowed &= modified_s < _midnight_s(filters.before) + timedelta(days=1).total_seconds()
        if filters.subtitles is not None:
            tags = videos["languages"].to_pylist()
            allowed &= np.fromiter((filters.subtitles in own for own in tags), bool, len(tags))
        return allowed

    def _within(self, folder: str) -> NDArray[np.bool_]:
        """Which videos lie below a folder, or at that path, (videos,)."""
        asked = self._place_of(folder)
        path = str(asked).rstrip("/")
        paths = self.index.videos["path"]
        below = pc.or_(pc.starts_with(paths, f"{path}/"), pc.equal(paths, path))
        within: NDArray[np.bool_] = below.to_numpy(zero_copy_only=False).copy()
        within[[row for copy, row in self._rows_of_copies.items() if is_below(copy, asked)]] = True
        if len(within) and not within.any():
            near = difflib.get_close_matches(folder.strip("/"), self.folders, n=1)
            raise NotFoundError(
                NO_VIDEO_BELOW,
                item=repr(folder),
                remedy=f"Did you mean {near[0]!r}?" if near else "'polyreel videos list' shows what it holds",
            )
        return within

    def _place_of(self, folder: str) -> Path:
        """The folder, or the file, that a filter names."""
        return kept_place(given_path(folder) if is_address(Path(folder)) else self.root / folder)

    def allowed_clips(self, filters: Filter) -> NDArray[np.bool_]:
        """Which clips a filter lets through, (clips,)."""
        return np.repeat(self.allowed_videos(filters), self.index.videos["clips"].to_numpy())

    def video(self, row: int, *, folder: str | None = None) -> Video:
        """The video in a row of ``index.videos``; ``folder`` is that of ``file_of``."""
        facts = self.video_facts(row)
        middle = self.index.clips.slice(facts["first"] + facts["clips"] // 2, 1).to_pylist()[0]
        file = self.file_of(facts["video"], folder=folder)
        paths = [facts["path"], *(copy["path"] for copy in facts["copies"])]
        return Video(
            id=facts["video"],
            name=self.name(file.path),
            duration_s=facts["duration_s"],
            clips=facts["clips"],
            subtitles=tuple(facts["languages"]),
            size_bytes=facts["size_bytes"],
            modified=datetime.fromtimestamp(file.version.mtime_ns / 1e9, UTC),
            thumbnail=self.thumbnail(middle),
            media=self.locator.media(facts["video"], file.path),
            copies=tuple(self.name(path) for path in paths if path != file.path),
        )

    def file_of(self, video_id: str, *, folder: str | None = None) -> IndexedFile:
        """The file to show and play: the first of the video's paths that is as it was indexed.

        Where none is, the first path, so that messages name it.

        Args:
            video_id: hash of the video's content.
            folder: that of a filter: of several paths only those below it count, so that who searches there
                is told of no file elsewhere; where none lies below it, all do.

        Raises:
            NotFoundError: the library holds no such video.
        """
        facts = self.video_facts(self.video_row(video_id))
        files = [
            IndexedFile(file["path"], FileVersion(facts["size_bytes"], file["mtime_ns"]))
            for file in (facts, *facts["copies"])
        ]
        # A video that lies at one path only, as most do, costs no look at the disk.
        if len(files) > 1 and folder is not None:
            asked = self._place_of(folder)
            files = [file for file in files if is_below(file.path, asked)] or files
        return files[0] if len(files) == 1 else next((file for file in files if file.is_unchanged), files[0])

    def video_facts(self, row: int) -> Mapping[str, Any]:
        """A row of ``index.videos``: column -> value."""
        facts = self._facts.get(row)
        if facts is None:
            # Every hit needs one, and hits lie in few videos; Arrow takes a tenth of a millisecond.
            if len(self._facts) >= _FACTS_KEPT:
                self._facts.clear()
            facts = self._facts[row] = self.index.videos.slice(row, 1).to_pylist()[0]
        return facts

    def clip(self, clip_id: str) -> LibraryClip:
        """A clip and its video.

        Raises:
            NotFoundError: the library holds no such clip.
        """
        facts = self.clip_facts(clip_id)
        return LibraryClip(
            clip_id=clip_id,
            start_s=facts["start_s"],
            end_s=facts["end_s"],
            thumbnail=self.thumbnail(facts),
            media=self.locator.media(facts["video"], self.file_of(facts["video"]).path, facts["start_s"]),
            video=self.video(self.video_row(facts["video"])),
        )

    def clip_facts(self, clip_id: str) -> Mapping[str, Any]:
        """The row of a clip in ``index.clips``: column -> value. Raises as ``clip_row``."""
        facts: Mapping[str, Any] = self.index.clips.slice(self.clip_row(clip_id), 1).to_pylist()[0]
        return facts

    def thumbnail(self, clip: Mapping[str, Any]) -> str:
        """Where the picture of a clip is, given its row."""
        folder = self.part_of(clip["video"]).folder
        return self.locator.thumbnail(clip["clip_id"], f"{folder}/{clip['thumbnail']}")

    def thumbnail_file(self, clip_id: str) -> Path:
        """The JPEG of a clip.

        Raises:
            NotFoundError: the clip or its picture is not there, or is not a regular file of the library.
        """
        facts = self.clip_facts(clip_id)
        folder = self.part_of(facts["video"]).folder
        path = folder / str(facts["thumbnail"])
        try:
            is_own = stat.S_ISREG(path.lstat().st_mode) and path.resolve().is_relative_to(folder.resolve())
        except OSError:
            is_own = False
        if not is_own:
            raise NotFoundError("this moment has no picture", remedy="Run index again")
        return path

    def lines(self, video_id: str) -> list[LibraryLine]:
        """The lines of a video, in order of time.

        Raises:
            NotFoundError: the library holds no such video.
        """
        tables = self.part_of(video_id).tables()  # loads Lance, which no search needs
        rows = tables.read_of_videos(SUBTITLES, _LINE_COLUMNS, [video_id])
        rows = rows.sort_by([("start_s", "ascending"), ("end_s", "ascending")])
        return [LibraryLine(**row) for row in rows.to_pylist()]

    def _below_root(self, message: str) -> str:
        return message.replace(f"{self.root}/", "")

    def video_row(self, video_id: str) -> int:
        """Row of a video.

        Raises:
            NotFoundError: it is not in the library.
        """
        require_type(video_id, str, "a video's id")
        row = self._video_rows.get(video_id)
        if row is None:
            raise NotFoundError(
                "the library holds no such video", item=repr(video_id[:64]), remedy="Search for it again"
            )
        return row

    def clip_rows(self, video_row: int) -> slice:
        """Rows of a video's clips, in order of time."""
        videos = self.index.videos
        first, clips = (int(videos[name][video_row].as_py()) for name in ("first", "clips"))
        return slice(first, first + clips)

    def clip_row(self, clip_id: str) -> int:
        """Row of a clip.

        Raises:
            NotFoundError: it is not in the library.
        """
        require_type(clip_id, str, "a clip's id")
        match = _CLIP_ID.fullmatch(clip_id)
        if match is not None and match["video"] in self._video_rows:
            own = self.clip_rows(self._video_rows[match["video"]])
            ids: list[str] = self.index.clips["clip_id"][own].to_pylist()
            if clip_id in ids:
                return ids.index(clip_id) + int(own.start)
        raise NotFoundError(
            "the library holds no such moment", item=repr(clip_id[:64]), remedy="Search for it again"
        )

    @functools.cached_property
    def _video_rows(self) -> dict[str, int]:
        return {video: row for row, video in enumerate(self.index.videos["video"].to_pylist())}

    @functools.cached_property
    def _rows_of_copies(self) -> dict[str, int]:
        """Path -> row of its video, for all paths but the first of each."""
        copies = self.index.videos["copies"]
        several = np.flatnonzero(pc.list_value_length(copies).to_numpy())
        return {copy["path"]: int(row) for row in several for copy in copies[int(row)].as_py()}


class LibrarySnapshot(Snapshot):
    """A library as of one commit.

    Args:
        folder: the library.
        state: its state.
        locator: names the files in results.
        bundle: what made the embeddings that searches use, and encodes queries.
        anew: what was laid out of it is damaged.
    """

    def __init__(
        self, folder: Path, state: LibraryState, locator: Locator, bundle: Encoder, *, anew: bool = False
    ) -> None:
        self.folder, self.state = folder, state
        self._recognised: tuple[str, Mapping[LineKind, RecognisedHealth]] | None = None
        index = load_search_index(folder, state, anew=anew)
        super().__init__(index, locator, bundle, calibration_file(cache_of(folder, state)))

    @property
    def parts(self) -> Sequence[LibrarySnapshot]:
        """This one."""
        return (self,)

    def part_of(self, video_id: str) -> LibrarySnapshot:
        """This one. Raises as ``video_row``."""
        self.video_row(video_id)
        return self

    def tables(self) -> TableReader:
        """The tables of this commit."""
        return TableReader(self.folder, self.state)

    def follow(self, state: LibraryState) -> None:
        """Take up a later commit of the same ``key``: searches see nothing new, but more may have been heard.

        Args:
            state: of that commit.
        """
        self.state = state

    @property
    def recognised(self) -> Mapping[LineKind, RecognisedHealth]:
        """What was heard and read in all videos, which are named from ``root``; only what was begun."""
        state, known = self.state, self._recognised
        if known is None or known[0] != state.revision:
            known = self._recognised = (state.revision, self._recognised_in(state))
        return known[1]

    def _recognised_in(self, state: LibraryState) -> Mapping[LineKind, RecognisedHealth]:
        tables = TableReader(self.folder, state)
        rows = tables.read(RECOGNISED, RECOGNISED_COLUMNS).to_pylist() if RECOGNISED in state.tables else []
        begun = {row["source"] for row in rows}
        if not begun:
            return {}
        files = tables.read(FILES, ["path", "video", "status", "health"]).sort_by("path").to_pylist()
        files = [{**file, "path": self.name(file["path"])} for file in files]
        rows = [{**row, "message": self._below_root(row["message"])} for row in rows]
        kinds = Counter(self.index.subtitles["kind"].to_pylist())
        return {
            source: recognised_health(source, files, rows, lines=kinds[source])
            for source in (SPEECH, SCREEN)
            if source in begun
        }


def _unless_all(encoded: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    return None if encoded.all() else encoded


def _midnight_s(day: date) -> float:
    return datetime.combine(day, time.min, UTC).timestamp()
