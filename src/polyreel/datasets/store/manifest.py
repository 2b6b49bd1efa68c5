"""``manifest.json``: what a table on disk consists of. Replacing this file is what commits.

::

    TABLE/
      manifest.json                       the committed state: counts, sources, digest of every file
      data-<version>/clips.arrow          a row a clip
                     captions.arrow       a row a caption, in the order of the clips
                     offsets.npy          row of each clip's first caption
                     ids.npy              where a clip id is found
                     sources.arrow        what each clip was cut from, where the dataset says it
      features/<name>-<digest>/spans.npy  where each clip's rows are
                               shard-N.npy  float16 rows
                               broken.json  clip id -> why its medium could not be read

New files are written beside the old ones under names of their own; only then does the manifest name them. So
a kill at any time leaves the old table or the new one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from polyreel.errors import DatasetError
from polyreel.files import SCRATCH, exclusive_lock, read_regular, sync, write_atomically
from polyreel.packages.members import sha256_of

__all__ = [
    "DATA_FILES",
    "FEATURES_FOLDER",
    "MANIFEST_FILE",
    "SOURCES_FILE",
    "DataSource",
    "FeatureSet",
    "LeftOut",
    "Manifest",
    "StoredFile",
    "commit",
    "is_stored",
    "read_manifest",
    "require_whole",
    "stored",
    "verify_files",
    "writing",
]

MANIFEST_FILE = "manifest.json"
DATA_FILES = ("clips.arrow", "captions.arrow", "offsets.npy", "ids.npy")
SOURCES_FILE = "sources.arrow"
"""A file of its own, which tables of datasets without sources lack: what features belong to, the clips, stays
the same with it."""
FEATURES_FOLDER = "features"
_LOCK_FILE = ".lock"
_REBUILD = "Build the table again with 'polyreel data build', or copy it again"


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSource(_Facts):
    """Where data came from.

    Attributes:
        name: dataset, package or file.
        licence: its terms, in words or as an SPDX expression.
        origin: how to find it again: a citation, a package with its version, a path.
        sha256: digest of the file it was read from, if it is one file.
    """

    name: str
    licence: str
    origin: str = ""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class LeftOut(_Facts):
    """What a reader met and did not take.

    Attributes:
        reason: why, in the reader's words.
        count: how many items.
        examples: ids of the first few.
    """

    reason: str
    count: int
    examples: tuple[str, ...]


class StoredFile(_Facts):
    """One file of the table."""

    bytes: int
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class FeatureSet(_Facts):
    """Features of one kind.

    Attributes:
        dim: width of a row.
        rate_hz: rows for each second of video; None where rows do not follow time, as with key frames.
        clips: how many clips have rows.
        rows: how many rows there are.
        broken: how many clips have none because their medium could not be read.
        of_clips: digest of the ``clips.arrow`` that they belong to.
        files: path below the table -> size and digest.
    """

    dim: int = Field(gt=0)
    rate_hz: float | None = Field(gt=0)
    clips: int
    rows: int
    broken: int
    of_clips: str
    files: Mapping[str, StoredFile]

    @property
    def folder(self) -> str:
        """Path below the table that all its files are in."""
        return next(iter(self.files)).rpartition("/")[0]


class Manifest(_Facts):
    """Contents of ``manifest.json``.

    Attributes:
        schema_version: layout of the table on disk.
        name: of the dataset.
        version: start of a digest of all clips and captions: equal content has an equal version.
        sources: what it was made from, with licences.
        clips: split -> number of clips.
        captions: split -> language -> number of captions.
        without_media: how many clips name no pictures.
        left_out: what was met and not taken.
        files: path below the table -> size and digest, features excepted.
        features: name -> features.
    """

    schema_version: Literal[1] = 1
    name: str
    version: str
    sources: tuple[DataSource, ...]
    clips: Mapping[str, NonNegativeInt]
    captions: Mapping[str, Mapping[str, NonNegativeInt]]
    without_media: int
    left_out: tuple[LeftOut, ...] = ()
    files: Mapping[str, StoredFile]
    features: Mapping[str, FeatureSet] = {}

    @property
    def data_folder(self) -> str:
        """Path below the table of clips and captions."""
        return f"data-{self.version}"

    @property
    def knows_sources(self) -> bool:
        """Whether the dataset says what its clips were cut from."""
        return f"{self.data_folder}/{SOURCES_FILE}" in self.files

    @property
    def clips_sha256(self) -> str:
        """Digest of the clips: what features belong to."""
        return self.files[f"{self.data_folder}/clips.arrow"].sha256

    @property
    def n_clips(self) -> int:
        """Clips in all splits."""
        return sum(self.clips.values())

    def all_files(self) -> dict[str, StoredFile]:
        """Path below the table -> size and digest, of every file."""
        return {
            **self.files,
            **{path: file for kind in self.features.values() for path, file in kind.files.items()},
        }


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the table in ``folder``.

    Raises:
        DatasetError: there is none, or it cannot be understood.
    """
    path = folder / MANIFEST_FILE
    try:
        return Manifest.model_validate_json(read_regular(path))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DatasetError(
            "no table of a dataset is here",
            item=folder,
            remedy="Name a folder that 'polyreel data build' has written, one with a manifest.json",
        ) from error
    except OSError as error:
        raise DatasetError("the manifest cannot be read", item=path, value=error.strerror) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise DatasetError(
            "the manifest cannot be understood", item=path, value=f"{place}: {first['msg']}", remedy=_REBUILD
        ) from error


def commit(folder: Path, manifest: Manifest) -> None:
    """Make ``manifest`` the state of the table, all at once, and remove what it no longer names."""
    write_atomically(folder / MANIFEST_FILE, (manifest.model_dump_json(indent=1) + "\n").encode())
    kept = {Path(name).parent for name in manifest.all_files()}
    for old in [*folder.glob("data-*"), *folder.glob(f"{FEATURES_FOLDER}/[!.]*")]:
        if old.relative_to(folder) not in kept:
            shutil.rmtree(old, ignore_errors=True)


def stored(root: Path, names: Iterable[str]) -> dict[str, StoredFile]:
    """Name -> size and digest of files in ``root``, once they are safe on the disk."""
    found = {}
    for name in names:
        sync(root / name)
        found[name] = StoredFile(bytes=(root / name).stat().st_size, sha256=sha256_of(root / name))
    sync(root)
    return found


def is_stored(path: Path, expected: StoredFile) -> bool:
    """Whether the file is there with this content."""
    return path.is_file() and path.stat().st_size == expected.bytes and sha256_of(path) == expected.sha256


def require_whole(folder: Path, manifest: Manifest) -> None:
    """Hold the size of every file against the manifest.

    Raises:
        DatasetError: a file is missing or of another size.
    """
    for name, expected in manifest.all_files().items():
        try:
            size = (folder / name).stat().st_size
        except OSError as error:
            raise DatasetError(
                "a file of the table is missing", item=folder / name, remedy=_REBUILD
            ) from error
        if size != expected.bytes:
            raise DatasetError(
                "a file of the table was cut short or changed",
                item=folder / name,
                value=f"{size:,} bytes, not {expected.bytes:,}",
                remedy=_REBUILD,
            )


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Hold the digest of every file against the manifest.

    Raises:
        DatasetError: a file is missing or changed.
    """
    require_whole(folder, manifest)
    for name, expected in manifest.all_files().items():
        if (found := sha256_of(folder / name)) != expected.sha256:
            raise DatasetError(
                "a file of the table is damaged",
                item=folder / name,
                value=f"sha256 {found[:12]}, not {expected.sha256[:12]}",
                remedy=_REBUILD,
            )


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the table for writing.

    Raises:
        DatasetError: another process writes it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise DatasetError(
            "a file is where the table should go", item=folder, remedy="Name a folder"
        ) from error
    busy = DatasetError("another process is writing this table", item=folder, remedy="Wait for it to end")
    with exclusive_lock(folder / _LOCK_FILE, busy=busy):
        for left in folder.glob(f"{SCRATCH}*"):  # by a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        yield
