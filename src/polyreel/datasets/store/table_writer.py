"""Write records as a table on disk: streamed, checked one by one, and committed as a whole."""

from __future__ import annotations

import hashlib
import math
import shutil
import unicodedata
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from polyreel.clips import Caption, Clip, SampleCreation
from polyreel.datasets.records import Frames, Record, VideoFile
from polyreel.datasets.store.manifest import (
    DATA_FILES,
    MANIFEST_FILE,
    SOURCES_FILE,
    DataSource,
    FeatureSet,
    LeftOut,
    Manifest,
    commit,
    is_stored,
    read_manifest,
    stored,
    writing,
)
from polyreel.errors import DatasetError
from polyreel.files import scratch_folder
from polyreel.problems import Missing

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BATCH_ROWS", "CAPTION_COLUMNS", "CLIP_COLUMNS", "SOURCE_COLUMNS", "hash_id", "write_table"]

BATCH_ROWS = 65_536
"""Rows of every batch of an Arrow file but the last, so that a row's batch is found by division."""

CLIP_COLUMNS = ("video", "start_s", "end_s", "split", "concept", "media_root", "media")
CAPTION_COLUMNS = ("text", "language", "start_s", "end_s", "sample_creation")

SOURCE_COLUMNS = ("source",)

_CREATIONS = frozenset(get_args(SampleCreation))
_REASONS_AT_MOST = 50
_EXAMPLES = 3


def write_table(
    folder: Path,
    records: Iterable[Record | Missing],
    *,
    name: str,
    sources: Sequence[DataSource] = (),
    progress: Callable[[int], None] | None = None,
) -> Manifest:
    """Write a table; one that is there is replaced once the new one is complete.

    Features are kept where the clips have stayed what they were. Texts are put into NFC.

    Args:
        folder: of the table.
        records: streamed; a ``Missing`` among them is counted by its reason and otherwise passed over.
        name: of the dataset.
        sources: what it was made from.
        progress: told of the records written, every thousand or so.

    Returns:
        What was written.

    Raises:
        DatasetError: a clip comes twice; a record has an unknown language code, an empty caption or a time
            that cannot be; there is no record at all; another process writes the table. What is there stays.
    """
    with writing(folder), scratch_folder(folder) as work:
        tally = _write_files(work, records, progress)
        files = stored(work, (*DATA_FILES, SOURCES_FILE) if tally.sources else DATA_FILES)
        digests = "".join(file.sha256 for file in files.values())
        version = hashlib.sha256(digests.encode()).hexdigest()[:12]
        manifest = Manifest(
            name=name,
            version=version,
            sources=tuple(sources),
            clips=dict(tally.clips),
            captions={split: dict(sorted(counts.items())) for split, counts in tally.captions.items()},
            without_media=tally.without_media,
            left_out=tally.left_out(),
            files={f"data-{version}/{file}": facts for file, facts in files.items()},
            features=_kept_features(folder, files["clips.arrow"].sha256),
        )
        place = folder / manifest.data_folder
        # The table that is there may be of equal content: it must not be gone, not even for a moment.
        if not all(is_stored(place / file, facts) for file, facts in files.items()):
            shutil.rmtree(place, ignore_errors=True)
            work.replace(place)
        commit(folder, manifest)
    return manifest


def hash_id(clip_id: str) -> int:
    """The 64-bit number that a clip id is looked up by."""
    return int.from_bytes(hashlib.blake2b(clip_id.encode(), digest_size=8).digest(), "little")


def _kept_features(folder: Path, clips_sha256: str) -> dict[str, FeatureSet]:
    """Features of the table that is there, if they are of the very same clips."""
    if not (folder / MANIFEST_FILE).is_file():
        return {}
    try:
        features = read_manifest(folder).features
    except DatasetError:  # damaged or of another schema: it is being replaced
        return {}
    return {name: kind for name, kind in features.items() if kind.of_clips == clips_sha256}


def _write_files(
    scratch: Path, records: Iterable[Record | Missing], progress: Callable[[int], None] | None
) -> _Tally:
    tally = _Tally()
    offsets, hashes = array("q", [0]), array("Q")
    clips = _ArrowFile(scratch / "clips.arrow", _clip_schema())
    captions = _ArrowFile(scratch / "captions.arrow", _caption_schema())
    sources = _ArrowFile(scratch / SOURCES_FILE, _source_schema())
    with clips, captions, sources:
        for record in records:
            if isinstance(record, Missing):
                tally.pass_over(record)
                continue
            clip_id = record.clip.clip_id
            clips.append(_clip_row(record, clip_id))
            sources.append((record.source,))
            for caption in record.captions:
                captions.append(_caption_row(caption, clip_id))
            hashes.append(hash_id(clip_id))
            offsets.append(captions.rows)
            tally.count(record)
            if progress is not None and clips.rows % 1000 == 0:
                progress(clips.rows)
    if not clips.rows:
        raise DatasetError(
            "there is not one clip to write",
            value=f"{sum(tally.passed.values()):,} were left out" if tally.passed else None,
            remedy=f"The first reason is: {next(iter(tally.passed))}" if tally.passed else None,
        )
    if not tally.sources:
        (scratch / SOURCES_FILE).unlink()
    if progress is not None:
        progress(clips.rows)
    np.save(scratch / "offsets.npy", np.frombuffer(offsets, np.int64))
    np.save(scratch / "ids.npy", _sorted_ids(np.frombuffer(hashes, np.uint64), scratch / "clips.arrow"))
    return tally


class _ArrowFile:
    """An Arrow file that rows are appended to."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        import pyarrow as pa

        self._pa, self._schema = pa, schema
        self._columns: list[list[Any]] = [[] for _ in schema]
        self._writer = pa.ipc.new_file(str(path), schema)
        self.rows = 0

    def __enter__(self) -> _ArrowFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def append(self, row: Sequence[Any]) -> None:
        for column, value in zip(self._columns, row, strict=True):
            column.append(value)
        self.rows += 1
        if len(self._columns[0]) == BATCH_ROWS:
            self._flush()

    def _flush(self) -> None:
        if not self._columns[0]:
            return
        arrays = [
            self._pa.array(column, kind.type)
            for column, kind in zip(self._columns, self._schema, strict=True)
        ]
        self._writer.write_batch(self._pa.record_batch(arrays, schema=self._schema))
        for column in self._columns:
            column.clear()


def _clip_schema() -> pa.Schema:
    import pyarrow as pa

    kinds = [
        pa.string(),
        pa.float64(),
        pa.float64(),
        pa.string(),
        pa.string(),
        pa.string(),
        pa.list_(pa.string()),
    ]
    return pa.schema(list(zip(CLIP_COLUMNS, kinds, strict=True)))


def _caption_schema() -> pa.Schema:
    import pyarrow as pa

    kinds = [pa.string(), pa.string(), pa.float64(), pa.float64(), pa.string()]
    return pa.schema(list(zip(CAPTION_COLUMNS, kinds, strict=True)))


def _source_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in SOURCE_COLUMNS])


def _clip_row(record: Record, clip_id: str) -> tuple[Any, ...]:
    clip, media = record.clip, record.media
    if not record.split:
        raise DatasetError("a clip without a split", item=clip_id)
    if not math.isfinite(clip.end_s):
        raise DatasetError("a clip without an end", item=clip_id, value=clip.end_s)
    root: str | None = None
    references: list[str] | None = None
    if isinstance(media, VideoFile):
        references = [str(media.path)]
    elif isinstance(media, Frames):
        root, references = str(media.root.absolute()), list(media.references)
    if references is not None and not all(references or [""]):
        raise DatasetError("media without a picture or file", item=clip_id)
    for text in (clip.video, record.split, record.concept, record.source, root or "", *(references or ())):
        _require_text(text, clip_id)
    return clip.video, clip.start_s, clip.end_s, record.split, record.concept, root, references


def _caption_row(caption: Caption, clip_id: str) -> tuple[Any, ...]:
    text = unicodedata.normalize("NFC", caption.text)
    _require_text(text, clip_id)
    if not text or text.isspace():
        raise DatasetError("an empty caption", item=clip_id, value=caption.language)
    if (problem := _language_problem(caption.language)) is not None:
        raise DatasetError(
            "an unknown language code", item=clip_id, value=repr(caption.language), remedy=problem
        )
    if not 0 <= caption.start_s <= caption.end_s < math.inf:
        raise DatasetError(
            "a caption's times cannot be", item=clip_id, value=f"{caption.start_s} to {caption.end_s} s"
        )
    if caption.sample_creation not in _CREATIONS:
        raise DatasetError("an unknown sample_creation", item=clip_id, value=repr(caption.sample_creation))
    return text, caption.language, caption.start_s, caption.end_s, caption.sample_creation


def _require_text(text: str, clip_id: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DatasetError(
            "a text holds half of a surrogate pair", item=ascii(clip_id), value=ascii(text)[:60]
        ) from error


@cache
def _language_problem(tag: str) -> str | None:
    """What to write instead of a tag that is not BCP-47 in its standard form; None if it is."""
    from langcodes import standardize_tag, tag_is_valid
    from langcodes.tag_parser import LanguageTagError

    try:
        if not tag_is_valid(tag):
            return "Use a BCP-47 tag such as en, zh or pt-BR, and und where the language is not known"
        standard = standardize_tag(tag)
    except LanguageTagError:
        return "Use a BCP-47 tag such as en, zh or pt-BR, and und where the language is not known"
    return None if standard == tag else f"Write {standard!r}"


def _sorted_ids(hashes: NDArray[np.uint64], clips: Path) -> NDArray[np.uint64]:
    """(2, clips): hashes of the clip ids in ascending order, and the row of each.

    Raises:
        DatasetError: a clip id occurs twice.
    """
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    seen: dict[str, int] = {}
    for place in np.flatnonzero(ordered[1:] == ordered[:-1]):
        for row in map(int, order[place : place + 2]):
            clip_id = _written_id(clips, row)
            if seen.setdefault(clip_id, row) != row:
                raise DatasetError(
                    "a clip comes twice",
                    item=clip_id,
                    value=f"records {seen[clip_id] + 1:,} and {row + 1:,}",
                    remedy="Remove one of them, or give its captions to the other",
                )
    return np.stack([ordered, order.astype(np.uint64)])


def _written_id(path: Path, row: int) -> str:
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        batch = pa.ipc.open_file(source).get_batch(row // BATCH_ROWS)
        video, start_s, end_s = (batch.column(name)[row % BATCH_ROWS].as_py() for name in CLIP_COLUMNS[:3])
    return Clip(video, start_s, end_s).clip_id


class _Tally:
    """Counts of what was written and passed over."""

    def __init__(self) -> None:
        self.clips: Counter[str] = Counter()
        self.captions: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.without_media = 0
        self.sources = 0
        self.passed: Counter[str] = Counter()
        self._examples: defaultdict[str, list[str]] = defaultdict(list)

    def count(self, record: Record) -> None:
        self.clips[record.split] += 1
        self.captions[record.split].update(caption.language for caption in record.captions)
        self.without_media += record.media is None
        self.sources += bool(record.source)

    def pass_over(self, missing: Missing) -> None:
        known = missing.reason in self.passed or len(self.passed) < _REASONS_AT_MOST
        reason = missing.reason if known else "other reasons"
        self.passed[reason] += 1
        if len(self._examples[reason]) < _EXAMPLES:
            self._examples[reason].append(missing.id)

    def left_out(self) -> tuple[LeftOut, ...]:
        return tuple(
            LeftOut(reason=reason, count=count, examples=tuple(self._examples[reason]))
            for reason, count in self.passed.most_common()
        )
