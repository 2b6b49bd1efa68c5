"""The library inside a server: searches in batches, kept current and calibrated in the background."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from polyreel.errors import BundleMismatchError, LibraryError, PolyreelError
from polyreel.library.results import ClipScore, SearchResult
from polyreel.library.search.search import Library
from polyreel.library.search.search_query import SearchQuery
from polyreel.server.errors import OverloadError

__all__ = ["SearchBatcher"]

# One run of the encoder for at most so many queries: beyond, it takes longer by as much as it does more.
_BATCH = 32
# A search that would wait behind so many others is refused; they take seconds.
_WAITING = 512
_BATCHES_AHEAD = 2
_VECTORS_KEPT = 4_096
_LOOK_EVERY_S = 1.0
# A library that is laid out and calibrated again at every commit of a long index run would take a core; so a
# pause grows with what the last time took. A new commit is to show within seconds all the same; how much a
# match means may come later.
_PAUSE_FACTOR = 10.0
_MAX_REFRESH_PAUSE_S = 3.0
_MAX_CALIBRATION_PAUSE_S = 30.0

_log = logging.getLogger("polyreel.server")


@dataclass(frozen=True, slots=True)
class _Waiting:
    query: SearchQuery
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[SearchResult]


@dataclass(frozen=True, slots=True)
class _Encoded:
    library: Library
    batch: list[_Waiting]
    queries: list[SearchQuery]
    began: float


class SearchBatcher:
    """Answers searches of many clients in batches: one thread encodes all that wait, another ranks.

    Made when the first search can be answered; ``start`` begins.

    Args:
        open_library: opens it with ``refresh="when asked"``; called again when the library moves to another
            bundle.
        on_batch: called with the number of searches of each run.

    Raises:
        LibraryError: it cannot be read.
        BundleError: the text encoder cannot be run.
    """

    def __init__(
        self, open_library: Callable[[], Library], *, on_batch: Callable[[int], None] = lambda _size: None
    ) -> None:
        self._open_library = open_library
        self.library = _opened(open_library)
        self._on_batch = on_batch
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(_WAITING)
        self._encoded: queue.Queue[_Encoded | None] = queue.Queue(_BATCHES_AHEAD)
        self._vectors: OrderedDict[tuple[str, str], NDArray[np.float32]] = OrderedDict()
        self._keeping = threading.Lock()
        self._stop = threading.Event()
        self._problem: PolyreelError | None = None
        self._threads = [
            threading.Thread(target=work, name=f"search-{work.__name__}", daemon=True)
            for work in (self._encode, self._rank, self._keep_current, self._calibrate)
        ]

    def start(self) -> None:
        """Begin to answer."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after the search that is under way."""
        self._stop.set()
        self._queue.put(None)
        for thread in self._threads:
            thread.join()

    @property
    def problem(self) -> PolyreelError | None:
        """Why the library cannot be searched now, None if it can."""
        return self._problem

    def require_library(self) -> None:
        """Raise ``problem`` if there is one."""
        if self._problem is not None:
            raise self._problem

    async def ask(self, query: SearchQuery) -> SearchResult:
        """Answer one search.

        Raises:
            LibraryError: the library is gone.
            OverloadError: too many wait already.
        """
        self.require_library()
        loop = asyncio.get_running_loop()
        waiting = _Waiting(self._with_vector(query), loop, loop.create_future())
        try:
            self._queue.put_nowait(waiting)
        except queue.Full:
            raise OverloadError("too many searches are waiting", remedy="Try again in a moment") from None
        return await waiting.answer

    def score_clips(self, video_id: str, query: SearchQuery | None) -> list[ClipScore]:
        """As ``Library.score_clips``, without encoding a query again that was searched for before."""
        self.require_library()
        return self.library.score_clips(video_id, None if query is None else self._with_vector(query))

    def _with_vector(self, query: SearchQuery) -> SearchQuery:
        if query.vector is not None:
            return query
        with self._keeping:
            space = self.library.bundle.card.identity
            vector = self._vectors.get((space, query.text))
        return query if vector is None else replace(query, vector=vector, space=space)

    def _keep(self, bundle: str, queries: Sequence[SearchQuery], vectors: NDArray[np.float32]) -> None:
        with self._keeping:
            for query, vector in zip(queries, vectors, strict=True):
                if query.text:
                    self._vectors[bundle, query.text] = vector
                    self._vectors.move_to_end((bundle, query.text))
            while len(self._vectors) > _VECTORS_KEPT:
                self._vectors.popitem(last=False)

    def _encode(self) -> None:
        """First half of the way of a search. The encoder needs no lock of Python's while it works, so that
        the other half, which does, goes on beside it."""
        while batch := self._next_batch():
            self._on_batch(len(batch))
            library, began = self.library, time.perf_counter()
            try:
                queries = [waiting.query for waiting in batch]
                vectors = library.encode(queries)
                space = library.bundle.card.identity
                self._keep(space, queries, vectors)
                queries = [
                    replace(query, vector=vector, space=space)
                    for query, vector in zip(queries, vectors, strict=True)
                ]
            except Exception as error:  # whatever it is, those who wait must hear of it
                for waiting in batch:
                    _deliver(waiting, error)
            else:
                self._encoded.put(_Encoded(library, batch, queries, began))
        self._encoded.put(None)

    def _rank(self) -> None:
        while (encoded := self._encoded.get()) is not None:
            try:
                results = encoded.library.answer(encoded.queries)
            except Exception:
                # It may be the fault of one of them.
                for waiting, query in zip(encoded.batch, encoded.queries, strict=True):
                    _deliver(waiting, _outcome(encoded.library, query))
                continue
            took_ms = round((time.perf_counter() - encoded.began) * 1000, 2)  # with what encoding took
            for waiting, result in zip(encoded.batch, results, strict=True):
                _deliver(waiting, result.model_copy(update={"took_ms": took_ms}))

    def _next_batch(self) -> list[_Waiting]:
        """All that wait, up to a batch; empty at the end."""
        first = self._queue.get()
        if first is None or self._stop.is_set():
            return []
        batch = [first]
        while len(batch) < _BATCH:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                break
            if more is None:
                self._queue.put(None)  # for the next time
                break
            batch.append(more)
        return batch

    def _keep_current(self) -> None:
        pause_s = 0.0
        while not self._stop.wait(pause_s):
            began = time.monotonic()
            try:
                self._take_up_commits()
            except PolyreelError as error:
                if str(error) != str(self._problem):
                    _log.error("the library cannot be searched: %s", error)
                self._problem = error
            except OSError as error:
                self._problem = LibraryError("the library cannot be read", value=error.strerror)
            except Exception:
                _log.exception("the new commit could not be opened")
            pause_s = _pause_s(time.monotonic() - began, _MAX_REFRESH_PAUSE_S)

    def _calibrate(self) -> None:
        """Not in the loop above: encoding the background queries for the first time takes long, and a new
        commit does not wait for it."""
        pause_s = 0.0
        while not self._stop.wait(pause_s):
            pause_s = _LOOK_EVERY_S
            library = self.library
            if library.snapshot.calibration is not None or self._problem is not None:
                continue
            began = time.monotonic()
            try:
                library.calibrate()
            except Exception:
                _log.exception("the library could not be calibrated")
            pause_s = _pause_s(time.monotonic() - began, _MAX_CALIBRATION_PAUSE_S)

    def _take_up_commits(self) -> None:
        try:
            self.library.refresh()
        except BundleMismatchError:
            self.library = _opened(self._open_library)
        self._problem = None


def _pause_s(took_s: float, most_s: float) -> float:
    return min(max(_LOOK_EVERY_S, _PAUSE_FACTOR * took_s), most_s)


def _opened(open_library: Callable[[], Library]) -> Library:
    library = open_library()
    library.refresh()
    library.search("polyreel", top=1)  # what is loaded when first used is loaded now
    return library


def _outcome(library: Library, query: SearchQuery) -> SearchResult | Exception:
    try:
        return library.answer([query])[0]
    except Exception as error:
        return error


def _deliver(waiting: _Waiting, outcome: SearchResult | Exception) -> None:
    def deliver() -> None:
        if waiting.answer.done():  # the client has gone
            return
        if isinstance(outcome, Exception):
            waiting.answer.set_exception(outcome)
        else:
            waiting.answer.set_result(outcome)

    try:
        waiting.loop.call_soon_threadsafe(deliver)
    except RuntimeError:  # the server has stopped
        return
