"""A moment of a video as a file of its own, as part of the REST API."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from polyreel.client.documents import ErrorDocument
from polyreel.media.cuts.files import write_cut
from polyreel.media.cuts.request import CutRequest
from polyreel.media.limited import Limits
from polyreel.server.api import API, ERRORS, NOT_FOUND, VideoId
from polyreel.server.errors import RequestError
from polyreel.server.files import CONDITIONAL_METHOD, video_file
from polyreel.server.state import ServerState

__all__ = ["router"]

_LONGEST_S = 300.0
_LIMITS = Limits(silence_s=60.0, base_s=120.0, per_video_s=20.0)
# Of those that browsers play; everything else goes into Matroska, which holds every codec.
_KINDS = {".m4v": "video/mp4", ".mov": "video/mp4", ".mp4": "video/mp4", ".webm": "video/webm"}
_MATROSKA = "video/x-matroska"
_FAILURES: dict[int | str, dict[str, Any]] = {
    **NOT_FOUND,
    422: {"model": ErrorDocument, "description": "The file cannot be cut"},
    503: {"model": ErrorDocument, "description": "Too many cuts are waiting already"},
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}

router = APIRouter(prefix=f"{API}/videos/{{video_id}}", tags=["videos"], responses=ERRORS)

Second = Annotated[float, Query(ge=0, le=1_000_000, allow_inf_nan=False)]


@router.get(
    "/cut",
    response_class=Response,
    responses={**_FAILURES, 200: {"content": dict.fromkeys(sorted({*_KINDS.values(), _MATROSKA}), _BINARY)}},
)
async def cut(
    request: Request, server: ServerState, video_id: VideoId, start: Second, end: Second
) -> Response:
    """The video from ``start`` to ``end`` (seconds, up to five minutes) as a file of its own.

    Exactly those pictures, copied where that is possible, with sound and subtitles.
    """
    if not 0 < end - start <= _LONGEST_S:
        raise RequestError(
            "a cut is of up to five minutes", value=f"{end - start:g} s, at most {_LONGEST_S:.0f} s"
        )
    path, _ = await run_in_threadpool(video_file, server.snapshot, video_id)
    suffix = path.suffix.lower() if path.suffix.lower() in _KINDS else ".mkv"
    kind, name = _KINDS.get(suffix, _MATROSKA), f"{path.stem} {start:.2f}-{end:.2f}{suffix}"
    if CONDITIONAL_METHOD in request.scope:  # HEAD: nobody sees what would be made
        return Response(media_type=kind)
    async with contextlib.AsyncExitStack() as made:
        folder = made.enter_context(tempfile.TemporaryDirectory(prefix="polyreel-cut-"))
        target = Path(folder) / f"cut{suffix}"
        async with server.cutting.slot():
            # A client that has gone does not end the thread, which writes into the folder.
            await asyncio.shield(
                run_in_threadpool(write_cut, path, target, CutRequest(start, end), limits=_LIMITS)
            )
        return _CutResponse(target, kind, name, made.pop_all().aclose)


class _CutResponse(FileResponse):
    """Sends a file and removes it, also where the client has gone."""

    def __init__(self, path: Path, kind: str, name: str, remove: Callable[[], Any]) -> None:
        super().__init__(path, media_type=kind, filename=name, headers={"cache-control": "private, no-store"})
        self._remove = remove

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await self._remove()
