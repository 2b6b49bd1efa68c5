"""Counts and times for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics"]

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Metrics:
    """Counts of one server; no label holds a query, an address or a path."""

    def __init__(self) -> None:
        # Not the global one: two servers in one process, as in tests, count for themselves.
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "polyreel_requests", "Requests", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "polyreel_request_seconds",
            "Time to the end of an answer",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._batch = Histogram(
            "polyreel_search_batch",
            "Searches that one run of the encoder answered",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=self._registry,
        )
        self._now = Gauge("polyreel_library", "What can be searched", ["what"], registry=self._registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request that was answered.

        Args:
            method: of HTTP.
            route: path of the route, never the address itself.
            status: of the answer.
            seconds: time to the end of the answer.
        """
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batch(self, size: int) -> None:
        """Count one run of the encoder for ``size`` searches."""
        self._batch.observe(size)

    def library(self, facts: Mapping[str, int]) -> None:
        """Note what can be searched now: commit, videos, clips, and whether it is usable."""
        for what, value in facts.items():
            self._now.labels(what).set(value)

    def text(self) -> bytes:
        """Everything in Prometheus' format."""
        return generate_latest(self._registry)
