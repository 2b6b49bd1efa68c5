"""Examine a library: what it holds, what was left out and why."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from polyreel.encoders.card import BundleCard, read_card
from polyreel.encoders.registry import list_bundles
from polyreel.encoders.runtime import Bundle
from polyreel.errors import BundleError
from polyreel.library.index.plan import OK
from polyreel.library.results import LibraryResult
from polyreel.library.store.state import Generation
from polyreel.library.store.store import open_snapshot
from polyreel.library.store.tables import CLIPS, FILES, SUBTITLES

__all__ = ["FileProblem", "LibraryHealth", "examine"]

_PACKAGES = ("polyreel", "av", "lancedb", "onnxruntime", "pyarrow", "tokenizers")


class FileProblem(LibraryResult):
    """A file that was left out, or read in part."""

    path: str
    status: str
    message: str


class LibraryHealth(LibraryResult):
    """What ``examine`` finds.

    Attributes:
        library: its folder.
        schema_version, commit: of its ``library.json``.
        bundle, bundle_state: the bundle that it needs, and whether that is here and whole.
        usable: whether it can be searched now.
        videos, paths, clips, subtitles: what it holds; one video can lie at several paths.
        failed: files that are left out.
        remarks: files that were read, with what was not as it should be.
        space_bytes: part -> bytes on disk.
        versions: package -> version.
    """

    library: str
    schema_version: int
    commit: int
    bundle: str
    bundle_state: str
    usable: bool
    videos: int
    paths: int
    clips: int
    subtitles: int
    failed: tuple[FileProblem, ...]
    remarks: tuple[FileProblem, ...]
    space_bytes: Mapping[str, int]
    versions: Mapping[str, str]


def examine(folder: Path) -> LibraryHealth:
    """Look at the library in ``folder`` without changing it.

    Raises:
        LibraryError: there is no library, or it cannot be read.
    """
    snapshot = open_snapshot(folder)
    state = snapshot.state
    rows = snapshot.read(FILES, ["path", "video", "status", "message"]).sort_by("path").to_pylist()
    problems = [
        FileProblem(**{name: row[name] for name in FileProblem.model_fields})
        for row in rows
        if row["message"]
    ]
    bundle_state, usable = _bundle_state(state.generation)
    return LibraryHealth(
        library=str(folder),
        schema_version=state.schema_version,
        commit=state.commit,
        bundle=state.generation.label,
        bundle_state=bundle_state,
        usable=usable,
        videos=len({row["video"] for row in rows if row["status"] == OK}),
        paths=len(rows),
        clips=snapshot.count(CLIPS),
        subtitles=snapshot.count(SUBTITLES),
        failed=tuple(problem for problem in problems if problem.status != OK),
        remarks=tuple(problem for problem in problems if problem.status == OK),
        space_bytes={path.name: _used(path) for path in sorted(folder.iterdir()) if path.is_dir()},
        versions={"python": platform.python_version(), **_versions()},
    )


def _bundle_state(generation: Generation) -> tuple[str, bool]:
    named = next((entry for entry in list_bundles() if entry.name == generation.location), None)
    folder = named.folder if named is not None else Path(generation.location)
    try:
        card: BundleCard = read_card(folder)
        if card.identity != generation.identity:
            return f"another bundle of this name is installed: {card.label}", False
        Bundle(folder).verify()
    except BundleError as error:
        if named is not None and named.card is None and named.problem is None:
            return "not installed yet; it is built on first use", True
        return str(error), False
    return "installed and whole", True


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _used(folder: Path) -> int:
    total = 0
    for home, _, names in os.walk(folder):
        for name in names:
            # An index run beside this one may be removing it.
            with contextlib.suppress(FileNotFoundError):
                total += (Path(home) / name).stat().st_size
    return total
