"""``polyreel search --export``: hits as a file that another program reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from polyreel.cli.formats import EXPORTS, format_of
from polyreel.cli.output import stderr
from polyreel.errors import UnknownNameError, UsageError
from polyreel.units import count

if TYPE_CHECKING:
    from polyreel.library.results import SearchResult

__all__ = ["export_format", "export_found"]


def export_format(kind: str | None, out: Path | None, *, overwrite: bool) -> str | None:
    """The format that hits are exported in, None without a file; before anything is searched for.

    Args:
        kind: as ``--export`` names it, or None for what the ending of the file says.
        out: the file.
        overwrite: whether one that is there may be replaced.

    Raises:
        UsageError: there is a format without a file, the two contradict each other, or none is known.
    """
    if out is None:
        if kind is not None or overwrite:
            raise UsageError(
                "an export needs a file",
                value="--overwrite without -o" if kind is None else f"--export {kind} without -o",
                remedy=f"Name one, such as: -o dogs.{kind if kind in EXPORTS else 'csv'}",
            )
        return None
    if kind is not None and kind not in EXPORTS:
        raise UnknownNameError("format", kind, EXPORTS)
    return format_of(out, kind, EXPORTS, option="--export")


def export_found(
    result: SearchResult, kind: str, target: Path, libraries: Sequence[Path], *, overwrite: bool
) -> None:
    """Write what a search found, and say so.

    Args:
        result: of the search.
        kind, target: as ``export_format`` has them.
        libraries: that were searched; nothing is written into them.
        overwrite: whether a file may be replaced.
    """
    from polyreel.library.exchange.exporting import export_hits
    from polyreel.library.own_files import require_not_own

    for library in libraries:
        require_not_own(library, target)
    title = result.query or "polyreel"
    remarks = export_hits(result.hits, target, kind=kind, title=title, overwrite=overwrite)
    for remark in remarks:
        stderr.print(remark, style="yellow")
    stderr.print(f"{count(len(result.hits), 'moment')} written to {target}", style="dim", soft_wrap=True)
