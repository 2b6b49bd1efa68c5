"""What a player asks for, as part of the REST API: streams, lines as subtitles, strips of pictures.

And what is said in a video, as subtitles to keep.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from polyreel.client.documents import ErrorDocument
from polyreel.errors import NotFoundError
from polyreel.library.line_kinds import SPEECH, line_kind
from polyreel.library.search.recognitions import recognitions
from polyreel.media.playable import MP4, WEBM
from polyreel.recognition.subtitle_files import SubtitleFormat, beside, main_language, subtitle_text
from polyreel.server.api import API, ERRORS, NOT_FOUND, VideoId
from polyreel.server.errors import RequestError
from polyreel.server.files import CONDITIONAL_METHOD, attachment, video_file
from polyreel.server.state import ServerState
from polyreel.server.webvtt import webvtt

__all__ = ["router"]

_DAY_S = 24 * 3600
# A strip of more shows too little of it to be worth the time.
_LONGEST_STRIP_S = 120.0
_FAILURES: dict[int | str, dict[str, Any]] = {
    **NOT_FOUND,
    422: {"model": ErrorDocument, "description": "The file cannot be decoded"},
    503: {"model": ErrorDocument, "description": "Too many streams run already"},
}

_SUBTITLE_KINDS = {"srt": "application/x-subrip", "vtt": "text/vtt", "json": "application/json"}

router = APIRouter(prefix=f"{API}/videos/{{video_id}}", tags=["videos"], responses=ERRORS)

Second = Annotated[float, Query(ge=0, le=1_000_000, allow_inf_nan=False)]


def _of_kind(*kinds: str) -> dict[int | str, dict[str, Any]]:
    schema = {"schema": {"type": "string", "format": "binary"}}
    return {**_FAILURES, 200: {"content": dict.fromkeys(kinds, schema)}}


@router.get("/stream", response_class=Response, responses=_of_kind(MP4, WEBM))
async def stream(
    request: Request, server: ServerState, video_id: VideoId, start: Second = 0.0, end: Second | None = None
) -> Response:
    """The video from ``start`` to ``end`` (seconds) as every browser plays it, for files that some refuse.

    Pictures are copied where their codec is known everywhere, from the last one before ``start`` that decodes
    alone if that is less than 2.5 s earlier; else they are coded anew, at most 480 lines of them. It comes at
    the speed of watching and knows no ranges.
    """
    if end is not None and end <= start:
        raise RequestError("the end is not after the start", value=f"{start:g} to {end:g}")
    path, _ = await run_in_threadpool(video_file, server.snapshot, video_id)
    if CONDITIONAL_METHOD in request.scope:  # HEAD: nobody sees what would be made
        return Response(media_type=WEBM, headers={"accept-ranges": "none"})
    return await server.playback.stream(path, start, end)


@router.get("/subtitles", response_class=Response, responses=_of_kind("text/vtt"))
def subtitles(
    server: ServerState,
    video_id: VideoId,
    lang: Annotated[str, Query(max_length=35)],
    source: Annotated[str, Query(max_length=1_000)],
    shift: Second = 0.0,
) -> Response:
    """The lines of one language and source as WebVTT; ``shift`` is the second at which a stream begins."""
    lines = server.library.lines(video_id)
    own = [line for line in lines if (line.language, line.source) == (lang, source)]
    return Response(webvtt(own, shift_s=shift), media_type="text/vtt; charset=utf-8")


@router.get("/transcript", response_class=Response, responses=_of_kind(*_SUBTITLE_KINDS.values()))
def transcript(server: ServerState, video_id: VideoId, to: SubtitleFormat = "srt") -> Response:
    """What was heard in the video, as subtitles to keep beside it."""
    video = server.library.video(video_id)
    lines = [line for line in server.library.lines(video_id) if line_kind(line.source) == SPEECH]
    if not lines:
        raise NotFoundError(
            "nothing that is said in this video is in the library",
            item=video.name,
            remedy="Index it with 'polyreel index --speech'; the library page says what was heard",
        )
    if to == "json":
        made = recognitions(server.snapshot, [video_id]).get(video_id, [])
        document = {
            "video": video.name,
            "engine": next((each.engine for each in made if each.source == SPEECH), None),
            "lines": [line.model_dump(mode="json") for line in lines],
        }
        text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    else:
        text = subtitle_text(lines, to)
    name = beside(Path(video.name), main_language(lines), to).name
    headers = {"content-disposition": attachment(name)}
    return Response(text, media_type=_SUBTITLE_KINDS[to], headers=headers)


@router.get("/strip", response_class=Response, responses=_of_kind("image/jpeg"))
async def strip(server: ServerState, video_id: VideoId, start: Second, end: Second) -> Response:
    """Five pictures between two seconds, side by side in one JPEG."""
    if not 0 < end - start <= _LONGEST_STRIP_S:
        most = math.floor(_LONGEST_STRIP_S)
        raise RequestError("a strip is of up to two minutes", value=f"{end - start:g} s, at most {most} s")
    path, _ = await run_in_threadpool(video_file, server.snapshot, video_id)
    drawn = await server.playback.strip(path, start, end)
    headers = {"cache-control": f"private, max-age={_DAY_S}"}
    return Response(drawn, media_type="image/jpeg", headers=headers)
