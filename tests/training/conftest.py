"""A toy world to train in: corpora with features and captions, lexicons, and a recipe of every objective."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Read when PyTorch is loaded: its threads would wait for each other on a shared machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import toys

import tiny_encoders


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> toys.World:
    """The toy world; nothing in it is changed by a test."""
    home = tmp_path_factory.mktemp("world")
    tiny_encoders.save_bert(home / "bert")
    return toys.make_world(home)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """What runs keep for later goes into the test's own folder."""
    if "real_cache" not in request.fixturenames:
        monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path / "cache"))
