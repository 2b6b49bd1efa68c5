"""Ctrl-C at a moment when it would spoil something."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["INTERRUPTED", "uninterrupted"]

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C ended, as shells have it."""


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait until the end. Only the main thread is ever interrupted."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield
        return
    held_back: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: held_back.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if held_back and callable(before):
        before(*held_back[0])
