"""Files that leave the server: videos of the library and thumbnails, and nothing else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from starlette.responses import FileResponse

from polyreel.errors import NotFoundError
from polyreel.library.search.snapshot import LibrarySnapshot

__all__ = ["thumbnail_response", "video_response"]

# What browsers go by; they play more kinds than the table of the system knows.
_TYPES = {
    ".avi": "video/x-msvideo",
    ".m4v": "video/mp4",
    ".mkv": "video/x-matroska",
    ".mov": "video/mp4",  # the same container; browsers refuse it under its own name
    ".mp4": "video/mp4",
    ".mpeg": "video/mpeg",
    ".mpg": "video/mpeg",
    ".ogv": "video/ogg",
    ".qt": "video/mp4",
    ".ts": "video/mp2t",
    ".webm": "video/webm",
}
_YEAR_S = 365 * 24 * 3600


def video_response(snapshot: LibrarySnapshot, video_id: str) -> FileResponse:
    """The file of a video, whole or in ranges, if it still is what was indexed.

    Raises:
        NotFoundError: it is not in the library, is gone, has changed, or is now a link to somewhere else.
    """
    indexed = snapshot.file_of(video_id)
    path, name = Path(indexed.path), snapshot.name(indexed.path)
    facts = _facts(path)
    if facts is None:
        raise NotFoundError(
            "the file of this video is gone", item=name, remedy="Run index again, or mount its drive"
        )
    is_same = (facts.st_size, facts.st_mtime_ns) == (indexed.size_bytes, indexed.mtime_ns)
    if not stat.S_ISREG(facts.st_mode) or not is_same:
        raise NotFoundError(
            "the file of this video has changed since it was indexed",
            item=name,
            remedy="Run index again",
        )
    if not os.access(path, os.R_OK):
        raise NotFoundError("the file of this video cannot be read", item=name, remedy="Check permissions")
    return FileResponse(
        path,
        media_type=_TYPES.get(path.suffix.lower(), "application/octet-stream"),
        headers={"cache-control": "private, no-cache"},
        filename=path.name,
        stat_result=facts,
        content_disposition_type="inline",
    )


def thumbnail_response(snapshot: LibrarySnapshot, clip_id: str) -> FileResponse:
    """The picture of a clip; it never changes.

    Raises:
        NotFoundError: the clip or the picture is not there, or is not a regular file of the library.
    """
    path = snapshot.folder / snapshot.clip_facts(clip_id)["thumbnail"]
    facts = _facts(path)
    inside = path.resolve().is_relative_to(snapshot.folder.resolve())
    if facts is None or not stat.S_ISREG(facts.st_mode) or not inside:
        raise NotFoundError("this moment has no picture", remedy="Run index again")
    return FileResponse(
        path,
        media_type="image/jpeg",
        headers={"cache-control": f"private, max-age={_YEAR_S}, immutable"},
        stat_result=facts,
    )


def _facts(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None
