"""What a library holds that one of its generations has no vector of, and where it can be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from polyreel.errors import MediaError
from polyreel.library.index.scan import FoundVideo
from polyreel.library.store.file_version import FileVersion
from polyreel.library.store.frame_features import FrameFeatures
from polyreel.library.store.store import Commit, TableReader
from polyreel.library.store.tables import CLIPS, FILES, OK, SUBTITLES, embedding_table
from polyreel.remote.address import place
from polyreel.remote.reach import require_reach

__all__ = [
    "KnownClip",
    "VectorGap",
    "VideoGap",
    "find_gap",
    "find_source",
    "part_by_features",
    "still_lacking",
]


@dataclass(frozen=True, slots=True)
class KnownClip:
    """A clip as the library holds it; ``lacking`` if the generation has no vector of it. Seconds."""

    clip_id: str
    start_s: float
    end_s: float
    lacking: bool


@dataclass(frozen=True, slots=True)
class VideoGap:
    """A video of which clips lack a vector.

    Attributes:
        video: hash of its content.
        clips: all of its clips, in order of time.
        files: rows of its readable paths, in order of path.
    """

    video: str
    clips: tuple[KnownClip, ...]
    files: tuple[Mapping[str, Any], ...]

    @property
    def lacking(self) -> int:
        """Number of clips without a vector."""
        return sum(clip.lacking for clip in self.clips)

    @property
    def duration_s(self) -> float:
        """Seconds up to the end of its last clip."""
        return self.clips[-1].end_s

    @property
    def size_bytes(self) -> int:
        """Size of its file."""
        return int(self.files[0]["size_bytes"])


@dataclass(frozen=True, slots=True)
class VectorGap:
    """What a generation lacks.

    Attributes:
        videos: those of which clips lack a vector, by path.
        lines: rows of the lines that lack one: subtitle_id, video, text, language.
    """

    videos: tuple[VideoGap, ...]
    lines: pa.Table

    def __bool__(self) -> bool:
        return bool(self.videos or len(self.lines))

    @property
    def clips(self) -> int:
        """Number of clips without a vector."""
        return sum(video.lacking for video in self.videos)


def find_gap(snapshot: TableReader, generation: int | None) -> VectorGap:
    """What a generation lacks of what the library holds.

    Args:
        snapshot: the library.
        generation: its number; None for one that is still to begin.
    """
    has = pa.array([], pa.string())
    if generation is not None:
        has = snapshot.read(embedding_table(generation), ["id"])["id"].combine_chunks()
    lines = snapshot.read(SUBTITLES, ["subtitle_id", "video", "text", "language"])
    lines = lines.filter(pc.invert(pc.is_in(lines["subtitle_id"], value_set=has)))
    clips = snapshot.read(CLIPS, ["clip_id", "video", "start_s", "end_s"])
    clips = clips.append_column("lacking", pc.invert(pc.is_in(clips["clip_id"], value_set=has)))
    videos = pc.unique(clips["video"].filter(clips["lacking"]))
    files = snapshot.read(FILES, ["path", "video", "size_bytes", "mtime_ns"], where=f"status = '{OK}'")
    paths = _by_video(files.sort_by("path"), videos)
    spans = _by_video(clips.sort_by("start_s"), videos)
    gaps = [
        VideoGap(
            video,
            tuple(KnownClip(row["clip_id"], row["start_s"], row["end_s"], row["lacking"]) for row in rows),
            tuple(paths[video]),
        )
        for video, rows in spans.items()
        if video in paths  # what no path has is about to be removed
    ]
    return VectorGap(tuple(sorted(gaps, key=lambda gap: gap.files[0]["path"])), lines)


def _by_video(table: pa.Table, videos: pa.Array) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in table.filter(pc.is_in(table["video"], value_set=videos)).to_pylist():
        groups.setdefault(row["video"], []).append(row)
    return groups


def find_source(files: Sequence[Mapping[str, Any]]) -> FoundVideo | MediaError:
    """The first file of a video that is as it was indexed, or why there is none.

    Args:
        files: rows of the table of files, at least one.

    Raises:
        BucketLostError: the bucket of one does not answer any more.
    """
    changed = None
    for row in files:
        path = place(row["path"])
        try:
            version = FileVersion.of(path.stat())
        except (FileNotFoundError, PermissionError):
            continue
        except OSError as error:
            require_reach(path, error.strerror)
            continue
        if version == FileVersion(row["size_bytes"], row["mtime_ns"]):
            return FoundVideo(path, version, "")
        changed = changed or path
    if changed is not None:
        return MediaError(
            "the file has changed since it was indexed", item=changed, remedy="Run 'polyreel index' on it"
        )
    return MediaError(
        "the file is not there",
        item=files[0]["path"],
        remedy="Once its drive is mounted, run 'polyreel index' on its folder",
    )


def part_by_features(
    videos: Iterable[VideoGap], features: FrameFeatures
) -> tuple[list[VideoGap], list[VideoGap]]:
    """The videos whose clips can be encoded from what is kept of their frames, and the others."""
    kept, others = list[VideoGap](), list[VideoGap]()
    for video in videos:
        have = features.have(clip.clip_id for clip in video.clips if clip.lacking)
        (kept if have else others).append(video)
    return kept, others


def still_lacking(snapshot: TableReader, generation: int, made: Commit, texts: Mapping[str, str]) -> Commit:
    """Of vectors that were made from an earlier commit, those that the library has a place for now.

    In between, a video can have left, its lines can have been replaced, under ids that are the same, and the
    vectors can have been made by another process.

    Args:
        snapshot: the library now.
        generation: number of the generation that the vectors are of.
        made: ``embeddings``, ``vectors`` and ``features``.
        texts: text of each line among them, by ``subtitle_id``.
    """
    videos = sorted({row["video"] for row in made.embeddings})
    if not videos:
        return made
    places = set(snapshot.read_of_videos(CLIPS, ["clip_id"], videos)["clip_id"].to_pylist())
    lines = snapshot.read_of_videos(SUBTITLES, ["subtitle_id", "text"], videos).to_pylist() if texts else []
    now = {row["subtitle_id"]: row["text"] for row in lines}
    has = set(snapshot.read_of_videos(embedding_table(generation), ["id"], videos)["id"].to_pylist())
    wanted = Commit()
    for row, vector in zip(made.embeddings, made.vectors, strict=True):
        item = row["id"]
        fits = texts[item] == now.get(item) if row["kind"] == "subtitle" else item in places
        if fits and item not in has:
            wanted.embeddings.append(row)
            wanted.vectors.append(vector)
    taken = {row["id"] for row in wanted.embeddings}
    wanted.features = [each for each in made.features if each.clip_id in taken]
    return wanted
