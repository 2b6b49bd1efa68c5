"""``polyreel search --export``: hits as a file that another program reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from polyreel.cli.output import stderr
from polyreel.errors import UsageError
from polyreel.units import count

if TYPE_CHECKING:
    from polyreel.library.results import SearchResult

__all__ = ["check_export", "export_found"]


def check_export(kind: str | None, out: Path | None) -> None:
    """Refuse, before anything is searched for, what cannot be written.

    Raises:
        UsageError: the kind is unknown, or one of the two is missing.
    """
    if kind is None and out is None:
        return
    if kind is None or out is None:
        raise UsageError(
            "an export needs a format and a file",
            value="--export without -o" if out is None else "-o without --export",
            remedy="Give both, such as: --export otio -o dogs.otio",
        )
    from polyreel.errors import UnknownNameError
    from polyreel.library.exchange.exporting import EXPORT_FORMATS

    if kind not in EXPORT_FORMATS:
        raise UnknownNameError("format", kind, EXPORT_FORMATS)


def export_found(
    result: SearchResult, kind: str, target: Path, libraries: Sequence[Path], *, overwrite: bool
) -> None:
    """Write what a search found, and say so.

    Args:
        result: of the search.
        kind, target: checked by ``check_export``.
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
