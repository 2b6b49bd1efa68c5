"""A limit on what runs at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from polyreel.server.errors import OverloadError

__all__ = ["ConcurrencyLimit"]


class ConcurrencyLimit:
    """Lets some tasks run, lets some more wait, and refuses the rest.

    Args:
        at_once: tasks that run at the same time.
        waiting: tasks that may wait for a slot.
    """

    def __init__(self, *, at_once: int, waiting: int) -> None:
        self._room = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._inside = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it.

        Raises:
            OverloadError: too many wait already.
        """
        if self._inside >= self._most:
            raise OverloadError("too many files are waiting", remedy="Try again in a moment")
        self._inside += 1
        try:
            async with self._room:
                yield
        finally:
            self._inside -= 1
