"""Waiting for what a bucket answers: no longer than makes sense, and no longer than somebody wants it."""

from __future__ import annotations

import errno
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

__all__ = ["SILENT_S", "FetchStopped", "answer"]

SILENT_S = 60.0
"""A bucket is silent that has not answered a small question by then; packages of clouds try much longer."""

_PATIENCE_S = 0.2

_T = TypeVar("_T")


class FetchStopped(Exception):  # noqa: N818  the caller asked for it
    """Fetching ended because ``stop`` was set."""


def answer(
    question: Callable[[], _T],
    *,
    stop: threading.Event | None = None,
    within_s: float = math.inf,
    on_silence: Callable[[], object] | None = None,
) -> _T:
    """What a bucket answers, or raises. A question that is given up goes on, and nobody waits for it.

    Args:
        question: asks it.
        stop: once it is set, waiting ends.
        within_s: how long the bucket is waited for.
        on_silence: called after that time, and each time that it has passed again; what it raises is raised.
            None gives the question up.

    Raises:
        FetchStopped: ``stop`` was set.
        TimeoutError: the bucket has been silent.
    """
    answered: Future[_T] = Future()

    def ask() -> None:
        try:
            answered.set_result(question())
        except BaseException as error:
            answered.set_exception(error)

    threading.Thread(target=ask, name="bucket", daemon=True).start()
    asked_at = time.monotonic()
    while not wait([answered], min(_PATIENCE_S, within_s)).done:
        if stop is not None and stop.is_set():
            raise FetchStopped
        if time.monotonic() - asked_at > within_s:
            if on_silence is None:
                raise TimeoutError(errno.ETIMEDOUT, f"no answer for {within_s:.0f} s")
            on_silence()
            asked_at = time.monotonic()
    return answered.result()
