"""What arms train and are measured on: tables cut from corpora, with features, kept in the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyreel.clips import Caption, Clip
from polyreel.datasets.dataset_catalog import DatasetCatalog
from polyreel.datasets.readers.multinli import read_multinli
from polyreel.datasets.readers.ntrex import read_ntrex
from polyreel.datasets.readers.xnli import NliPremise, read_xnli
from polyreel.datasets.records import Record
from polyreel.datasets.store.bundle_features import add_bundle_features, bundle_features_name
from polyreel.datasets.store.feature_writer import write_features
from polyreel.datasets.store.table import DatasetTable, open_table
from polyreel.datasets.store.table_writer import write_table
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.errors import DatasetError, PolyreelError, UnknownNameError
from polyreel.evaluation.queries import QuerySet, places_of_concepts, query_set
from polyreel.languages import clean, in_study_order
from polyreel.packages.members import cache_dir
from polyreel.problems import Problems
from polyreel.progress import OnProgress
from polyreel.recipes import Problem
from polyreel.study.design import Arm
from polyreel.study.recipe import CorpusSpec, PretrainingSpec, RetrievalSpec, StudyRecipe
from polyreel.training.training_set import texts_of

__all__ = ["GallerySet", "StudyData", "TrainTable"]

_MANIFEST = "manifest.json"
_MULTINLI = "multinli"
_SHUFFLE_SEED = 2021


@dataclass(frozen=True, slots=True)
class TrainTable:
    """A table that arms train on.

    Attributes:
        folder: of the table.
        identity: what is in it, wherever it lies.
        weight: how often a clip is drawn.
        languages: of its captions.
        features: kinds of features that are read; none by an arm without vision.
    """

    folder: Path
    identity: str
    weight: float
    languages: tuple[str, ...]
    features: tuple[str, ...] = ()

    @property
    def entry(self) -> dict[str, Any]:
        """As a training recipe says it."""
        return {"corpus": str(self.folder), "weight": self.weight, "features": list(self.features)}


@dataclass(frozen=True, slots=True)
class GallerySet:
    """Clips that are searched, with a query for each in every language.

    Attributes:
        name: of the benchmark.
        table: the clips.
        rows: their places in it.
        frames: features of each clip, (frames, dim).
        queries: language -> a query for each clip.
        has_classes: whether the features are those of the default bundle, whose class layer reads them.
        identity: what is asked of what.
    """

    name: str
    table: DatasetTable
    rows: tuple[int, ...]
    frames: tuple[NDArray[np.float32], ...]
    queries: Mapping[str, QuerySet]
    has_classes: bool
    identity: str


class StudyData:
    """Tables of a study. Each is built once and found again by what it was made from.

    Args:
        recipe: of the study.
        data: folder that corpora are relative to; None takes the working folder.
        on_progress: Called during what takes long: (what, done, total), total 0 where it is not known.
    """

    def __init__(self, recipe: StudyRecipe, data: Path | None, *, on_progress: OnProgress) -> None:
        self.recipe, self.data, self._on_progress = recipe, data or Path(), on_progress
        self._catalog = DatasetCatalog(data, recipe.folders, tell=on_progress)
        self._bundle: Bundle | None = None

    def train_tables(self, arm: Arm) -> tuple[TrainTable, ...]:
        """What an arm trains on, built if it is not there.

        Raises:
            DatasetError, UnknownNameError, FetchError: a corpus is not there.
        """
        specs = (self.recipe.text or self.recipe.video) if arm.trains_on == "text" else self.recipe.video
        return tuple(self._train_table(spec, arm) for spec in specs)

    def languages(self, arm: Arm, tables: Sequence[TrainTable]) -> tuple[str, ...]:
        """Of the captions that an arm is shown."""
        if not arm.multilingual:
            return ("en",)
        return tuple(in_study_order({tag for table in tables for tag in table.languages}))

    def gallery(self, spec: RetrievalSpec) -> GallerySet:
        """The clips of a benchmark that have features and a caption in every language of the study.

        Raises:
            DatasetError: there are fewer than four.
        """
        table, kind = self._with_features(spec)
        store = table.features(kind)
        there = set(table.manifest.captions.get(spec.split, {}))
        tags = [tag for tag in self.recipe.languages if tag in there]
        texts = {row: texts_of(table, row, tags) for row in map(int, table.rows(spec.split))}
        rows = [
            row for row, found in texts.items() if all(tag in found for tag in tags) and store.counts[row] > 0
        ]
        if len(rows) < 4 or "en" not in tags:
            raise DatasetError(
                "the benchmark is too small",
                item=spec.name,
                value=f"{len(rows)} clips with features and captions in {', '.join(tags)}",
                remedy="Name another corpus or split, or fewer languages",
            )
        alike = places_of_concepts([table.concept(row) or table.clip(row).clip_id for row in rows])
        facts = (table.manifest.version, kind, spec.split, *map(str, rows))
        return GallerySet(
            name=spec.name,
            table=table,
            rows=tuple(rows),
            frames=tuple(store.of(row).astype(np.float32) for row in rows),
            queries={
                tag: query_set([texts[row][tag][:1] for row in rows], alike, equal_captions=True)
                for tag in tags
            },
            has_classes=spec.features is None,
            identity=_digest(*facts),
        )

    def premises(self) -> tuple[NliPremise, ...]:
        """Of X-MNLI.

        Raises:
            DatasetError: it is not there.
        """
        spec = self.recipe.measure.xnli
        assert spec is not None
        return read_xnli(self.data / spec.folder, spec.split)[: spec.premises]

    def sentences(self) -> dict[str, tuple[str, ...]]:
        """Of NTREX, in the study's languages.

        Raises:
            DatasetError: it is not there.
        """
        spec = self.recipe.measure.bitext
        assert spec is not None
        found = read_ntrex(self.data / spec.folder)
        return {tag: found[tag][: spec.sentences] for tag in self.recipe.languages if tag in found}

    def monolingual(self, spec: PretrainingSpec) -> dict[str, list[str]]:
        """Text to pretrain an encoder on: language -> texts, none of which says what another says.

        Raises:
            DatasetError, UnknownNameError, FetchError: a corpus is not there.
        """
        found: dict[str, list[str]] = {tag: [] for tag in self.recipe.languages}
        for name in spec.text:
            for texts in self._texts_of_items(name):
                ways = [tag for tag in found if texts.get(tag)]
                if ways:
                    least = min(ways, key=lambda tag: len(found[tag]))
                    found[least] += texts[least]
        return {tag: texts for tag, texts in found.items() if texts}

    def _texts_of_items(self, name: str) -> Iterator[dict[str, list[str]]]:
        """For each item: language -> its texts."""
        if name == _MULTINLI:
            for pair in read_multinli(self._catalog.folder(name), Problems()):
                yield {tag: [pair.premise[tag], pair.hypothesis[tag]] for tag in pair.premise}
            return
        table = self._catalog.table(name)
        for row in range(len(table)):
            texts: dict[str, list[str]] = {}
            for caption in table.captions(row):
                texts.setdefault(caption.language, []).append(caption.text)
            yield texts

    def unknown_names(self) -> list[Problem]:
        """Names of datasets, splits and features that mean nothing. Nothing is fetched or built for it: what
        a dataset has is known only where it is there as a table.
        """
        recipe, found = self.recipe, list[Problem]()
        lists: dict[str, Sequence[CorpusSpec | RetrievalSpec]] = {
            "video": recipe.video,
            "text": recipe.text,
            "measure.retrieval": recipe.measure.retrieval,
        }
        specs = [(f"{where}.{at}", spec) for where, some in lists.items() for at, spec in enumerate(some)]
        for place, spec in specs:
            if (problem := self._unknown_name(f"{place}.corpus", spec.corpus)) is not None:
                found.append(problem)
            elif (table := self._table_there(spec.corpus)) is not None:
                kinds = table.manifest.features
                if spec.split not in table.splits:
                    error = UnknownNameError(f"split of {spec.corpus}", spec.split, table.splits)
                    found.append((f"{place}.split", str(error)))
                if spec.features is not None and spec.features not in kinds:
                    error = UnknownNameError(f"kind of features of {spec.corpus}", spec.features, kinds)
                    found.append((f"{place}.features", str(error)))
        for encoder, pretraining in recipe.pretraining.items():
            texts = [self._unknown_name(f"pretraining.{encoder}.text", name) for name in pretraining.text]
            found += [problem for problem in texts if problem is not None]
        return found

    def _unknown_name(self, place: str, name: str) -> Problem | None:
        try:
            self._table_there(name)
        except UnknownNameError as error:
            return place, str(error)
        return None

    def _table_there(self, name: str) -> DatasetTable | None:
        """The table of a dataset if there is one.

        Raises:
            UnknownNameError: it is not a dataset.
        """
        try:
            return (
                None if name == _MULTINLI or self._catalog.where(name) is None else self._catalog.table(name)
            )
        except DatasetError:
            return None

    def absent(self) -> list[str]:
        """What the study needs and is not there, a sentence each. Nothing is fetched or built for it."""
        names = [spec.corpus for spec in (*self.recipe.video, *self.recipe.text)]
        names += [spec.corpus for spec in self.recipe.measure.retrieval]
        names += [name for spec in self.recipe.pretraining.values() for name in spec.text]
        found = []
        for name in dict.fromkeys(names):
            try:
                if name == _MULTINLI:
                    self._require_folder(self._catalog.folder(name))
                else:
                    self._catalog.where(name)
            except UnknownNameError:
                continue  # a mistake: see ``unknown_names``
            except PolyreelError as error:
                found.append(str(error))
        measured = (self.recipe.measure.xnli, self.recipe.measure.bitext)
        for folder in (self.data / spec.folder for spec in measured if spec is not None):
            try:
                self._require_folder(folder)
            except DatasetError as error:
                found.append(str(error))
        return found

    def english(self, *, most: int) -> list[str]:
        """The first English captions of the video corpora."""
        found: list[str] = []
        for spec in self.recipe.video:
            table = self._cut(spec)
            for row in map(int, table.rows(spec.split)):
                found += [clean(c.text) for c in table.captions(row) if c.language == "en"]
                if len(found) >= most:
                    return found[:most]
        return found

    def _train_table(self, spec: CorpusSpec, arm: Arm) -> TrainTable:
        features: tuple[str, ...] = ()
        if arm.sees:
            table, kind = self._with_features(spec)
            facts, features = [table.manifest.version, kind], (kind,)
            if arm.trains_on == "shuffled":
                table = self._shuffled(table, kind)
                facts.append("shuffled")
        else:
            table = self._cut(spec)
            facts = [table.manifest.version]
        languages = tuple(table.manifest.captions.get("train", {}))
        return TrainTable(table.folder, _digest(*facts), spec.weight, languages, features)

    def _with_features(self, spec: CorpusSpec | RetrievalSpec) -> tuple[DatasetTable, str]:
        """The cut table and its kind of features, which are computed, or copied, if they are not there."""
        table, source = self._cut(spec), self._catalog.table(spec.corpus)
        if spec.features is None and self._bundle is None:
            self._bundle = Bundle(locate_bundle())
        kind = spec.features or bundle_features_name(self._require_bundle())
        if kind in table.manifest.features:
            return table, kind
        if kind in source.manifest.features:
            _copy_features(source, table, kind)
        elif spec.features is not None:
            raise UnknownNameError(f"kind of features of {spec.corpus}", kind, source.manifest.features)
        else:
            add_bundle_features(
                table.folder,
                self._require_bundle(),
                progress=lambda done, total: self._on_progress(f"features of {spec.corpus}", done, total),
            )
        return open_table(table.folder), kind

    def _require_bundle(self) -> Bundle:
        assert self._bundle is not None
        return self._bundle

    def _cut(self, spec: CorpusSpec | RetrievalSpec) -> DatasetTable:
        """The clips of a specification; those for training become split ``train``."""
        trains = isinstance(spec, CorpusSpec)
        source = None if spec.corpus == _MULTINLI else self._catalog.table(spec.corpus)
        facts = (
            spec.corpus,
            spec.split,
            str(spec.clips),
            str(trains),
            source.manifest.version if source else str(self._catalog.folder(_MULTINLI).resolve()),
        )
        folder = _cache() / f"{Path(spec.corpus).name}-{_digest(*facts)}"
        if not (folder / _MANIFEST).is_file():
            records = (
                _entailed(self._catalog.folder(_MULTINLI))
                if source is None
                else map(source.record, map(int, source.rows(spec.split)))
            )
            kept = islice(records, spec.clips)
            split = "train" if trains else spec.split
            write_table(
                folder,
                (replace(record, split=split) for record in kept),
                name=Path(spec.corpus).name,
            )
        return open_table(folder)

    def _shuffled(self, table: DatasetTable, kind: str) -> DatasetTable:
        """The table with every clip's features given to another clip."""
        folder = _cache() / f"{table.name}-{_digest(table.manifest.version, kind, 'shuffled')}"
        if not ((folder / _MANIFEST).is_file() and kind in open_table(folder).manifest.features):
            write_table(folder, (table.record(row) for row in range(len(table))), name=table.name)
            store = table.features(kind)
            order = np.random.default_rng(_SHUFFLE_SEED).permutation(len(table))
            # A cycle through a random order: no clip keeps its own.
            giver = dict(zip(order.tolist(), np.roll(order, 1).tolist(), strict=True))
            rows = ((table.clip(row).clip_id, store.of(giver[row])) for row in range(len(table)))
            write_features(folder, kind, rows, dim=store.dim, rate_hz=store.rate_hz)
        return open_table(folder)

    def _require_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            raise DatasetError(
                "the data are not there", item=folder, remedy="Name the folder above it by --data"
            )


def _cache() -> Path:
    folder = cache_dir() / "study"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _digest(*facts: str) -> str:
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:12]


def _entailed(folder: Path) -> Iterator[Record]:
    """Premise and entailed hypothesis as two English captions of one item."""
    for pair in read_multinli(folder, Problems(), languages=["en"]):
        if pair.label == "entailment" and "en" in pair.premise:
            clip = Clip(f"multinli-{pair.row:06d}", 0.0, 0.0)
            texts = (pair.premise["en"], pair.hypothesis["en"])
            yield Record(clip, tuple(Caption(text, "en", 0.0, 0.0, "created") for text in texts))


def _copy_features(source: DatasetTable, table: DatasetTable, kind: str) -> None:
    store = source.features(kind)
    ids = [table.clip(row).clip_id for row in range(len(table))]
    rows = ((clip_id, store.of(source.index_of(clip_id))) for clip_id in ids)
    write_features(table.folder, kind, rows, dim=store.dim, rate_hz=store.rate_hz)
