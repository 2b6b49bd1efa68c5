"""Hits written to a file that another program reads."""

from __future__ import annotations

import codecs
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from polyreel.errors import MediaError, NotFoundError, UnknownNameError, UsageError
from polyreel.files import finished_file
from polyreel.library.exchange.edl import as_edl
from polyreel.library.exchange.fcpxml import as_fcpxml
from polyreel.library.exchange.lists import as_csv, as_m3u
from polyreel.library.exchange.moments import FilmMoment, moments_of
from polyreel.library.exchange.otio import as_otio
from polyreel.library.results import Hit
from polyreel.media.cuts.files import facts_of
from polyreel.media.limited import DecodeWorker
from polyreel.remote.address import in_bucket

__all__ = ["EXPORT_FORMATS", "Export", "export_hits", "export_text", "formats_here"]

_FOR_EDITORS: Mapping[str, Callable[[Sequence[FilmMoment], str], str]] = {
    "edl": as_edl,
    "fcpxml": as_fcpxml,
    "otio": as_otio,
}
_LISTS: Mapping[str, Callable[[Sequence[Hit], str], str]] = {"csv": as_csv, "m3u": as_m3u}
EXPORT_FORMATS = frozenset({*_FOR_EDITORS, *_LISTS})
_ENCODING, _ERRORS = "utf-8", "backslashreplace"


@dataclass(frozen=True, slots=True)
class Export:
    """A list of hits as another program reads it.

    Attributes:
        kind: one of ``EXPORT_FORMATS``.
        text: of the file.
        left_out: what is wrong with films that could not be read, whose hits are not in it.
        varying: films whose frame rate varies, and the frames a second that they are counted at.
    """

    kind: str
    text: str
    left_out: Sequence[MediaError] = ()
    varying: Mapping[Path, float] | None = None

    @property
    def content(self) -> bytes:
        """The file. One for spreadsheets begins with a byte-order mark.

        Without it they take UTF-8 for an 8-bit encoding of the system, and garble names in Cyrillic.
        """
        return (codecs.BOM_UTF8 if self.kind == "csv" else b"") + self.text.encode(_ENCODING, _ERRORS)


def formats_here() -> tuple[str, ...]:
    """The formats whose packages are installed, those for editors first."""
    has_otio = importlib.util.find_spec("opentimelineio") is not None
    return tuple(kind for kind in ("otio", "fcpxml", "edl", "m3u", "csv") if kind != "otio" or has_otio)


def export_text(
    hits: Sequence[Hit], *, kind: str, title: str, place: Callable[[Path], Path] = lambda path: path
) -> Export:
    """Hits in the order of their ranks, as they are named.

    Args:
        hits: of a library on this machine.
        kind: one of ``EXPORT_FORMATS``.
        title: what the list is called.
        place: where the film is that a hit names; a MediaError of it costs the hits of that film.

    Raises:
        UnknownNameError: there is no such kind.
        NotFoundError: there is nothing to write.
        UsageError: a package is missing, or the format cannot hold the hits, such as films in a bucket.
    """
    if kind not in EXPORT_FORMATS:
        raise UnknownNameError("format", kind, EXPORT_FORMATS)
    if not hits:
        raise NotFoundError("there is no hit to export", remedy="Search for something else")
    if kind != "csv" and (far := [hit.video for hit in hits if in_bucket(hit.video)]):
        raise UsageError(
            f"a list as {kind} names files, which editors and players open, and this film lies in a bucket",
            item=far[0],
            remedy="Export as csv, cut the moments out (polyreel cut), or mount the bucket and index that",
        )
    if kind in _LISTS:
        return Export(kind, _LISTS[kind](hits, title))
    with DecodeWorker() as worker:
        moments, problems = moments_of(hits, lambda path: facts_of(worker, place(path)))
    if not moments:
        raise NotFoundError(
            "no film of the hits can be read", value=problems[0], remedy="See 'polyreel doctor'"
        )
    varying = {moment.path: float(moment.film.rate) for moment in moments if moment.film.is_variable}
    return Export(kind, _FOR_EDITORS[kind](moments, title), problems, varying)


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
        UsageError: the file is there; and as ``export_text``.
        OSError: the disk is full, or the folder is not there.
    """
    made = export_text(hits, kind=kind, title=title)
    try:
        with finished_file(target, overwrite=overwrite) as place:
            place.write_bytes(made.content)
    except FileExistsError as error:
        raise UsageError(
            "a file of this name is there", item=target, remedy="Give another name, or --overwrite"
        ) from error
    return [
        *(f"Left out: {problem}" for problem in made.left_out),
        *_told_of_rates(made.varying or {}),
    ]


def _told_of_rates(varying: Mapping[Path, float]) -> list[str]:
    """One line, however many films there are: recordings of telephones all vary."""
    if not varying:
        return []
    path, rate = next(iter(varying.items()))
    if len(varying) == 1:
        return [f"The frame rate of {path} varies: its frames are counted at {rate:g} a second."]
    rates = ", ".join(f"{each:g}" for each in sorted(set(varying.values())))
    return [
        f"The frame rates of {len(varying)} films vary, as that of {path}: their frames are counted at "
        f"standard rates ({rates} a second), and may be off by one or two."
    ]
