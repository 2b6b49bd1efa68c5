"""Multi-HowTo100M as its authors published it: captions of instructional videos in nine languages.

Layout: ``how2_[lang].json`` for each language, ``{video id: {"text": [..], "start": [..], "end": [..]}}``,
times in seconds. Known faults: some copies have Spanish in the file called "sw"; the lines of one video are
cut differently from language to language. Which subtitles people wrote and which a machine recognised or
translated is not marked, so ``sample_creation`` is "unknown".
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from polyreel.datasets.how2.scanning import scan
from polyreel.datasets.how2.tracks import VideoTracks
from polyreel.datasets.how2.values import parse_value
from polyreel.errors import DatasetError, did_you_mean
from polyreel.languages import STUDY_LANGUAGES, UNKNOWN, detect, in_study_order, parse_tag
from polyreel.problems import Problems

__all__ = ["How2Files", "find_how2"]

_REMEDY = "Put how2_en.json and the other how2_[lang].json into the folder"
_SAMPLED_VIDEOS = 24
_SAMPLE_CHARS = 1_000
_ABSENT = -1


def find_how2(folder: Path, problems: Problems) -> dict[str, Path]:
    """BCP-47 tag in the file's name -> file, in study order.

    A file with an unknown code is left out and reported.

    Raises:
        DatasetError: there is no such file.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("how2_*.json")) if folder.is_dir() else []:
        code = path.stem.removeprefix("how2_")
        tag = parse_tag(code)
        if tag is None:
            problems.leave_out(
                "an unknown language code in a file's name",
                item=path,
                value=code,
                remedy=did_you_mean(code, STUDY_LANGUAGES),
            )
        elif tag in found:
            problems.leave_out("two files of one language", item=path, value=f"as {found[tag].name}")
        else:
            found[tag] = path
    if not found:
        packed = next(folder.glob("how2_*.json.gz"), None) if folder.is_dir() else None
        remedy = f"Unpack {packed.name} and its like" if packed else _REMEDY
        raise DatasetError("there are no captions", item=folder, remedy=remedy)
    return {tag: found[tag] for tag in in_study_order(found)}


class How2Files:
    """The files of one folder, each video's place in them known.

    Opening walks over every file once. Memory: the ids, and 16 bytes a video and language.

    Args:
        files: language -> file.
        problems: where faults of the files, and later of their videos, are reported.
    """

    def __init__(self, files: Mapping[str, Path], problems: Problems) -> None:
        self._problems = problems
        self._rows: dict[str, int] = {}
        self._places = {tag: _Places(path) for tag, path in files.items()}
        for places in self._places.values():
            self._note(places)

    def _note(self, places: _Places) -> None:
        for entry in scan(places.path, self._problems):
            row = self._rows.setdefault(entry.key, len(self._rows))
            if not places.put(row, entry.offset, entry.length):
                self._problems.add(
                    "a video occurs twice in a file: the first is used",
                    item=f"{places.path}, byte {entry.offset:,}",
                    value=entry.key,
                )

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, video: object) -> bool:
        return video in self._rows

    @property
    def languages(self) -> list[str]:
        """Tags of the files, or what they were called since."""
        return list(self._places)

    def detected(self) -> dict[str, str]:
        """File's language -> what the texts in it are, where that is another one for most sampled videos.

        Each is reported as a problem; ``relabel`` acts on it.
        """
        other = {}
        for tag, places in self._places.items():
            found = _majority(self._sample(tag, places))
            if found not in {tag.split("-")[0], UNKNOWN}:
                other[tag] = found
                self._problems.add(
                    "a file's language is not what its name says",
                    item=places.path,
                    value=f"{found}, not {tag}",
                    remedy="Rename it, or ask for it to be read as what it is",
                )
        return other

    def relabel(self, other: Mapping[str, str]) -> None:
        """Read the files of these languages as others; of two files that are then alike the first stays."""
        renamed: dict[str, _Places] = {}
        # A file that is called what it is goes before one that is renamed to it.
        for tag in sorted(self._places, key=lambda tag: tag in other):
            new = other.get(tag, tag)
            if new in renamed:
                self._problems.leave_out(
                    "two files of one language",
                    item=self._places[tag].path,
                    value=f"{new}, as {renamed[new].path.name}",
                )
            else:
                renamed[new] = self._places[tag]
        self._places = {tag: renamed[tag] for tag in in_study_order(renamed)}

    def _sample(self, tag: str, places: _Places) -> Iterator[str]:
        rows = places.rows()
        unheard = Problems()  # they are reported when the video is read for good
        with places.path.open("rb") as file:
            for row in rows[:: max(1, len(rows) // _SAMPLED_VIDEOS)]:
                track = parse_value(places.read(file, row) or b"", tag, unheard, language=tag)
                if track is not None:
                    yield " ".join(track.texts)[:_SAMPLE_CHARS]

    def videos(self) -> Iterator[VideoTracks]:
        """Every video that has a usable line in any language, in the order of the files.

        Raises:
            DatasetError: a file cannot be read any more.
        """
        with ExitStack() as stack:
            try:
                files = {
                    tag: stack.enter_context(places.path.open("rb")) for tag, places in self._places.items()
                }
                for video, row in self._rows.items():
                    tracks = {}
                    for tag, places in self._places.items():
                        raw = places.read(files[tag], row)
                        if raw is None:
                            continue
                        track = parse_value(
                            raw, f"{places.path}, video {video}", self._problems, language=tag
                        )
                        if track is not None:
                            tracks[tag] = track
                    if tracks:
                        yield VideoTracks(video, tracks)
            except OSError as error:
                raise DatasetError("the captions cannot be read", item=error.filename, value=error) from error


@dataclass(slots=True)
class _Places:
    """Where the videos lie in one file: by row of ``How2Files``."""

    path: Path
    offsets: array[int]
    lengths: array[int]

    def __init__(self, path: Path) -> None:
        self.path, self.offsets, self.lengths = path, array("q"), array("q")

    def put(self, row: int, offset: int, length: int) -> bool:
        """Note a video; False if it has been noted before."""
        if row < len(self.offsets) and self.offsets[row] != _ABSENT:
            return False
        missing = row + 1 - len(self.offsets)
        if missing > 0:
            self.offsets.extend([_ABSENT] * missing)
            self.lengths.extend([0] * missing)
        self.offsets[row], self.lengths[row] = offset, length
        return True

    def rows(self) -> list[int]:
        return [row for row, offset in enumerate(self.offsets) if offset != _ABSENT]

    def read(self, file: BinaryIO, row: int) -> bytes | None:
        if row >= len(self.offsets) or self.offsets[row] == _ABSENT:
            return None
        file.seek(self.offsets[row])
        return file.read(self.lengths[row])


def _majority(samples: Iterator[str]) -> str:
    guesses = Counter(detect(sample).language for sample in samples)
    (language, count), *_ = guesses.most_common(1) or [(UNKNOWN, 0)]
    return language if 2 * count > guesses.total() else UNKNOWN
