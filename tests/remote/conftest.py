"""Buckets of both kinds, and a place of its own for what is fetched of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from buckets import Bucket, memory_bucket, s3_bucket, s3_endpoint


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """A server that speaks S3; skips where none is installed."""
    with s3_endpoint() as address:
        yield address


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Polyreel's cache folder."""
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("POLYREEL_BUCKET_CACHE_GB", raising=False)
    return tmp_path / "cache"


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.slow)])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket."""
    if request.param == "memory":
        return memory_bucket(monkeypatch)
    return s3_bucket(request.getfixturevalue("endpoint"), monkeypatch)
