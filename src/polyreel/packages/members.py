"""What is to be had from an archive, and where it is kept."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from polyreel.files import cache_dir

__all__ = ["Archive", "Member", "Registry", "Source", "cache_dir", "sha256_of"]

Registry = Literal["pypi", "npm", "debian"]


class Source(BaseModel):
    """What a registry's client is asked for.

    Attributes:
        registry: which client fetches the archive.
        package, version: what to ask it for.
        archive: file name of the archive in the registry.
        archive_bytes: its size if known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    registry: Registry
    package: str
    version: str | None = None
    archive: str
    archive_bytes: int | None = None


class Archive(Source):
    """A whole package archive.

    Attributes:
        sha256: digest of the archive, lower-case hex.
    """

    version: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Member(Source):
    """One file inside one package archive; of Debian's packages, the current version is asked for.

    Attributes:
        member: path of the file inside the archive.
        sha256: digest of the file, lower-case hex.
        bytes: its size; nothing longer is ever written.
    """

    member: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(gt=0)

    @property
    def file_name(self) -> str:
        """Name in the cache: start of the digest, and the member's own name for people to read."""
        return f"{self.sha256[:10]}-{PurePosixPath(self.member).name}"


def sha256_of(path: Path) -> str:
    """Lower-case hex digest of the file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
