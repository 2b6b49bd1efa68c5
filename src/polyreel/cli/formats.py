"""What ``--out`` names: a file, of the format that an option or its ending says, or a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from polyreel.errors import UsageError

__all__ = ["EXPORTS", "REPORTS", "SUBTITLES", "format_of", "out_folder"]

# Format -> endings that a file of it may have. Those that several have say of none which it is.
EXPORTS = {
    "otio": (".otio",),
    "edl": (".edl", ".txt"),
    "fcpxml": (".fcpxml", ".xml"),
    "m3u": (".m3u", ".m3u8", ".txt"),
    "csv": (".csv", ".txt"),
}
REPORTS = {"html": (".html", ".htm"), "markdown": (".md", ".markdown", ".txt"), "latex": (".tex", ".txt")}
SUBTITLES = {"srt": (".srt", ".txt"), "vtt": (".vtt", ".txt"), "json": (".json", ".txt")}
# Endings of single files, where a command writes a folder of several.
_OF_FILES = frozenset(
    [
        ".json",
        ".jsonl",
        ".csv",
        ".html",
        ".md",
        ".tex",
        ".txt",
        ".onnx",
        ".pt",
        ".safetensors",
        ".parquet",
        ".zip",
    ]
)


def format_of(out: Path, given: str | None, endings: Mapping[str, tuple[str, ...]], *, option: str) -> str:
    """The format of a file that is to be written.

    Args:
        out: the file; any format may be written into one without an ending.
        given: the format that was asked for; None where the name says it.
        endings: format -> endings that a file of it may have.
        option: how the format is asked for, such as ``--to``.

    Raises:
        UsageError: it is a folder, the ending is that of something else, or nothing says which format it is.
    """
    if out.is_dir():
        ending = endings[given][0] if given else next(iter(endings.values()))[0]
        raise UsageError(
            "this is a folder, and one file is written",
            item=out,
            remedy=f"Name a file in it, such as {out / f'polyreel{ending}'}",
        )
    ending = out.suffix.lower()
    if given is not None:
        if ending and ending not in endings[given]:
            own = endings[given][0]
            meant = _named_by(ending, endings)
            remedy = f"End the name in {own}"
            raise UsageError(
                f"a file of this name would not be taken for {given}",
                item=out,
                value=f"{option} {given}",
                remedy=f"{remedy}, or leave out {option} for {meant}" if meant else remedy,
            )
        return given
    if (named := _named_by(ending, endings)) is None:
        raise UsageError(
            "the name of the file does not say its format",
            item=out,
            value=ending or "no ending",
            remedy=f"End it in {_either(each[0] for each in endings.values())}, or give {option} as well",
        )
    return named


def out_folder(out: Path) -> Path:
    """A folder that is to be written, before anything that takes long.

    Raises:
        UsageError: a file is there, or the name is that of one.
    """
    if out.exists() and not out.is_dir():
        raise UsageError("--out is a file", item=out, remedy="Name a folder, which several are written into")
    if not out.exists() and out.suffix.lower() in _OF_FILES:
        raise UsageError(
            "--out names a folder here, not a file",
            item=out,
            value=out.suffix,
            remedy=f"Leave the ending out: --out {out.with_suffix('')}",
        )
    return out


def _named_by(ending: str, endings: Mapping[str, tuple[str, ...]]) -> str | None:
    """The one format whose files have that ending."""
    named = [format_ for format_, own in endings.items() if ending in own]
    return named[0] if len(named) == 1 else None


def _either(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}"
