"""``polyreel index --watch``: index again whenever something has changed, until Ctrl-C."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyreel.cli.listening import exit_code
from polyreel.cli.output import stderr, stdout
from polyreel.errors import LibraryBusyError, PolyreelError, UsageError
from polyreel.extras import install_packages
from polyreel.units import count, printable

if TYPE_CHECKING:
    from polyreel.cli.listening import LineMaker
    from polyreel.library.index.indexing import IndexReport

__all__ = ["index_and_watch"]

_TRY_AGAIN_S = 10.0


def index_and_watch(
    paths: Sequence[Path],
    library: Path,
    run: Callable[[Collection[Path]], IndexReport],
    tell: Callable[[IndexReport], None] | None,
    makers: Sequence[LineMaker] = (),
) -> int:
    """Index, wait for changes, index again; says only what is new.

    Args:
        paths: absolute files and folders.
        library: folder of the library.
        run: one run, given files that are still being written.
        tell: shows the first run; None prints each run as one line of JSON.
        makers: what made lines in a run, if it did.
    """
    from polyreel.library.index.watching import watched_changes

    is_first = True
    try:
        with closing(watched_changes(paths, library)) as changes:
            for busy in changes:
                report = _patiently(run, busy, is_first=is_first)
                stopped = any(maker.was_interrupted for maker in makers)
                if report is not None and (report.interrupted or stopped):
                    _say(report, tell, makers, as_json=tell is None)
                    return exit_code(report, makers)
                told = [maker for maker in makers if maker.report is not None]
                if report is not None and (is_first or report.changed or report.failed or told):
                    _say(report, tell if is_first else None, makers, as_json=tell is None)
                if is_first and tell is not None:
                    stderr.print("Watching for changes. Ctrl-C ends it.", style="dim")
                is_first = False
    except ModuleNotFoundError as error:
        raise UsageError(
            "a package that watching needs is not installed",
            item=error.name,
            remedy=f"Install it with: {install_packages('watchfiles')}",
        ) from error
    except KeyboardInterrupt:
        if is_first:  # what the library should hold is not all there yet
            raise
        stderr.print("Watching has ended.", style="dim")
    return 0


def _patiently(
    run: Callable[[Collection[Path]], IndexReport], busy: Collection[Path], *, is_first: bool
) -> IndexReport | None:
    """One run, once nobody else writes the library; None where it fails, which only the first may not."""
    while True:
        try:
            return run(busy)
        except LibraryBusyError as error:
            stderr.print(
                f"{_now()} {error} Trying again in {_TRY_AGAIN_S:.0f} s.", style="yellow", soft_wrap=True
            )
            time.sleep(_TRY_AGAIN_S)
        except PolyreelError as error:  # such as a drive that was taken out
            if is_first:
                raise
            stderr.print(f"{_now()} {error}", style="yellow", soft_wrap=True)
            return None


def _say(
    report: IndexReport,
    tell: Callable[[IndexReport], None] | None,
    makers: Sequence[LineMaker],
    *,
    as_json: bool,
) -> None:
    if as_json:
        facts: dict[str, Any] = {
            "at": datetime.now().astimezone().isoformat(timespec="seconds"),
            "indexed": report.indexed,
            "linked": report.linked,
            "resubtitled": report.resubtitled,
            "removed": report.removed,
            "copies_removed": report.copies_removed,
            "clips": report.clips,
            "interrupted": report.interrupted or any(maker.was_interrupted for maker in makers),
            "failed": [str(failure) for failure in report.failed],
            "remarks": report.remarks,
        }
        for maker in makers:
            facts |= maker.document()
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()
        return
    if tell is not None:
        tell(report)
        for maker in makers:
            maker.print_report()
        return
    parts = [
        (report.indexed, "indexed"),
        (report.linked, "renamed or copied"),
        (report.resubtitled, "whose subtitles were read again"),
        (report.removed, "removed"),
        (report.copies_removed, "removed, of which a copy stays"),
    ]
    said = "; ".join(f"{count(number, 'file')} {what}" for number, what in parts if number)
    if said:
        stdout.print(f"{_now()} {said}.")
    for failure in report.failed:
        stdout.print(f"{_now()} {failure}", markup=False, soft_wrap=True)
    for path, remark in report.remarks.items():
        stdout.print(f"{_now()} {printable(path)}: {remark}", markup=False, soft_wrap=True)
    for maker in makers:
        if said := maker.summary():
            stdout.print(f"{_now()} {said}")
        for failure in maker.failures:
            stdout.print(f"{_now()} {failure}", markup=False, soft_wrap=True)


def _now() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")
