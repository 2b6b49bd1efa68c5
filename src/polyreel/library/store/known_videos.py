"""The videos that a library knows: list them, forget them, follow them to another place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from polyreel.errors import UsageError
from polyreel.library.store.store import Commit, open_snapshot, writing
from polyreel.library.store.tables import CLIPS, FILES, PARTIAL, SUBTITLES
from polyreel.remote.address import BucketPath, existing, is_below, kept_place

__all__ = ["KnownFile", "KnownVideo", "Relocation", "count_half_read", "forget", "known_videos", "relocate"]

_FILE_FACTS = ["path", "video", "status", "message", "size_bytes", "mtime_ns"]


class KnownFile(BaseModel):
    """One path of a video.

    Attributes:
        path: as it was indexed.
        on_disk: whether a file is there now, or an object in a bucket that can be listed.
        status: "ok", "failed", "unreadable", or "partial" where a run did not read it to its end.
        message: what was wrong with it.
        size_bytes, modified: its size, and when it was last changed, as it was indexed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    on_disk: bool
    status: str
    message: str
    size_bytes: int
    modified: datetime


class KnownVideo(BaseModel):
    """One content, and all paths that it has.

    Attributes:
        id: hash of the content.
        files: its paths, those on the disk first.
        clips, lines: how many can be searched.
        duration_s: seconds that were read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    files: tuple[KnownFile, ...]
    clips: int
    lines: int
    duration_s: float


class Relocation(BaseModel):
    """What ``relocate`` did.

    Attributes:
        moved: paths that are now known at their new place.
        missing: paths that the library knows below the old place and that are not at the new one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    moved: tuple[str, ...]
    missing: tuple[str, ...]


def known_videos(folder: Path) -> tuple[KnownVideo, ...]:
    """All videos of the library in ``folder``, by their first path.

    Raises:
        LibraryError: there is no library, or it cannot be read.
    """
    snapshot = open_snapshot(folder)
    files: dict[str, list[KnownFile]] = {}
    rows = snapshot.read(FILES, _FILE_FACTS).to_pylist()
    there = existing([row["path"] for row in rows])
    for row in rows:
        file = KnownFile(
            path=row["path"],
            on_disk=row["path"] in there,
            status=row["status"],
            message=row["message"],
            size_bytes=row["size_bytes"],
            modified=datetime.fromtimestamp(row["mtime_ns"] / 1e9, UTC),
        )
        files.setdefault(row["video"], []).append(file)
    clips = (
        snapshot.read(CLIPS, ["video", "end_s"])
        .group_by("video")
        .aggregate([("end_s", "max"), ("end_s", "count")])
    )
    spans = {row["video"]: (row["end_s_max"], row["end_s_count"]) for row in clips.to_pylist()}
    lines = Counter(snapshot.read(SUBTITLES, ["video"])["video"].to_pylist())
    videos = []
    for video, own in files.items():
        duration_s, count = spans.get(video, (0.0, 0))
        ordered = tuple(sorted(own, key=lambda file: (not file.on_disk, file.path)))
        videos.append(
            KnownVideo(id=video, files=ordered, clips=count, lines=lines[video], duration_s=duration_s)
        )
    return tuple(sorted(videos, key=lambda video: video.files[0].path))


def count_half_read(folder: Path) -> int:
    """Files of the library in ``folder`` that a run did not read to their end, which no search finds yet.

    Raises:
        LibraryError: there is no library, or it cannot be read.
    """
    statuses: list[str] = open_snapshot(folder).read(FILES, ["status"])["status"].to_pylist()
    return statuses.count(PARTIAL)


def forget(folder: Path, paths: Iterable[Path]) -> tuple[str, ...]:
    """Let the library forget files, and all files below folders; the files themselves are not touched.

    Args:
        folder: the library.
        paths: files and folders, whether or not they are still there.

    Returns:
        The paths that were forgotten.

    Raises:
        UsageError: the library knows nothing at or below a path.
        LibraryBusyError: another process is writing the library.
    """
    with writing(folder) as writer:
        known = writer.snapshot.read(FILES, ["path"])["path"].to_pylist()
        gone: set[str] = set()
        for place in paths:
            gone.update(_require_known(known, place))
        writer.commit(Commit(removed_paths=sorted(gone)))
        writer.drop_orphans()
        writer.tidy()
    return tuple(sorted(gone))


def relocate(folder: Path, old: Path, new: Path) -> Relocation:
    """Tell the library that what it knows at or below ``old`` lies at or below ``new`` now; nothing is read.

    A file that is not at the new place, or is of another size there, stays known at the old one.

    Args:
        folder: the library.
        old: folder or file, as the library knows it.
        new: where it is now.

    Raises:
        UsageError: the library knows nothing at ``old``, or nothing is at ``new``.
        LibraryBusyError: another process is writing the library.
    """
    for asked in (old, new):
        if isinstance(kept_place(asked), BucketPath):
            raise UsageError(
                "films in a bucket are not followed to another place",
                item=kept_place(asked),
                remedy="Run 'polyreel index' on the new one: what is known is not decoded again",
            )
    place = kept_place(new)
    if not place.exists():
        raise UsageError(
            "no such file or folder", item=place, remedy="Check the path, and that its drive is mounted"
        )
    with writing(folder) as writer:
        files = writer.snapshot.read(FILES)
        below = _require_known(files["path"].to_pylist(), old)
        moved: list[str] = []
        missing: list[str] = []
        rows: list[dict[str, Any]] = []
        for row in files.to_pylist():
            if row["path"] not in below:
                continue
            there = place / Path(row["path"]).relative_to(kept_place(old))
            if _size_of(there) == row["size_bytes"]:
                moved.append(row["path"])
                rows.append(
                    {**row, "path": str(there), "message": row["message"].replace(row["path"], str(there))}
                )
            else:
                missing.append(row["path"])
        stay = {row["path"] for row in rows}
        writer.commit(Commit(files=rows, removed_paths=[path for path in moved if path not in stay]))
        writer.tidy()
    return Relocation(moved=tuple(moved), missing=tuple(missing))


def _require_known(known: Sequence[str], place: Path) -> set[str]:
    """The known paths at or below ``place``."""
    wanted = kept_place(place)
    found = {path for path in known if is_below(path, wanted)}
    if not found:
        raise UsageError(
            "the library knows no video there",
            item=wanted,
            remedy="See 'polyreel videos list' for those it knows",
        )
    return found


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
