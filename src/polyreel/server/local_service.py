"""Answers searches of the command line on this machine, see ``polyreel.library.local_socket``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio.to_thread
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from polyreel._version import __version__
from polyreel.errors import LibraryError, PolyreelError
from polyreel.library.local_socket import MAX_REQUEST_BYTES, is_private, socket_path
from polyreel.library.results import SearchResult
from polyreel.library.search.filters import Filter
from polyreel.library.search.search_query import text_query
from polyreel.library.search.snapshot import LibrarySnapshot
from polyreel.library.store.state import require_state
from polyreel.server.state import Server

__all__ = ["LocalService"]

_log = logging.getLogger("polyreel.server")
_REQUEST_S = 5.0


class LocalSearch(BaseModel):
    """One search; the fields are the arguments of ``Library.search``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    query: str
    top: int = Field(ge=1, le=1_000)
    mode: str = Field(max_length=64)
    language: str
    likely: tuple[str, ...] = ()
    filters: Filter = Field(default_factory=Filter)
    per_video: int | None = Field(default=None, ge=1, le=1_000)
    exact: bool = False


class LocalService:
    """Listens at the library's socket from ``open`` to ``close``.

    Args:
        server: what answers.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._path: Path | None = None
        self._inode = 0
        self._listening: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen, in place of an earlier server of the library; where no socket can be had, do without."""
        path = socket_path(self._server.settings.library)
        if path is None:
            return
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not is_private(path.parent):
                _log.warning(
                    "searches on the command line do not ask this server: others may enter %s", path.parent
                )
                return
            new = path.with_name(f".{os.getpid()}.sock")
            new.unlink(missing_ok=True)
            self._listening = await asyncio.start_unix_server(self._answer, new, limit=MAX_REQUEST_BYTES)
            self._inode = new.stat().st_ino
            new.replace(path)
            self._path = path
        except OSError as error:
            _log.warning("searches on the command line do not ask this server: %s", error)

    async def close(self) -> None:
        """Listen no longer."""
        if self._listening is not None:
            self._listening.close()
        with contextlib.suppress(OSError):
            # Not the one of a server that has taken its place.
            if self._path is not None and self._path.stat().st_ino == self._inode:
                self._path.unlink()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError):  # who asked has gone, or says too much
            line = await asyncio.wait_for(reader.readline(), _REQUEST_S)
            try:
                answer: Mapping[str, Any] = {"result": await self._search(line)}
            except (PolyreelError, ValidationError) as error:
                answer = {"refused": type(error).__name__}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _search(self, line: bytes) -> dict[str, Any]:
        asked = LocalSearch.model_validate_json(line)
        snapshot = self._server.snapshot
        state = await anyio.to_thread.run_sync(require_state, self._server.settings.library)
        if asked.version != __version__ or state.key != snapshot.state.key:
            raise LibraryError("this server would give another answer than a search done there")
        query = text_query(
            asked.query,
            top=asked.top,
            mode=asked.mode,
            language=asked.language,
            likely=[*asked.likely, *snapshot.languages],
            filters=asked.filters,
            per_video=asked.per_video,
            exact=asked.exact,
        )
        found = await self._server.batcher.ask(query)
        return _with_paths(found, snapshot, asked.filters.folder).model_dump(mode="json")


def _with_paths(result: SearchResult, snapshot: LibrarySnapshot, folder: str | None) -> SearchResult:
    """A result whose hits name files by their paths, as a search of that folder on this machine does."""
    hits = []
    for hit in result.hits:
        path = snapshot.file_of(hit.video_id, folder=folder).path
        thumbnail = f"{snapshot.folder}/{snapshot.clip_facts(hit.clip_id)['thumbnail']}"
        hits.append(hit.model_copy(update={"video": path, "media": path, "thumbnail": thumbnail}))
    return result.model_copy(update={"hits": tuple(hits)})
