"""What arms train and are measured on: tables cut from datasets by source, with features, in the cache."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polyreel.datasets.dataset_catalog import DatasetCatalog
from polyreel.datasets.readers.xnli import NliPremise, read_xnli
from polyreel.datasets.sources import SourceSplit, split_by_source
from polyreel.datasets.store.bundle_features import bundle_features_name
from polyreel.datasets.store.feature_writer import write_features
from polyreel.datasets.store.table import DatasetTable, open_table
from polyreel.datasets.store.table_writer import hash_id, write_table
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.errors import DatasetError, PolyreelError, UnknownNameError
from polyreel.packages.members import cache_dir
from polyreel.progress import OnProgress
from polyreel.recipes import Problem
from polyreel.study.arms import HALF_A, HALF_B
from polyreel.study.recipe import SettingSpec, StudyRecipe
from polyreel.training.training_set import texts_of

__all__ = ["FEATURES_BUNDLE", "Part", "StudyData", "TestClips"]

FEATURES_BUNDLE = "training-free"
"""Whose features settings read that name none: it stays what it is when the default bundle gets better."""

TEST = "test"
_MANIFEST = "manifest.json"
_SHUFFLE_SEED = 2021
_FEWEST = 4
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Part:
    """Which clips of a setting are trained on and which are asked for.

    Attributes:
        setting: name in the recipe.
        fold: that is measured; None where the setting has a split for it.
        held_out: whether the test clips are not those of the setting but a share of what it trains on, which
            the training then lacks.
    """

    setting: str
    fold: int | None = None
    held_out: bool = False


@dataclass(frozen=True, slots=True)
class TestClips:
    """Clips that are searched and asked for.

    Attributes:
        ids: of the clips.
        sources: what each was cut from.
        concepts: what makes clips answers to each other's queries.
        captions: language -> the first caption of each clip, None where it has none.
        frames: features of each clip, (frames, dim).
        has_classes: whether the features are those of ``FEATURES_BUNDLE``, whose class layer reads them.
    """

    __test__ = False

    ids: tuple[str, ...]
    sources: tuple[str, ...]
    concepts: tuple[str, ...]
    captions: Mapping[str, tuple[str | None, ...]]
    frames: tuple[NDArray[np.float32], ...]
    has_classes: bool


class StudyData:
    """Tables of a study. Each is cut once and found again by what it was made from.

    Args:
        recipe: of the study.
        data: folder that datasets are relative to; None takes the working folder.
        on_progress: Called during what takes long: (what, done, total), total 0 where it is not known.
    """

    def __init__(self, recipe: StudyRecipe, data: Path | None, *, on_progress: OnProgress) -> None:
        self.recipe, self.data, self._on_progress = recipe, data or Path(), on_progress
        self.catalog = DatasetCatalog(data, recipe.folders, tell=on_progress)
        self.table = functools.cache(self._table)
        self.shuffled = functools.cache(self._shuffled)
        self.test_clips = functools.cache(self._test_clips)
        self.premises = functools.cache(self._premises)

    def features(self, setting: str) -> str:
        """Kind of features that a setting reads."""
        return self.recipe.settings[setting].features or _default_features()

    def _table(self, part: Part) -> DatasetTable:
        """Training clips in two halves, and test clips, that share no source.

        Raises:
            DatasetError, UnknownNameError, FetchError: the dataset is not there, or too small.
        """
        setting, kind = self.recipe.settings[part.setting], self.features(part.setting)
        source = self.catalog.table(setting.corpus)
        if kind not in source.manifest.features:
            wanted = () if setting.features is None else (kind,)
            self.catalog.features(setting.corpus, wanted, bundle=FEATURES_BUNDLE)
            source = self.catalog.table(setting.corpus)
        train, test = self._rows(part, source, kind)
        halves = SourceSplit(source, "", (), train, train[:0]).halves()
        splits = {HALF_A: halves[0], HALF_B: halves[1], TEST: test}
        for name, rows in splits.items():
            if len(rows) < _FEWEST:
                raise DatasetError(
                    "the setting is too small",
                    item=part.setting,
                    value=f"{name} has {len(rows)} clips with features and captions",
                    remedy="Name another dataset or split, or fewer languages under 'require'",
                )
        facts = [source.manifest.version, kind, *(f"{name} {rows.tolist()}" for name, rows in splits.items())]
        folder = _cache() / f"{source.name}-{_digest(*facts)}"
        if not ((folder / _MANIFEST).is_file() and kind in open_table(folder).manifest.features):
            self._on_progress(f"cutting {part.setting}", 0, 0)
            write_table(
                folder,
                (
                    dataclasses.replace(source.record(row), split=name)
                    for name, rows in splits.items()
                    for row in map(int, rows)
                ),
                name=source.name,
            )
            _copy_features(source, open_table(folder), kind)
        return open_table(folder)

    def _shuffled(self, part: Part, seed: int) -> DatasetTable:
        """The same with the features of each training clip given to another one of its half.

        Which one depends on the seed: with the same order in all seeds its luck would look like an effect.

        Args:
            part: Of the setting.
            seed: Of the cell.
        """
        table, kind = self.table(part), self.features(part.setting)
        folder = _cache() / f"{table.name}-{_digest(table.manifest.version, kind, f'shuffled {seed}')}"
        if not ((folder / _MANIFEST).is_file() and kind in open_table(folder).manifest.features):
            write_table(folder, (table.record(row) for row in range(len(table))), name=table.name)
            store, giver = table.features(kind), dict[int, int]()
            rng = np.random.default_rng([_SHUFFLE_SEED, seed])
            for half in (HALF_A, HALF_B):
                order = rng.permutation(table.rows(half))
                # A cycle through a random order: no clip keeps its own.
                giver |= dict(zip(order.tolist(), np.roll(order, 1).tolist(), strict=True))
            rows = ((table.clip(row).clip_id, store.of(giver.get(row, row))) for row in range(len(table)))
            write_features(folder, kind, rows, dim=store.dim, rate_hz=store.rate_hz)
        return open_table(folder)

    def _test_clips(self, part: Part) -> TestClips:
        """What the setting is measured on."""
        setting, table = self.recipe.settings[part.setting], self.table(part)
        rows = list(map(int, table.rows(TEST)))
        texts = [texts_of(table, row, setting.languages) for row in rows]
        store = table.features(self.features(part.setting))
        return TestClips(
            ids=tuple(table.clip(row).clip_id for row in rows),
            sources=tuple(table.concept(row) or table.source(row) for row in rows),
            concepts=tuple(table.concept(row) or table.clip(row).clip_id for row in rows),
            captions={
                tag: tuple(found[tag][0] if tag in found else None for found in texts)
                for tag in setting.languages
            },
            frames=tuple(store.of(row).astype(np.float32) for row in rows),
            has_classes=setting.features is None,
        )

    def _premises(self, setting: str) -> tuple[NliPremise, ...]:
        """Of X-MNLI; none where the setting does not ask for it.

        Raises:
            DatasetError: they are not there.
        """
        spec = self.recipe.settings[setting].xnli
        if spec is None:
            return ()
        return read_xnli(self.data / spec.folder, spec.split)[: spec.premises]

    def english(self, part: Part, *, most: int) -> list[str]:
        """The first English training captions."""
        table, found = self.table(part), list[str]()
        for row in (int(row) for half in (HALF_A, HALF_B) for row in table.rows(half)):
            found += texts_of(table, row, ["en"]).get("en", ())
            if len(found) >= most:
                break
        return found[:most]

    def unknown_names(self) -> list[Problem]:
        """Names of datasets, splits and features that mean nothing. Nothing is fetched or built for it: what
        a dataset has is known only where it is there as a table.
        """
        found: list[Problem] = []
        for name, setting in self.recipe.settings.items():
            place = f"settings.{name}"
            try:
                there = self.catalog.where(setting.corpus)
                table = None if there is None else self.catalog.table(setting.corpus)
            except UnknownNameError as error:
                found.append((f"{place}.corpus", str(error)))
                continue
            except DatasetError:
                continue  # absent: see there
            if table is not None:
                found += _unknown_parts(place, setting, table)
        return found

    def absent(self) -> list[str]:
        """What the study needs and is not there, a sentence each. Nothing is fetched or built for it."""
        found = []
        for setting in self.recipe.settings.values():
            try:
                self.catalog.where(setting.corpus)
            except UnknownNameError:
                continue  # a mistake: see ``unknown_names``
            except PolyreelError as error:
                found.append(str(error))
        folders = {
            setting.xnli.folder for setting in self.recipe.settings.values() if setting.xnli is not None
        }
        for folder in (self.data / name for name in sorted({*folders, self.recipe.lexicons})):
            if not folder.is_dir():
                found.append(
                    str(
                        DatasetError(
                            "the data are not there", item=folder, remedy="Name the folder above it by --data"
                        )
                    )
                )
        return list(dict.fromkeys(found))

    def _rows(self, part: Part, source: DatasetTable, kind: str) -> tuple[Rows, Rows]:
        """Training and test clips."""
        setting = self.recipe.settings[part.setting]
        counts = source.features(kind).counts
        for split in (*setting.splits, *((setting.test,) if setting.test else ())):
            source.rows(split)  # one that is not there is named

        def usable(rows: Rows, languages: Sequence[str]) -> Rows:
            kept = [
                row
                for row in map(int, rows)
                if counts[row] > 0 and set(languages) <= set(texts_of(source, row, languages))
            ]
            return np.array(kept, np.int64)

        required = setting.require
        if required is None:
            there = {tag for split in setting.splits for tag in source.manifest.captions.get(split, {})}
            required = tuple(tag for tag in setting.languages if tag in there)
        if setting.test is not None:
            left = [split_by_source(source, split).rows for split in setting.splits]
            test = usable(source.rows(setting.test), ["en"])
            asked = {source.concept(row) for row in map(int, test)} - {""}
            train = usable(np.concatenate(left), required)
            train = np.array([row for row in map(int, train) if source.concept(row) not in asked], np.int64)
        else:
            every = usable(np.concatenate([source.rows(split) for split in setting.splits]), required)
            train, test = _apart(source, every, parts=setting.folds or 2, which=part.fold or 0)
        train = _some(source, train, setting.clips)
        if part.held_out:
            assert self.recipe.tuning is not None
            train, test = _apart(source, train, parts=self.recipe.tuning.share, which=0)
        return train, _some(source, test, setting.test_clips)


def _apart(table: DatasetTable, rows: Rows, *, parts: int, which: int) -> tuple[Rows, Rows]:
    """The other parts, and one, of ``parts`` that share no source."""
    folds = SourceSplit(table, "", (), np.sort(rows), rows[:0]).folds(parts)
    others = [fold for number, fold in enumerate(folds) if number != which]
    return np.sort(np.concatenate(others)), folds[which]


def _some(table: DatasetTable, rows: Rows, most: int | None) -> Rows:
    """At most so many, which ones decided by a hash of their names, in their own order."""
    if most is None or len(rows) <= most:
        return np.sort(rows)
    order = sorted(map(int, rows), key=lambda row: hash_id(table.clip(row).clip_id))
    return np.array(sorted(order[:most]), np.int64)


def _unknown_parts(place: str, setting: SettingSpec, table: DatasetTable) -> list[Problem]:
    found: list[Problem] = []
    wanted = [("splits", split) for split in setting.splits]
    wanted += [] if setting.test is None else [("test", setting.test)]
    for key, split in wanted:
        if split not in table.splits:
            error = UnknownNameError(f"split of {setting.corpus}", split, table.splits)
            found.append((f"{place}.{key}", str(error)))
    kinds = table.manifest.features
    if setting.features is not None and setting.features not in kinds:
        error = UnknownNameError(f"kind of features of {setting.corpus}", setting.features, kinds)
        found.append((f"{place}.features", str(error)))
    return found


@functools.cache
def _default_features() -> str:
    return bundle_features_name(Bundle(locate_bundle(FEATURES_BUNDLE)))


def _cache() -> Path:
    folder = cache_dir() / "study"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _digest(*facts: str) -> str:
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:12]


def _copy_features(source: DatasetTable, table: DatasetTable, kind: str) -> None:
    store = source.features(kind)
    ids = [table.clip(row).clip_id for row in range(len(table))]
    rows = ((clip_id, store.of(source.index_of(clip_id))) for clip_id in ids)
    write_features(table.folder, kind, rows, dim=store.dim, rate_hz=store.rate_hz)
