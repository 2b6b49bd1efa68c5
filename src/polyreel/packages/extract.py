"""Take files out of an archive without running or unpacking anything else.

Wheels and zips are read by ``zipfile``, sdists and npm tarballs by ``tarfile``; a Debian package is turned
into a tar stream by ``dpkg-deb``. Only regular files are read, each to a path that we choose: no name or
link inside the archive can lead out of the folder.
"""

from __future__ import annotations

import hashlib
import lzma
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from polyreel.errors import ChecksumError, FetchError
from polyreel.files import new_file
from polyreel.packages.members import Member

__all__ = ["extract", "extract_tree"]

_CHUNK = 1 << 20
# What the readers raise on damaged archives; RuntimeError is zipfile's, for encryption and unknown methods.
_UNREADABLE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    subprocess.SubprocessError,
)


def extract(archive: Path, members: Sequence[Member], folder: Path) -> None:
    """Write ``members`` of ``archive`` into ``folder`` under their ``file_name``, each checked and
    atomically.

    Args:
        archive: A wheel, a zip, a tar of any compression, or a Debian package.
        members: Files of this archive.
        folder: Where to; made if it is not there.

    Raises:
        FetchError: the archive cannot be read, or a member is not in it.
        ChecksumError: a member's content is not the expected one; nothing is written for it.
    """
    wanted = {member.member: member for member in members}
    found = set()
    try:
        for name, stream in _walk(archive, wanted.__contains__):
            _write_checked(stream, wanted[name], folder)
            found.add(name)
    except _UNREADABLE as error:
        raise FetchError("the archive cannot be read", item=archive.name, value=error) from error
    if missing := wanted.keys() - found:
        raise FetchError("the archive has no such file", item=archive.name, value=", ".join(sorted(missing)))


def extract_tree(archive: Path, folder: Path, keep: Callable[[str], str | None]) -> None:
    """Write each file of ``archive`` to the path below ``folder`` that ``keep`` gives for its name, if any.

    Args:
        archive: A wheel, a zip, a tar of any compression, or a Debian package.
        folder: New or empty: nothing is ever overwritten.
        keep: Member name -> path relative to ``folder``, or None for a file that is not wanted.

    Raises:
        FetchError: the archive cannot be read, or a path leads out of the folder.
    """
    try:
        for name, stream in _walk(archive, lambda name: keep(name) is not None):
            path = folder / (keep(name) or name)
            if not path.resolve().is_relative_to(folder.resolve()):
                raise FetchError("a path leads out of the folder", item=archive.name, value=name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                shutil.copyfileobj(stream, file, _CHUNK)
    except _UNREADABLE as error:
        raise FetchError("the archive cannot be read", item=archive.name, value=error) from error


def _walk(archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, IO[bytes]]]:
    if archive.suffix in {".whl", ".zip"}:
        with zipfile.ZipFile(archive) as packed:
            for name in dict.fromkeys(packed.namelist()):
                if not wanted(name) or name.endswith("/"):
                    continue
                with packed.open(name) as stream:
                    yield name, stream
        return
    with _tar(archive) as packed_tar:
        for entry in packed_tar:
            # Debian's names begin with "./", npm's and PyPI's do not.
            member = next((n for n in (entry.name, entry.name.removeprefix("./")) if wanted(n)), None)
            if member is None or not entry.isreg():
                continue
            tar_stream = packed_tar.extractfile(entry)
            assert tar_stream is not None
            yield member, tar_stream


@contextmanager
def _tar(archive: Path) -> Iterator[tarfile.TarFile]:
    if archive.suffix != ".deb":
        with tarfile.open(archive, "r|*") as packed:
            yield packed
        return
    tool = shutil.which("dpkg-deb")
    if tool is None:
        raise FetchError("dpkg-deb is needed to read a Debian package", item=archive.name)
    with tempfile.TemporaryFile() as file:
        command = [tool, "--fsys-tarfile", str(archive)]
        subprocess.run(command, stdout=file, stderr=subprocess.PIPE, check=True, timeout=600)
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r|") as packed:
            yield packed


def _write_checked(stream: IO[bytes], member: Member, folder: Path) -> None:
    digest, size = hashlib.sha256(), 0
    folder.mkdir(parents=True, exist_ok=True)
    with new_file(folder / member.file_name) as part:
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            if size > member.bytes:
                break
            digest.update(chunk)
            part.write(chunk)
        _require_expected(member, size, digest.hexdigest())


def _require_expected(member: Member, size: int, sha256: str) -> None:
    if size != member.bytes or sha256 != member.sha256:
        raise ChecksumError(
            "a file in the archive is not the expected one",
            item=f"{member.archive}: {member.member}",
            value=f"{size:,} bytes, sha256 {sha256[:16]}…",
            remedy="The package was changed or damaged; fetch it again or report it",
        )
