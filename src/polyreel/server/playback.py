"""How browsers play the videos of a library: as files, or as streams that limited processes make.

Few streams run at once, each in a process of its own that ends with the request. What is sent stays some
seconds ahead of what is seen, so that a film that nobody watches to its end is not coded to its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from polyreel.media.for_browsers import playback_of, stream_pieces, strip_of
from polyreel.media.limited import DecodeStopped, DecodeWorker, Limits
from polyreel.media.playable import MP4, WEBM, Playback
from polyreel.remote.address import in_bucket
from polyreel.remote.spool import stat_within
from polyreel.server.concurrency import ConcurrencyLimit
from polyreel.server.files import BUCKET_S, on_this_machine

__all__ = ["PlaybackService"]

_STREAMS = 4
_WAITING = 8
_LOOKS_WAITING = 48
_KEPT = 1_000
_KEPT_STRIPS = 200
# What looks at a file, and what draws a strip of it.
_LOOK_LIMITS = Limits(silence_s=20.0, base_s=30.0, per_video_s=1.0)
# A machine that is busy codes slower than what it codes is long; a file that gives nothing is given up.
_STREAM_LIMITS = Limits(silence_s=30.0, base_s=60.0, per_video_s=20.0)
# So far ahead of the clock is sent, and so much faster than it.
_AHEAD_S = 20.0
_PACE = 1.25
# A player that reads nothing for so long is paused; going on costs it a new request.
_STALL_S = 60.0
_EBML = b"\x1aE\xdf\xa3"

_T = TypeVar("_T")


class PlaybackService:
    """Asks limited workers about files, and has them make streams and strips of them.

    Args:
        streams: how many run at once.
    """

    def __init__(self, *, streams: int = _STREAMS) -> None:
        self._threads = ThreadPoolExecutor(streams + 2, thread_name_prefix="playback")
        # Nobody who wants to play waits for a strip.
        self._looker, self._drawer = DecodeWorker(_LOOK_LIMITS), DecodeWorker(_LOOK_LIMITS)
        self._looks, self._drawings = (ConcurrencyLimit(at_once=1, waiting=_LOOKS_WAITING) for _ in range(2))
        self._streams = ConcurrencyLimit(at_once=streams, waiting=_WAITING)
        self._known: OrderedDict[tuple[object, ...], Playback] = OrderedDict()
        self._strips: OrderedDict[tuple[object, ...], bytes] = OrderedDict()

    def close(self) -> None:
        """End the processes."""
        self._threads.shutdown(cancel_futures=True)
        self._looker.close()
        self._drawer.close()

    async def look(self, path: Path, start_s: float) -> Playback:
        """How browsers play a file from a second on.

        Raises:
            MediaError: it cannot be read as video.
            OverloadError: too many ask at once.
        """
        key = (*await _version(path), round(start_s, 3))
        for known in (key[:-1], key):
            if known in self._known:
                return self._known[known]
        # Nobody who looks at another file waits for this one to be fetched.
        async with on_this_machine(path), self._looks.slot():
            found = await self._ask(functools.partial(playback_of, self._looker, path, start_s))
        # A file that is played as it is, is so from everywhere.
        _keep(self._known, key[:-1] if found.way == "file" else key, found, most=_KEPT)
        return found

    async def strip(self, path: Path, start_s: float, end_s: float) -> bytes:
        """A JPEG of five pictures between two seconds. Raises as ``look``.

        Args:
            path: the file.
            start_s, end_s: the moment, seconds.
        """
        key = (*await _version(path), start_s, end_s)
        if (known := self._strips.get(key)) is not None:
            return known
        async with on_this_machine(path), self._drawings.slot():
            drawn = await self._ask(functools.partial(strip_of, self._drawer, path, start_s, end_s))
        _keep(self._strips, key, drawn, most=_KEPT_STRIPS)
        return drawn

    async def stream(self, path: Path, start_s: float, end_s: float | None) -> StreamingResponse:
        """The answer that sends a file from a second on, as browsers play it.

        Args:
            path: the file.
            start_s: where to begin, seconds.
            end_s: where to end, seconds; None is the end of the file.

        Raises:
            MediaError: it cannot be read as video, or nothing of it can be seen from there on.
            OverloadError: too many streams run, and wait, already.
        """
        async with contextlib.AsyncExitStack() as slot:
            await slot.enter_async_context(on_this_machine(path))
            await slot.enter_async_context(self._streams.slot())
            stream = _Stream(self._threads, path, start_s, end_s)
            slot.push_async_callback(stream.end)
            first = await stream.next()
            return _StreamResponse(stream, first, start_s, slot.pop_all())

    async def _ask(self, question: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, question)


async def _version(path: Path) -> tuple[object, ...]:
    here = not in_bucket(str(path))
    facts = path.stat() if here else await run_in_threadpool(stat_within, path, BUCKET_S)
    return path, facts.st_size, facts.st_mtime_ns


def _keep(
    kept: OrderedDict[tuple[object, ...], _T], key: tuple[object, ...], found: _T, *, most: int
) -> None:
    kept[key] = found
    if len(kept) > most:
        kept.popitem(last=False)


class _Stream:
    """Pieces of one video out of a process of its own."""

    def __init__(self, threads: ThreadPoolExecutor, path: Path, start_s: float, end_s: float | None) -> None:
        self._threads, self._stop = threads, threading.Event()
        self._worker = DecodeWorker(_STREAM_LIMITS, stop=self._stop)
        self._pieces = stream_pieces(self._worker, path, start_s, end_s)
        self._step: asyncio.Future[tuple[bytes, float] | None] | None = None

    async def next(self) -> tuple[bytes, float] | None:
        """The next piece, and the second up to which pictures have come; None after the last."""
        if self._stop.is_set():
            return None
        loop = asyncio.get_running_loop()
        self._step = loop.run_in_executor(self._threads, next, self._pieces, None)
        # A request that ends does not end the thread, which is waited for in ``end``.
        return await asyncio.shield(self._step)

    async def end(self) -> None:
        """End the process, if it still runs."""
        self._stop.set()
        if self._step is not None:
            await asyncio.wait([self._step])
            with contextlib.suppress(asyncio.CancelledError):
                self._step.exception()  # whoever waited for it has it, or has gone
        self._pieces.close()
        self._worker.close()


class _StreamResponse(StreamingResponse):
    """Sends a stream, and ends its process when the request ends or nobody reads."""

    def __init__(
        self,
        stream: _Stream,
        first: tuple[bytes, float] | None,
        start_s: float,
        slot: contextlib.AsyncExitStack,
    ) -> None:
        self._stream, self._start_s, self._slot = stream, start_s, slot
        kind = WEBM if first is not None and first[0].startswith(_EBML) else MP4
        super().__init__(self._paced(first), media_type=kind, headers={"accept-ranges": "none"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await self._slot.aclose()

    async def stream_response(self, send: Send) -> None:
        """As its base; a player that reads nothing for long frees the process, and gets no more."""

        async def watched(message: Message) -> None:
            sending = asyncio.ensure_future(send(message))
            try:
                done, _ = await asyncio.wait([sending], timeout=_STALL_S)
                if not done:
                    await self._slot.aclose()
                await sending
            finally:
                sending.cancel()

        await super().stream_response(watched)

    async def _paced(self, piece: tuple[bytes, float] | None) -> AsyncIterator[bytes]:
        began = time.monotonic()
        with contextlib.suppress(DecodeStopped):
            while piece is not None:
                data, time_s = piece
                yield data
                early_s = time_s - self._start_s - _AHEAD_S - _PACE * (time.monotonic() - began)
                if early_s > 0:
                    await asyncio.sleep(early_s / _PACE)
                piece = await self._stream.next()
