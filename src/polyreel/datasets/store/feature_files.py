"""Features of HowTo100M and of whatever else has a file a video: S3D, R(2+1)D and their like, one row a
second.

Layout: ``<video>.npy`` (or ``.npz`` with one array, or ``<video>.mp4.npy``) in a folder, in whatever
subfolder, or in one zip; each (seconds, dim) float16, float32 or float64. Nothing is unpickled: an array of
Python objects, or a file that only ``pickle`` or ``torch.load`` can read, is refused by name.
"""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from polyreel.clips import Clip
from polyreel.datasets.store.feature_writer import write_features
from polyreel.datasets.store.table import open_table
from polyreel.errors import DatasetError, UnknownNameError
from polyreel.media.suffixes import VIDEO_SUFFIXES
from polyreel.problems import Problems

__all__ = ["FeatureFiles", "add_feature_files", "features_of_clips"]

_ARRAYS = {".npy", ".npz"}
_PICKLES = {".bin", ".ckpt", ".dill", ".joblib", ".pickle", ".pkl", ".pt", ".pth"}
_SAFE = (
    "Load it where it was made, look at what it holds, and save each video's array as <video>.npy "
    "with numpy.save"
)
# What numpy and zipfile raise on damaged or hostile files: numpy parses a header as Python, and zipfile has
# RuntimeError for encryption.
_UNREADABLE = (
    OSError,
    EOFError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
_MOST_BYTES = 1 << 30  # an hour at 4 kB a row is 15 MB


class FeatureFiles:
    """Features of many videos, read one at a time.

    Args:
        source: folder or zip.
        problems: told of files that are refused.
        dim: width of a row; that of the first video read, if None.

    Raises:
        DatasetError: there are none, two files are of one video, or the zip cannot be read.
    """

    rate_hz = 1.0
    """Rows for each second of video."""

    def __init__(self, source: Path, problems: Problems, *, dim: int | None = None) -> None:
        self._source, self._dim = source, dim
        self._zip = _opened(source) if source.is_file() else None
        self._members: dict[str, str] = {}
        refused = []
        for member in self._listed():
            kind = PurePosixPath(member).suffix.lower()
            if kind in _PICKLES:
                refused.append(member)
                problems.leave_out("a pickle can run code when it is read", item=member, remedy=_SAFE)
            elif kind in _ARRAYS and (first := self._members.setdefault(_video(member), member)) != member:
                raise DatasetError("two files are of one video", item=source, value=f"{first}, {member}")
        if not self._members:
            if refused:
                raise DatasetError(
                    "the features are pickles, which can run code when they are read",
                    item=source,
                    value=", ".join(refused[:3]),
                    remedy=_SAFE,
                )
            raise DatasetError(
                "there are no features", item=source, remedy="Name a folder or zip of <video>.npy"
            )

    def _listed(self) -> Iterator[str]:
        if self._zip is not None:
            yield from (info.filename for info in self._zip.infolist() if not info.is_dir())
        elif self._source.is_dir():
            for path in sorted(self._source.rglob("*")):
                if path.is_file():
                    yield path.relative_to(self._source).as_posix()

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[str]:
        """Names of the videos, in the order of the folder or zip."""
        return iter(self._members)

    def __contains__(self, video: object) -> bool:
        return video in self._members

    @property
    def dim(self) -> int:
        """Width of a row."""
        if self._dim is None:
            self.read(next(iter(self)))
        assert self._dim is not None
        return self._dim

    def read(self, video: str) -> NDArray[np.floating]:
        """(seconds, dim) rows of one video, row ``i`` about second ``i``.

        Raises:
            UnknownNameError: there is none of that name.
            DatasetError: the file is damaged or cut short, an object array, of another width, or not finite.
        """
        if video not in self._members:
            raise UnknownNameError("video with features", video, self._members)
        item = f"{self._source}: {self._members[video]}"
        rows = self._array(self._members[video], item)
        if rows.ndim != 2 or rows.dtype.kind != "f" or not rows.size:
            value = f"{rows.dtype} {rows.shape}, not floats (seconds, dim)"
            raise DatasetError("features of the wrong shape", item=item, value=value)
        if self._dim is None:
            self._dim = rows.shape[1]
        if rows.shape[1] != self._dim:
            raise DatasetError(
                "features of the wrong dim", item=item, value=f"{rows.shape[1]}, not {self._dim}"
            )
        broken = int(np.count_nonzero(~np.isfinite(rows).all(axis=1)))
        if broken:
            raise DatasetError(
                "features are not finite", item=item, value=f"{broken:,} of {len(rows):,} rows"
            )
        return rows

    def _array(self, member: str, item: str) -> NDArray[np.floating]:
        try:
            data = self._bytes(member)
            if data.startswith(b"PK"):  # an .npz, whose arrays may unpack to anything
                packed = zipfile.ZipFile(io.BytesIO(data))
                _require_size(sum(info.file_size for info in packed.infolist()))
            loaded = np.load(io.BytesIO(data), allow_pickle=False)
            if not isinstance(loaded, np.ndarray):
                if len(loaded.files) != 1:
                    raise DatasetError(
                        "an archive of features has not one array", item=item, value=", ".join(loaded.files)
                    )
                loaded = loaded[loaded.files[0]]
        except _UNREADABLE as error:
            if "allow_pickle" in str(error):
                raise DatasetError(
                    "an array of Python objects is a pickle", item=item, remedy=_SAFE
                ) from error
            raise DatasetError(
                "a file of features cannot be read", item=item, value=error, remedy="Get it again"
            ) from error
        return np.asarray(loaded)

    def _bytes(self, member: str) -> bytes:
        """A member's content; its name is looked up and never made into a path, so it cannot lead out."""
        if self._zip is None:
            path = self._source / member
            size = path.stat().st_size
        else:
            size = self._zip.getinfo(member).file_size
        _require_size(size)
        return path.read_bytes() if self._zip is None else self._zip.read(member)


def add_feature_files(table_folder: Path, source: Path, problems: Problems) -> str:
    """Add the features in ``source`` to a table, under the name of that folder or zip.

    Args:
        table_folder: of the table.
        source: folder or zip of ``<video>.npy``.
        problems: told of clips that are left out.

    Returns:
        The name of the features.

    Raises:
        DatasetError: there are no features, or the table cannot be read or written.
    """
    name = source.stem.lower()
    features, table = FeatureFiles(source, problems), open_table(table_folder)
    clips = (table.clip(index) for index in range(len(table)))
    rows = features_of_clips(features, clips, problems)
    write_features(table_folder, name, rows, dim=features.dim, rate_hz=features.rate_hz)
    return name


def features_of_clips(
    features: FeatureFiles, clips: Iterable[Clip], problems: Problems
) -> Iterator[tuple[str, NDArray[np.floating]]]:
    """Clip id and the rows of the seconds that the clip touches, for ``write_features``.

    A video's file is read once if its clips follow each other. A clip whose video has no features, broken
    ones, or ones that end before it starts, is left out and reported.

    Args:
        features: of the videos.
        clips: best in the order of the table, so that a video is read once.
        problems: told of what is left out.
    """
    current: str | None = None
    rows: NDArray[np.floating] | None = None
    for clip in clips:
        if clip.video != current:
            current, rows = clip.video, _rows(features, clip.video, problems)
        if rows is None:
            continue
        span = rows[math.floor(clip.start_s) : max(math.ceil(clip.end_s), math.floor(clip.start_s) + 1)]
        if len(span):
            yield clip.clip_id, span
        else:
            problems.leave_out(
                "features end before the clip starts", item=clip.clip_id, value=f"{len(rows)} seconds"
            )


def _rows(features: FeatureFiles, video: str, problems: Problems) -> NDArray[np.floating] | None:
    if video not in features:
        problems.leave_out("a video has no features", item=video)
        return None
    try:
        return features.read(video)
    except DatasetError as error:
        problems.leave_out(error.what, item=error.item, value=error.value)
        return None


def _require_size(size_bytes: int) -> None:
    if size_bytes > _MOST_BYTES:
        raise ValueError(f"{size_bytes:,} bytes are too many for one video")


def _opened(source: Path) -> zipfile.ZipFile:
    if source.suffix.lower() in _PICKLES:
        raise DatasetError("a pickle can run code when it is read", item=source, remedy=_SAFE)
    try:
        return zipfile.ZipFile(source)
    except (OSError, zipfile.BadZipFile) as error:
        raise DatasetError(
            "the features cannot be read", item=source, value=error, remedy="Name a folder or a zip"
        ) from error


def _video(member: str) -> str:
    name = PurePosixPath(member).stem
    return PurePosixPath(name).stem if PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES else name
