"""What the readers share: files of text, and media found by name.

A name inside a dataset is looked up among the files that are there and never made into a path, so it cannot
lead out of the folder.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from polyreel.datasets.records import Frames, Media, VideoFile
from polyreel.errors import DatasetError
from polyreel.files import open_regular
from polyreel.media.pictures import PICTURE_SUFFIXES
from polyreel.media.suffixes import VIDEO_SUFFIXES

__all__ = [
    "locate",
    "parallel_lines",
    "pictures_in",
    "read_lines",
    "read_text",
    "require_count",
    "videos_in",
]

# Ten times the largest list of any dataset here; more would only fill the memory.
_MAX_BYTES = 512 << 20


def locate(folder: Path, *names: str, remedy: str) -> Path:
    """The first of ``names`` that is a file in ``folder``, as it is or with ``.gz`` behind it.

    Raises:
        DatasetError: none is there.
    """
    if not folder.is_dir():
        raise DatasetError("there is no such folder", item=folder, remedy=remedy)
    tried = (folder / (name + suffix) for name in names for suffix in ("", ".gz"))
    found = next((path for path in tried if path.is_file()), None)
    if found is None:
        raise DatasetError("a file is missing", item=folder / names[0], remedy=remedy)
    return found


def read_text(path: Path) -> str:
    """Content of a UTF-8 file, with or without a byte order mark; unpacked if its name ends in ``.gz``.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        with open_regular(path) as raw:
            data = (gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw).read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise DatasetError(
                "the file is too large for a dataset's list", item=path, value=f"over {_MAX_BYTES >> 20} MiB"
            )
        return data.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DatasetError("the file cannot be read", item=path, value=error) from error


def read_lines(path: Path) -> list[str]:
    """Lines of a file, whether or not the last one ends in a line feed.

    Only line feeds separate: other characters that Unicode counts as line ends occur inside captions, and
    splitting there would shift every row below.
    """
    return [line.removesuffix("\r") for line in read_text(path).removesuffix("\n").split("\n")]


def parallel_lines(files: Mapping[str, Path]) -> dict[str, list[str]]:
    """Lines of files that are aligned row by row.

    Raises:
        DatasetError: they are not equally long.
    """
    lines = {key: read_lines(path) for key, path in files.items()}
    if len({len(rows) for rows in lines.values()}) > 1:
        counts = ", ".join(f"{files[key].name} {len(rows):,}" for key, rows in lines.items())
        raise DatasetError(
            "aligned files differ in length", value=counts, remedy="Get the files again, unchanged"
        )
    return lines


def require_count(what: str, found: int, expected: int, source: object) -> None:
    """Hold a count against the published one.

    Args:
        what: is counted, in the plural.
        found: number that is there.
        expected: number as published.
        source: file that it is counted in, for the message.

    Raises:
        DatasetError: they differ.
    """
    if found != expected:
        raise DatasetError(
            f"another number of {what} than published",
            item=source,
            value=f"{found:,}, not {expected:,}",
            remedy="Get the file again, unchanged",
        )


def pictures_in(folder: Path) -> dict[str, Media]:
    """File name -> picture, of all that lie below ``images/`` or in ``images.zip``, in whatever subfolder.

    Raises:
        DatasetError: the zip cannot be read, or two pictures have the same name.
    """
    loose, packed = folder / "images", (folder / "images.zip").resolve()
    found: dict[str, Media] = {}
    for root, reference in [*_loose(loose), *_packed(packed)]:
        name = PurePosixPath(reference.rpartition("!")[2]).name
        if name in found:
            raise DatasetError("two pictures have the same name", item=folder, value=name)
        found[name] = Frames(root, (reference,))
    return found


def _loose(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICTURE_SUFFIXES:
            yield folder, path.relative_to(folder).as_posix()


def _packed(archive: Path) -> Iterator[tuple[Path, str]]:
    if not archive.is_file():
        return
    try:
        with zipfile.ZipFile(archive) as packed:
            names = packed.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise DatasetError("the pictures cannot be read", item=archive, value=error) from error
    for name in names:
        if PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES:
            yield archive.parent, f"{archive.name}!{name}"


def videos_in(folder: Path, places: Iterable[str]) -> dict[str, Media]:
    """File name without its ending -> video, of the videos in those subfolders; the first place wins."""
    found: dict[str, Media] = {}
    for place in places:
        for path in sorted((folder / place).glob("*"), key=_preference):
            if path.suffix.lower() in VIDEO_SUFFIXES:
                found.setdefault(path.stem, VideoFile(path.absolute()))
    return found


def _preference(path: Path) -> tuple[bool, str]:
    """Of two videos of the same name, an MP4 comes first: it is what the datasets are handed out as."""
    return path.suffix.lower() != ".mp4", path.name
