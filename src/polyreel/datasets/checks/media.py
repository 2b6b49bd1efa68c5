"""Pictures and videos of a table: are they there, do they decode, and are some of them in two splits?

Pictures are compared by a difference hash: 64 bits, one for each pair of neighbours in an 8 x 9 thumbnail,
which brightness, size and compression leave as they are (Krawetz, "Kind of Like That", 2013).
"""

from __future__ import annotations

import hashlib
import itertools
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polyreel.datasets.checks.findings import EXAMPLES, Finding, MediaCheck, reasons
from polyreel.datasets.records import Frames, Media, VideoFile
from polyreel.datasets.store.table import DatasetTable
from polyreel.errors import MediaError
from polyreel.media.decode import Frame
from polyreel.media.limited import DecodeOptions, DecodeWorker, Finished
from polyreel.media.pictures import OpenArchives, read_bytes, read_picture

__all__ = ["MediaFindings", "check_media", "difference_hash"]

# Decoding a video takes as long as this many pictures.
_PICTURES_PER_VIDEO = 20
_NEAR_BITS = 4
# A thumbnail with less contrast than this, of 255, is a plain surface: it resembles all others.
_PLAIN = 24
_VIDEO_FPS = 0.2


def difference_hash(thumbnail: NDArray[np.uint8]) -> np.uint64 | None:
    """64 bits of an (8, 9, 3) picture: does it grow brighter from each column to the next? None if plain."""
    grey = thumbnail.astype(np.float32).mean(axis=2)
    if np.ptp(grey) < _PLAIN:
        return None
    bits = np.packbits(grey[:, 1:] > grey[:, :-1])
    return np.uint64(int.from_bytes(bits.tobytes(), "big"))


@dataclass(slots=True)
class MediaFindings:
    """What a check of media came to."""

    check: MediaCheck
    findings: list[Finding] = field(default_factory=list)


def check_media(
    table: DatasetTable, *, sample: int, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> MediaFindings:
    """Look for every medium, and decode those of some clips.

    Args:
        table: the open table.
        sample: how many clips of each split are decoded; a video counts for twenty.
        seed: draws the sample.
        progress: told of media decoded and to be decoded.
    """
    present = _Present()
    named = 0
    not_there: list[str] = []
    for index in range(len(table)):
        media = table.media(index)
        named += media is not None
        if media is not None and not present.has(media):
            not_there.append(table.clip(index).clip_id)
    decoded = _decode(table, _drawn(table, sample, seed), progress)
    findings = [
        *_missing(not_there),
        *_shared(table),
        *decoded.findings(),
    ]
    check = MediaCheck(
        named=named,
        without=len(table) - named,
        not_there=len(not_there),
        decoded=decoded.clips,
        broken=len(decoded.broken),
    )
    return MediaFindings(check, findings)


class _Present:
    """Which files and members there are; the directory of a zip is read once."""

    def __init__(self) -> None:
        self._members: dict[Path, frozenset[str]] = {}

    def has(self, media: Media) -> bool:
        if isinstance(media, VideoFile):
            return media.path.is_file()
        return all(self._has(media.root, reference) for reference in media.references)

    def _has(self, root: Path, reference: str) -> bool:
        name, _, member = reference.partition("!")
        if not member:
            return (root / name).is_file()
        path = root / name
        if path not in self._members:
            try:
                with zipfile.ZipFile(path) as archive:
                    self._members[path] = frozenset(archive.namelist())
            except (OSError, zipfile.BadZipFile):
                self._members[path] = frozenset()
        return member in self._members[path]


def _missing(clips: list[str]) -> Iterator[Finding]:
    if clips:
        yield Finding(
            level="broken",
            what=f"{len(clips):,} clips name pictures or videos that are not there",
            count=len(clips),
            examples=tuple(clips[:EXAMPLES]),
        )


def _shared(table: DatasetTable) -> Iterator[Finding]:
    """The same video in two splits, as the dataset names it."""
    splits: dict[int, int] = {}
    both: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
    for code, split in enumerate(table.splits):
        for index in table.rows(split):
            video = table.clip(int(index)).video
            if splits.setdefault(hash(video), code) != code:
                both[splits[hash(video)], code].append(video)
    for (first, second), videos in both.items():
        yield Finding(
            level="warning",
            what=(
                f"{len(videos):,} clips in {table.splits[second]} are cut from videos that are in "
                f"{table.splits[first]} too"
            ),
            count=len(videos),
            examples=tuple(dict.fromkeys(videos))[:EXAMPLES],
        )


def _drawn(table: DatasetTable, sample: int, seed: int) -> list[int]:
    """Clips of each split whose media are to be decoded."""
    rng = np.random.default_rng(seed)
    drawn: list[int] = []
    for split in table.splits:
        left = float(sample)
        for index in map(int, rng.permutation(table.rows(split))):
            media = table.media(index)
            if left <= 0:
                break
            if media is not None:
                left -= _PICTURES_PER_VIDEO if isinstance(media, VideoFile) else 1
                drawn.append(index)
    return drawn


@dataclass(slots=True)
class _Decoded:
    """What came of decoding.

    Attributes:
        clips: how many.
        broken: clip id -> why its medium does not decode.
        damaged: clip id -> what a video that decodes is short of.
        hashes: split -> difference hash and clip id of each picture.
        digests: split -> digest of a picture file -> clip id.
    """

    clips: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    hashes: dict[str, list[tuple[np.uint64, str]]] = field(default_factory=dict)
    digests: dict[str, dict[bytes, str]] = field(default_factory=dict)

    def findings(self) -> Iterator[Finding]:
        if self.broken:
            what = f"the media of {len(self.broken):,} of {self.clips:,} clips that were tried do not decode"
            yield Finding(level="broken", what=what, count=len(self.broken), examples=reasons(self.broken))
        if self.damaged:
            what = f"the videos of {len(self.damaged):,} of {self.clips:,} clips that were tried are damaged"
            yield Finding(level="warning", what=what, count=len(self.damaged), examples=reasons(self.damaged))
        for first, second in itertools.combinations(self.hashes, 2):
            yield from self._alike(first, second)

    def _alike(self, first: str, second: str) -> Iterator[Finding]:
        ours, theirs = self.digests[first], self.digests[second]
        same = [f"{ours[digest]} and {theirs[digest]}" for digest in ours.keys() & theirs.keys()]
        near = _near(self.hashes[first], self.hashes[second])
        compared = f"({len(self.hashes[first]):,} by {len(self.hashes[second]):,} compared)"
        for what, pairs in (("have the same picture file", same), ("have pictures that look alike", near)):
            if pairs:
                yield Finding(
                    level="warning",
                    what=f"{len(pairs):,} pairs of clips in {first} and {second} {what} {compared}",
                    count=len(pairs),
                    examples=tuple(sorted(pairs)[:EXAMPLES]),
                )


def _near(ours: list[tuple[np.uint64, str]], theirs: list[tuple[np.uint64, str]]) -> list[str]:
    """Pairs of clips of which a picture of the one looks like a picture of the other."""
    if not ours or not theirs:
        return []
    others = np.array([hashed for hashed, _ in theirs], np.uint64)
    pairs: dict[str, None] = {}
    for hashed, clip_id in ours:
        for place in np.flatnonzero(np.bitwise_count(others ^ hashed) <= _NEAR_BITS):
            pairs[f"{clip_id} and {theirs[place][1]}"] = None
    return list(pairs)


def _decode(table: DatasetTable, indices: list[int], progress: Callable[[int, int], None] | None) -> _Decoded:
    found = _Decoded(
        hashes={split: [] for split in table.splits}, digests={split: {} for split in table.splits}
    )
    with DecodeWorker() as worker, OpenArchives() as archives:
        for done, index in enumerate(indices, 1):
            clip_id, split, media = table.clip(index).clip_id, table.split(index), table.media(index)
            found.clips += 1
            try:
                if isinstance(media, Frames):
                    thumbnails = _pictures(media, archives, found.digests[split], clip_id)
                elif media is not None:
                    thumbnails, problem = _video(media, worker)
                    if problem:
                        found.damaged[clip_id] = problem
                found.hashes[split] += _hashed(thumbnails, clip_id)
            except MediaError as error:
                found.broken[clip_id] = str(error)
            if progress is not None:
                progress(done, len(indices))
    return found


def _hashed(thumbnails: Iterable[NDArray[np.uint8]], clip_id: str) -> list[tuple[np.uint64, str]]:
    return [(hashed, clip_id) for hashed in map(difference_hash, thumbnails) if hashed is not None]


def _pictures(
    media: Frames, archives: OpenArchives, digests: dict[bytes, str], clip_id: str
) -> list[NDArray[np.uint8]]:
    thumbnails = []
    for reference in media.references:
        data = read_bytes(media.root, reference, archives=archives)
        digests[hashlib.blake2b(data, digest_size=16).digest()] = clip_id
        thumbnails.append(read_picture(data, size=(9, 8), item=reference))
    return thumbnails


def _video(media: VideoFile, worker: DecodeWorker) -> tuple[list[NDArray[np.uint8]], str]:
    thumbnails = []
    remarks: tuple[str, ...] = ()
    for event in worker.decode(media.path, DecodeOptions(9, 8, _VIDEO_FPS)):
        if isinstance(event, Frame):
            thumbnails.append(event.image)
        elif isinstance(event, Finished) and event.health is not None:
            remarks = event.health.remarks
    return thumbnails, "; ".join(remarks)
