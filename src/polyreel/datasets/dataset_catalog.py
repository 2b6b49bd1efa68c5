"""Datasets by name, opened; one that is not there as a table is built on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from polyreel._version import __version__
from polyreel.codeswitch.lexicon_packages import LEXICON_PACKAGES, fetch_lexicon
from polyreel.codeswitch.lexicons import Lexicon, lexicon_languages, load_lexicons, require_lexicons
from polyreel.datasets.fetching import build_dataset, fetched_table
from polyreel.datasets.registry import DATASETS
from polyreel.datasets.store.bundle_features import add_bundle_features, bundle_features_name
from polyreel.datasets.store.manifest import read_manifest
from polyreel.datasets.store.table import DatasetTable, open_table
from polyreel.encoders.registry import DEFAULT_BUNDLE, locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.errors import DatasetError, UnknownNameError
from polyreel.packages.members import cache_dir
from polyreel.progress import OnProgress, ignore_progress

__all__ = ["DatasetCatalog"]

_MANIFEST = "manifest.json"


class DatasetCatalog:
    """Where recipes find datasets.

    A name means, in this order: a table in ``data / name``; a folder that is a table; a dataset of the
    registry, read from ``data / name`` or fetched, and kept as a table in the cache. A dataset that packages
    bring is read from a folder only where ``folders`` names one.

    Args:
        data: folder that names are relative to; None takes the working folder.
        folders: name -> folder below ``data``, where it is not the name itself.
        tell: told of what takes long: (what, done, total), total 0 where it is not known.
    """

    def __init__(
        self,
        data: Path | None,
        folders: Mapping[str, str] | None = None,
        *,
        tell: OnProgress | None = None,
    ) -> None:
        self.data, self._folders = data or Path(), folders or {}
        self._tell = tell or ignore_progress
        self._tables: dict[str, DatasetTable] = {}
        self._lexicons: dict[tuple[str, ...], dict[str, Lexicon]] = {}
        self._bundles: dict[str, Bundle] = {}

    def folder(self, name: str) -> Path:
        """Where the user has what ``name`` means, if anywhere."""
        return self.data / self._folders.get(name, name)

    def where(self, name: str) -> Path | None:
        """The table that ``name`` means; None if it has to be built first.

        Raises:
            UnknownNameError: it is neither a table nor a dataset.
            DatasetError: a dataset that people have to get is not there.
        """
        for folder in (self.folder(name), Path(name)):
            if (folder / _MANIFEST).is_file():
                return folder
        if name not in DATASETS:
            raise UnknownNameError("dataset", name, DATASETS)
        dataset = DATASETS[name]
        if dataset.fetch is None and self._given(name) is None:
            raise DatasetError(
                "the dataset is not there",
                item=self.folder(name),
                remedy=f"{dataset.remedy} and name its parent by --data, or its place under 'folders'",
            )
        built = self._built(name)
        if not (built / _MANIFEST).is_file():
            return None
        # Built before tables kept sources: written anew in its place, and its features stay.
        outdated = dataset.knows_sources and not read_manifest(built).knows_sources
        return None if outdated else built

    def table(self, name: str) -> DatasetTable:
        """The table of that name, built if it is not there as a table.

        Raises:
            UnknownNameError, DatasetError: see ``where``.
            FetchError: a package could not be had.
        """
        if name not in self._tables:
            self._tables[name] = open_table(self.where(name) or self._build(name))
        return self._tables[name]

    def features(self, name: str, wanted: Sequence[str], *, bundle: str = DEFAULT_BUNDLE) -> tuple[str, ...]:
        """The kinds of features of a dataset that a run reads: those ``wanted``, or else what a bundle makes
        of its pictures, now if they are not there; none for a dataset of text.

        Args:
            name: of the dataset.
            wanted: kinds of features.
            bundle: name or folder of the bundle.

        Raises:
            UnknownNameError: it has no such features.
            FetchError: a package that the bundle is built from could not be had.
        """
        table = self.table(name)
        if wanted:
            for kind in wanted:
                table.features(kind)
            return tuple(wanted)
        if table.manifest.without_media == len(table):
            return ()
        if bundle not in self._bundles:
            self._bundles[bundle] = Bundle(locate_bundle(bundle))
        own = bundle_features_name(self._bundles[bundle])
        if own not in table.manifest.features:
            add_bundle_features(
                table.folder,
                self._bundles[bundle],
                progress=lambda done, total: self._tell(f"features of {name}", done, total),
            )
            self._tables[name] = open_table(table.folder)
        return (own,)

    def lexicons(self, folder: str, languages: Sequence[str]) -> dict[str, Lexicon]:
        """The lexicons of a folder, by language; those that it lacks and a package has are fetched.

        Raises:
            DatasetError, UsageError: one is missing or cannot be read.
            FetchError: a package could not be had.
        """
        key = (folder, *languages)
        if key not in self._lexicons:
            fetched = self._in_packages(folder, languages)
            own = [tag for tag in languages if tag not in fetched]
            found = load_lexicons(self.data / folder, own) if own or not fetched else {}
            for tag in fetched:
                place = fetch_lexicon(tag, cache_dir() / "corpora", self._tell)
                found |= load_lexicons(place, [tag])
            self._lexicons[key] = {tag: found[tag] for tag in languages}
        return self._lexicons[key]

    def require_lexicons(self, folder: str, languages: Sequence[str]) -> None:
        """Look whether the lexicons are there or can be fetched, without reading or fetching them.

        Raises:
            DatasetError, UsageError: one is missing or cannot be read.
        """
        fetched = self._in_packages(folder, languages)
        if len(fetched) < len(languages) or not languages:
            require_lexicons(self.data / folder, [tag for tag in languages if tag not in fetched])

    def _in_packages(self, folder: str, languages: Sequence[str]) -> list[str]:
        """Those of ``languages`` that the folder lacks and a package has."""
        there = lexicon_languages(self.data / folder)
        return [tag for tag in languages if tag in LEXICON_PACKAGES and tag not in there]

    def _given(self, name: str) -> Path | None:
        """The folder that the user has a dataset in."""
        folder = self.folder(name)
        fetched = DATASETS[name].fetch is not None and name not in self._folders
        return folder if folder.is_dir() and not fetched else None

    def _build(self, name: str) -> Path:
        self._tell(f"fetching {name}", 0, 0)
        build_dataset(
            name,
            self._built(name),
            folder=self._given(name),
            progress=lambda done: self._tell(f"reading {name}", done, 0),
        )
        return self._built(name)

    def _built(self, name: str) -> Path:
        folder = self._given(name)
        if folder is None:
            return fetched_table(name)
        # Another folder, or another version of the readers, makes another table.
        facts = f"{__version__}\0{folder.resolve()}"
        return cache_dir() / "tables" / f"{name}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}"
