"""A toy world to train in: corpora with features and captions, lexicons, and a recipe of every objective."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

import tiny_encoders
import toys


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> toys.World:
    """The toy world; nothing in it is changed by a test."""
    home = tmp_path_factory.mktemp("world")
    tiny_encoders.save_bert(home / "bert")
    return toys.make_world(home)


@dataclass(frozen=True)
class Pair:
    """What two processes left behind: files, and how each ended."""

    folder: Path
    first: subprocess.CompletedProcess[str]
    second: subprocess.CompletedProcess[str]

    @property
    def said(self) -> str:
        """All that they said."""
        return "".join(text for end in (self.first, self.second) for text in (end.stdout, end.stderr))


@pytest.fixture(scope="session")
def two_processes(world: toys.World, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """What ``two_processes.py`` does."""
    folder = tmp_path_factory.mktemp("two")
    script = Path(__file__).parent / "two_processes.py"
    return Pair(folder, *toys.together(script, world.home, folder, *toys.free_ports(7)))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """What runs keep for later goes into the test's own folder."""
    if "real_cache" not in request.fixturenames:
        monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path / "cache"))
