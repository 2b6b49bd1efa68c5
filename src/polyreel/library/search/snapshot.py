"""One commit of a library, opened for searching by any number of threads."""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polyreel.errors import NotFoundError
from polyreel.library.search.calibration import Calibration
from polyreel.library.search.filters import Filter, videos_within
from polyreel.library.search.search_index import SearchIndex, load_search_index
from polyreel.library.store.contents import Contents, contents_of
from polyreel.library.store.state import LibraryState
from polyreel.library.store.store import TableReader

__all__ = ["LibrarySnapshot", "Video"]

_CLIP_ID = re.compile(r"(?P<video>[0-9a-f]{32})@\d{10,}")


@dataclass(frozen=True, slots=True)
class Video:
    """A video that can be searched.

    Attributes:
        id: hash of its content.
        path: file, the first one where the same content lies at several paths.
        name: the path from the library's common folder.
        duration_s: seconds.
        clips: number of clips.
        subtitles: BCP-47 tags of its subtitles.
        size_bytes, mtime_ns: of the file as it was indexed.
        thumbnail: path of a JPEG of its middle clip.
    """

    id: str
    path: str
    name: str
    duration_s: float
    clips: int
    subtitles: tuple[str, ...]
    size_bytes: int
    mtime_ns: int
    thumbnail: str

    @property
    def modified(self) -> datetime:
        """When the file was last changed, as it was indexed."""
        return datetime.fromtimestamp(self.mtime_ns / 1e9, UTC)


class LibrarySnapshot:
    """A library as of one commit; nothing here changes.

    Args:
        folder: the library.
        state: its state.
    """

    def __init__(self, folder: Path, state: LibraryState) -> None:
        self.folder, self.state = folder, state
        self.searchable: SearchIndex = load_search_index(folder, state)
        self.calibration: Calibration | None = None

    @functools.cached_property
    def root(self) -> Path:
        """The deepest folder that holds all videos."""
        paths = self.searchable.videos["path"]
        if not len(paths):
            return Path("/")
        # In order of path, the first and the last share what all share.
        return Path(os.path.commonpath([os.path.dirname(paths[at].as_py()) for at in (0, -1)]))  # noqa: PTH120

    def name(self, path: str) -> str:
        """A path from ``root``."""
        return os.path.relpath(path, self.root)

    @functools.cached_property
    def folders(self) -> tuple[str, ...]:
        """Folders below ``root`` that hold videos, by name, with all folders that lead there."""
        parents = {Path(self.name(path)).parent for path in self.searchable.videos["path"].to_pylist()}
        every = {folder for parent in parents for folder in (parent, *parent.parents)}
        return tuple(sorted(str(folder) for folder in every if str(folder) != "."))

    @functools.cached_property
    def languages(self) -> tuple[str, ...]:
        """BCP-47 tags of all subtitles."""
        return tuple(sorted({tag for own in self.searchable.videos["languages"].to_pylist() for tag in own}))

    @functools.cached_property
    def contents(self) -> Contents:
        """What is in it, and which files were not as they should be."""
        return contents_of(self.searchable, self._snapshot)

    def allowed_videos(self, only: Filter) -> NDArray[np.bool_]:
        """Which videos a filter lets through, (videos,)."""
        return videos_within(only, self.searchable.videos, self.root)

    def allowed_clips(self, only: Filter) -> NDArray[np.bool_]:
        """Which clips a filter lets through, (clips,)."""
        return np.repeat(self.allowed_videos(only), self.searchable.videos["clips"].to_numpy())

    def video(self, row: int) -> Video:
        """The video in a row of ``searchable.videos``."""
        facts = {
            name: self.searchable.videos[name][row].as_py() for name in self.searchable.videos.schema.names
        }
        middle = facts["first"] + facts["clips"] // 2
        return Video(
            id=facts["video"],
            path=facts["path"],
            name=self.name(facts["path"]),
            duration_s=facts["duration_s"],
            clips=facts["clips"],
            subtitles=tuple(facts["languages"]),
            size_bytes=facts["size_bytes"],
            mtime_ns=facts["mtime_ns"],
            thumbnail=str(self.folder / self.searchable.clips["thumbnail"][middle].as_py()),
        )

    def middle_clip(self, video_id: str) -> str:
        """``clip_id`` of the clip in the middle of a video, whose picture stands for it.

        Raises:
            NotFoundError: the video is not in the library.
        """
        rows = self.clip_rows(self.video_row(video_id))
        middle: str = self.searchable.clips["clip_id"][(rows.start + rows.stop) // 2].as_py()
        return middle

    def video_row(self, video_id: str) -> int:
        """Row of a video.

        Raises:
            NotFoundError: it is not in the library.
        """
        row = self._video_rows.get(video_id)
        if row is None:
            raise NotFoundError(
                "the library holds no such video", item=repr(video_id[:64]), remedy="Search for it again"
            )
        return row

    def clip_rows(self, video_row: int) -> slice:
        """Rows of a video's clips, in order of time."""
        videos = self.searchable.videos
        first, clips = (int(videos[name][video_row].as_py()) for name in ("first", "clips"))
        return slice(first, first + clips)

    def clip_row(self, clip_id: str) -> int:
        """Row of a clip.

        Raises:
            NotFoundError: it is not in the library.
        """
        match = _CLIP_ID.fullmatch(clip_id)
        if match is not None and match["video"] in self._video_rows:
            own = self.clip_rows(self._video_rows[match["video"]])
            ids: list[str] = self.searchable.clips["clip_id"][own].to_pylist()
            if clip_id in ids:
                return ids.index(clip_id) + int(own.start)
        raise NotFoundError(
            "the library holds no such moment", item=repr(clip_id[:64]), remedy="Search for it again"
        )

    def search_words(self, text: str, limit: int) -> list[tuple[int, float]]:
        """Rows of subtitle lines that share words with ``text``, and BM25 scores, best first."""
        found = self._snapshot.search_words(text, limit)
        return [(self._line_rows[line], score) for line, score in found if line in self._line_rows]

    @functools.cached_property
    def _snapshot(self) -> TableReader:
        return TableReader(self.folder, self.state)  # loads Lance, which only words need

    @functools.cached_property
    def _video_rows(self) -> dict[str, int]:
        return {video: row for row, video in enumerate(self.searchable.videos["video"].to_pylist())}

    @functools.cached_property
    def _line_rows(self) -> dict[str, int]:
        return {line: row for row, line in enumerate(self.searchable.subtitles["subtitle_id"].to_pylist())}
