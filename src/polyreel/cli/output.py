"""Output of the verbs: results on stdout, progress and messages on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from polyreel.packages.fetch import Progress as ArchiveProgress

__all__ = ["BuildDisplay", "build_display", "clock", "print_error", "print_json", "size", "stderr", "stdout"]

stdout = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # stdout knows few letters, or a file has a name that is no text
        text = json.dumps(document, indent=1, allow_nan=False)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_error(message: str, *, as_json: bool, kind: str) -> None:
    """Print one message on stderr, with ``--json`` also as a document on stdout.

    Args:
        message: for people.
        as_json: whether ``--json`` was given.
        kind: name of the error's class.
    """
    if as_json:
        print_json({"error": {"kind": kind, "message": message}})
    stderr.print(f"polyreel: {message}", style="bold red", markup=False, soft_wrap=True)


def clock(seconds: float) -> str:
    """Time within a video: 0:07, 12:30, 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def size(size_bytes: float) -> str:
    """Bytes for people: 12.3 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"


class BuildDisplay:
    """Shows archives arriving and the steps of a build."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    @property
    def download(self) -> ArchiveProgress:
        """Callback for bytes that arrive."""
        return self._download

    def _download(self, archive: str, done: int, total: int | None) -> None:
        if archive not in self._tasks:
            self._tasks[archive] = self._progress.add_task(archive[:48], total=total)
        self._progress.update(self._tasks[archive], completed=done, total=total)
        if total is not None and done >= total:
            self._progress.remove_task(self._tasks.pop(archive))

    def step(self, what: str, done: int, total: int) -> None:
        """Show a step of the build.

        Args:
            what: is computed.
            done: number of steps before it.
            total: number of all steps.
        """
        if "step" not in self._tasks:
            self._tasks["step"] = self._progress.add_task("", total=None)
        self._progress.update(
            self._tasks["step"], description=f"building the bundle ({done + 1}/{total}): {what}"
        )
        if done >= total:
            self._progress.remove_task(self._tasks.pop("step"))


@contextmanager
def build_display() -> Iterator[BuildDisplay]:
    """Progress of downloads and builds on stderr."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    # Where nobody watches, not even the empty lines of a bar that came and went.
    watched = stderr.is_terminal
    with Progress(*columns, console=stderr, transient=True, disable=not watched) as progress:
        yield BuildDisplay(progress)
