"""Limits on the requests of each client: a bounded number of token buckets."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["Rates"]

_CLIENTS = 10_000


class Rates:
    """Allows each client ``per_s`` requests a second and bursts of ``burst``.

    Own code, because it is shorter than the use of a package, and bounded: of more than 10,000 clients those
    that were quiet longest are forgotten.

    Args:
        per_s: requests a second.
        burst: requests at once after a pause.
        clock: seconds that only grow.
    """

    def __init__(self, per_s: float, *, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, client: str) -> float:
        """Count one request; seconds until it would be allowed, 0 if it is now."""
        now, level = self._clock(), self._level(client)
        allowed = level >= 1
        self._buckets[client] = (level - allowed, now)
        self._buckets.move_to_end(client)
        if len(self._buckets) > _CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - level) / self._per_s

    def blocked_s(self, client: str) -> float:
        """Seconds until a request would be allowed, without counting one."""
        return max(0.0, 1 - self._level(client)) / self._per_s

    def _level(self, client: str) -> float:
        now = self._clock()
        level, at = self._buckets.get(client, (self._burst, now))
        return min(self._burst, level + (now - at) * self._per_s)
