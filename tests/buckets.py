"""Buckets for tests: in the memory of this process, or on a server that speaks S3, if one is installed."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from polyreel.remote import objects

_STARTS_WITHIN_S = 60.0
_ENDPOINT = re.compile(rb"Running on (http://127\.0\.0\.1:[0-9]+)")


@dataclass(frozen=True)
class Bucket:
    """A bucket of its own.

    Attributes:
        address: ``SCHEME://NAME``.
        store: the file system that it is in.
    """

    address: str
    store: Any

    def at(self, name: str) -> str:
        """Address of an object."""
        return f"{self.address}/{name}"

    def put(self, name: str, content: bytes | Path) -> str:
        """Write an object; its address."""
        data = content.read_bytes() if isinstance(content, Path) else content
        self.store.pipe_file(self.at(name).partition("://")[2], data)
        return self.at(name)

    def put_folder(self, folder: Path, name: str) -> None:
        """Write all files of a folder."""
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                self.put(f"{name}/{file.relative_to(folder).as_posix()}", file)

    def remove(self, name: str) -> None:
        """Remove an object."""
        self.store.rm_file(self.at(name).partition("://")[2])


def memory_bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """One in this process, with fsspec alone."""
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
    monkeypatch.setitem(objects.SCHEMES, "memory", "nothing")
    return Bucket(f"memory://bucket-{uuid.uuid4().hex[:8]}", fsspec.filesystem("memory"))


@contextlib.contextmanager
def s3_endpoint() -> Iterator[str]:
    """Address of a server on the loopback interface that speaks S3."""
    for package in ("s3fs", "moto", "flask"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install s3fs 'moto[s3,server]'")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    # A file, because it goes on telling of each request, and nobody would empty a pipe.
    with tempfile.TemporaryFile() as said, subprocess.Popen(command, stdout=said, stderr=said) as server:
        try:
            deadline = time.monotonic() + _STARTS_WITHIN_S
            while (found := _ENDPOINT.search(os.pread(said.fileno(), 1 << 16, 0))) is None:
                assert server.poll() is None, "the server does not start"
                assert time.monotonic() < deadline, "the server does not start"
                time.sleep(0.05)
            yield found[1].decode()
        finally:
            server.kill()


def s3_bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """One on a server, with the credentials that the environment has."""
    import s3fs

    for name, value in s3_environment(endpoint).items():
        monkeypatch.setenv(name, value)
    objects._store.cache_clear()
    store = s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True)
    name = f"bucket-{uuid.uuid4().hex[:8]}"
    store.mkdir(name)
    return Bucket(f"s3://{name}", store)


def s3_environment(endpoint: str) -> dict[str, str]:
    """What a process needs to find the server."""
    return {
        "AWS_ACCESS_KEY_ID": "reader",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_SECRET_ACCESS_KEY": "no secret",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@contextlib.contextmanager
def silence(monkeypatch: pytest.MonkeyPatch, question: str, asked: threading.Event) -> Iterator[None]:
    """No bucket answers, until the block ends.

    Args:
        monkeypatch: ends it after the test.
        question: ``facts_of`` or ``range_of``.
        asked: is set when it is asked.
    """
    over = threading.Event()

    def wait_for_it(*_: object) -> None:
        asked.set()
        over.wait(60)
        raise OSError(5, "nobody answers")

    home = "polyreel.remote.address" if question == "facts_of" else "polyreel.remote.spool"
    monkeypatch.setattr(f"{home}.{question}", wait_for_it)
    try:
        yield
    finally:
        over.set()
