"""Hits written to a file that another program reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from polyreel.errors import NotFoundError, UnknownNameError, UsageError
from polyreel.files import finished_file
from polyreel.library.exchange.edl import as_edl
from polyreel.library.exchange.fcpxml import as_fcpxml
from polyreel.library.exchange.lists import as_csv, as_m3u
from polyreel.library.exchange.moments import FilmMoment, moments_of
from polyreel.library.exchange.otio import as_otio
from polyreel.library.results import Hit
from polyreel.media.cuts.files import facts_of
from polyreel.media.limited import DecodeWorker

__all__ = ["EXPORT_FORMATS", "export_hits"]

_FOR_EDITORS: Mapping[str, Callable[[Sequence[FilmMoment], str], str]] = {
    "edl": as_edl,
    "fcpxml": as_fcpxml,
    "otio": as_otio,
}
_LISTS: Mapping[str, Callable[[Sequence[Hit], str], str]] = {"csv": as_csv, "m3u": as_m3u}
EXPORT_FORMATS = frozenset({*_FOR_EDITORS, *_LISTS})


def export_hits(
    hits: Sequence[Hit], target: Path, *, kind: str, title: str, overwrite: bool = False
) -> list[str]:
    """Write hits in the order of their ranks; returns what there is to say of them, a sentence each.

    Args:
        hits: of a library on this machine.
        target: the file.
        kind: one of ``EXPORT_FORMATS``.
        title: what the list is called.
        overwrite: whether it may replace a file that is there.

    Raises:
        UnknownNameError: there is no such kind.
        NotFoundError: there is nothing to write.
        UsageError: the file is there, a package is missing, or the format cannot hold the hits.
        OSError: the disk is full, or the folder is not there.
    """
    if kind not in EXPORT_FORMATS:
        raise UnknownNameError("format", kind, EXPORT_FORMATS)
    if not hits:
        raise NotFoundError("there is no hit to export", item=target, remedy="Search for something else")
    remarks: list[str] = []
    if kind in _LISTS:
        text = _LISTS[kind](hits, title)
    else:
        with DecodeWorker() as worker:
            moments, problems = moments_of(hits, lambda path: facts_of(worker, path))
        if not moments:
            raise NotFoundError(
                "no film of the hits can be read",
                item=target,
                value=problems[0],
                remedy="See 'polyreel doctor'",
            )
        remarks = [f"Left out: {problem}" for problem in problems]
        varying = {moment.path: moment.film for moment in moments if moment.film.is_variable}
        remarks += [
            f"The frame rate of {path} varies: its frames are counted at {float(film.rate):g} a second."
            for path, film in varying.items()
        ]
        text = _FOR_EDITORS[kind](moments, title)
    try:
        with finished_file(target, overwrite=overwrite) as place:
            place.write_text(text, encoding="utf-8", errors="backslashreplace")
    except FileExistsError as error:
        raise UsageError(
            "a file of this name is there", item=target, remedy="Give another name, or --overwrite"
        ) from error
    return remarks
