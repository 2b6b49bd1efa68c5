"""Files that leave the server: videos of the library and thumbnails, and nothing else."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import threading
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from polyreel.errors import NotFoundError
from polyreel.library.search.snapshot import LibrarySnapshot
from polyreel.library.store.file_version import FileVersion
from polyreel.remote.address import BucketPath, place
from polyreel.remote.spool import reached_file, stat_within
from polyreel.server.errors import RangeError

__all__ = [
    "BUCKET_S",
    "CONDITIONAL_METHOD",
    "attachment",
    "on_this_machine",
    "satisfiable_ranges",
    "thumbnail_response",
    "video_file",
    "video_response",
]

BUCKET_S = 10.0
"""So long a page waits for what a bucket says of a film, and a server that ends for who waits so."""

CONDITIONAL_METHOD = "polyreel.method"
"""Key of an ASGI scope: the method of a request that is answered as GET."""

# What browsers go by; they play more kinds than the table of the system knows.
_TYPES = {
    ".3g2": "video/mp4",
    ".3gp": "video/mp4",
    ".avi": "video/x-msvideo",
    ".f4v": "video/mp4",
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
_MAX_RANGES = 100
_RANGE = re.compile(r"(?P<first>[0-9]{0,4000})-(?P<last>[0-9]{0,4000})")


class _IndexedFileResponse(FileResponse):
    """A file that is sent where the client does not have it already, with ranges as RFC 9110 has them."""

    def __init__(self, path: Path, **facts: Any) -> None:
        super().__init__(path, **facts)
        self._source = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if self._is_known(headers):
            kept = ("etag", "last-modified", "cache-control")
            same = Response(status_code=304, headers={name: self.headers[name] for name in kept})
            await same(scope, receive, send)
            return
        # Starlette answers a malformed range with 400, and one of several that is beyond the end with 416.
        others = [(name, value) for name, value in scope["headers"] if name != b"range"]
        condition = headers.get("if-range", self.headers["etag"])
        if "range" in headers and condition in {self.headers["etag"], self.headers["last-modified"]}:
            wanted = satisfiable_ranges(headers["range"], int(self.headers["content-length"]))
            if wanted is not None:
                parts = ",".join(f"{first}-{last}" for first, last in wanted)
                others.append((b"range", f"bytes={parts}".encode()))
        method = scope.get(CONDITIONAL_METHOD, scope["method"])
        scope = {**scope, "method": method, "headers": others}
        if method == "HEAD":
            await super().__call__(scope, receive, send)
            return
        async with on_this_machine(self._source) as file:
            self.path = file
            await super().__call__(scope, receive, send)

    def _is_known(self, headers: Headers) -> bool:
        """Whether the client has the file as it is. A date counts only where no tag is given."""
        if "if-none-match" in headers:
            return _matches(headers.getlist("if-none-match"), self.headers["etag"])
        try:
            seen = parsedate_to_datetime(headers.get("if-modified-since", ""))
            return parsedate_to_datetime(self.headers["last-modified"]) <= seen
        except (TypeError, ValueError):  # no date, or one without its zone
            return False


@contextlib.asynccontextmanager
async def on_this_machine(path: Path) -> AsyncIterator[Path]:
    """The file of a path, which may have to be fetched from a bucket first, for as long as the block takes.

    Raises:
        UnreachableError: it cannot be fetched.
    """
    if not isinstance(path, BucketPath):
        yield path
        return
    with contextlib.ExitStack() as held:
        stop = threading.Event()
        try:
            file = await run_in_threadpool(held.enter_context, reached_file(path, stop=stop))
        finally:
            stop.set()  # a server that ends would wait for the thread, and that for the bucket
        yield file


def attachment(name: str) -> str:
    """The header that makes a browser save an answer under a name, whatever letters that has (RFC 6266)."""
    encoded = quote(name)
    return f'attachment; filename="{name}"' if encoded == name else f"attachment; filename*=utf-8''{encoded}"


def satisfiable_ranges(header: str, size: int) -> list[tuple[int, int]] | None:
    """First and last byte of each range that lies in the file; None for a header that is to be ignored.

    Args:
        header: value of ``Range``.
        size: of the file, bytes.

    Raises:
        RangeError: the header is well-formed and no part of it lies in the file.
    """
    unit, _, given = header.partition("=")
    parts = [part.strip(" \t") for part in given.split(",")]
    found = [_RANGE.fullmatch(part) for part in parts if part]
    if unit.strip().lower() != "bytes" or not 0 < len(found) <= _MAX_RANGES:
        return None
    ranges = []
    for match in found:
        if match is None or match[0] == "-":
            return None
        first, last = match["first"], match["last"]
        if first and last and int(last) < int(first):
            return None
        start = int(first) if first else max(size - int(last), 0)
        end = int(last) if first and last else size - 1
        if start < size and (first or int(last)):
            ranges.append((start, min(end, size - 1)))
    if not ranges:
        raise RangeError("the range lies beyond the end of the file", value=size)
    return ranges


def _matches(given: list[str], etag: str) -> bool:
    tags = [tag.strip() for value in given for tag in value.split(",")]
    return "*" in tags or etag in {tag.removeprefix("W/") for tag in tags}


def video_file(
    snapshot: LibrarySnapshot, video_id: str, *, folder: str | None = None
) -> tuple[Path, os.stat_result]:
    """The file of a video, if it still is what was indexed.

    Args:
        snapshot: what is searched.
        video_id: hash of the video's content.
        folder: as in ``Snapshot.file_of``.

    Raises:
        NotFoundError: it is not in the library, is gone, has changed, or is now a link to somewhere else.
    """
    indexed = snapshot.file_of(video_id, folder=folder)
    path, name = place(indexed.path), snapshot.name(indexed.path)
    facts = _facts(path)
    if facts is None and isinstance(path, BucketPath):
        raise NotFoundError(
            "this video cannot be seen in its bucket", item=name, remedy="Run index again, or try later"
        )
    if facts is None:
        raise NotFoundError(
            "the file of this video is gone", item=name, remedy="Run index again, or mount its drive"
        )
    if stat.S_ISLNK(facts.st_mode):
        # Whoever may write into the folder could let it lead anywhere.
        raise NotFoundError(
            "this video is a link, which is not played", item=name, remedy="Index the file that it leads to"
        )
    if not stat.S_ISREG(facts.st_mode) or FileVersion.of(facts) != indexed.version:
        raise NotFoundError(
            "the file of this video has changed since it was indexed",
            item=name,
            remedy="Run index again",
        )
    if not isinstance(path, BucketPath) and not os.access(path, os.R_OK):
        raise NotFoundError("the file of this video cannot be read", item=name, remedy="Check permissions")
    return path, facts


def video_response(snapshot: LibrarySnapshot, video_id: str) -> FileResponse:
    """The file of a video, whole or in ranges. Raises as ``video_file``."""
    path, facts = video_file(snapshot, video_id)
    return _IndexedFileResponse(
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
    path = snapshot.thumbnail_file(clip_id)
    return _IndexedFileResponse(
        path,
        media_type="image/jpeg",
        headers={"cache-control": f"private, max-age={_YEAR_S}, immutable"},
        stat_result=path.lstat(),
    )


def _facts(path: Path) -> os.stat_result | None:
    try:
        return stat_within(path, BUCKET_S)
    except OSError:
        return None
