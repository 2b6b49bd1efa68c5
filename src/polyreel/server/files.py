"""Files that leave the server: videos of the library and thumbnails, and nothing else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from starlette.responses import FileResponse

from polyreel.errors import NotFoundError
from polyreel.library.search.snapshot import Video

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


def video_response(video: Video) -> FileResponse:
    """The file of a video, whole or in ranges, if it still is what was indexed.

    Raises:
        NotFoundError: it is gone, has changed, or is now a link to somewhere else.
    """
    path = Path(video.path)
    facts = _facts(path)
    if facts is None:
        raise NotFoundError(
            "the file of this video is gone", item=video.name, remedy="Run index again, or mount its drive"
        )
    if not stat.S_ISREG(facts.st_mode) or (facts.st_size, facts.st_mtime_ns) != (
        video.size_bytes,
        video.mtime_ns,
    ):
        raise NotFoundError(
            "the file of this video has changed since it was indexed",
            item=video.name,
            remedy="Run index again",
        )
    if not os.access(path, os.R_OK):
        raise NotFoundError(
            "the file of this video cannot be read", item=video.name, remedy="Check permissions"
        )
    return FileResponse(
        path,
        media_type=_TYPES.get(path.suffix.lower(), "application/octet-stream"),
        headers={"cache-control": "private, no-cache"},
        filename=path.name,
        stat_result=facts,
        content_disposition_type="inline",
    )


def thumbnail_response(path: Path, library: Path) -> FileResponse:
    """A thumbnail; what a clip's name stands for never changes.

    Raises:
        NotFoundError: it is not there, or no regular file below ``library``.
    """
    facts = _facts(path)
    inside = path.resolve().is_relative_to(library.resolve())
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
