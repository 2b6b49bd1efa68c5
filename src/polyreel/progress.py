"""How far something is: reported by what works, shown by who asked for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from polyreel.units import duration, size

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

__all__ = ["OnProgress", "ProgressDisplay", "ignore_progress", "progress_display"]

OnProgress = Callable[[str, int, int | None], None]
"""Called with what is being done, how much of it is done, and how much there is in all (None: unknown)."""


# Bytes: an archive of this size may take a while to come.
_LARGE = 4_000_000


def ignore_progress(_what: str, _done: int, _total: int | None) -> None:
    """An ``OnProgress`` that shows nothing.

    Args:
        _what, _done, _total: As ``OnProgress`` describes them; not looked at.
    """


@contextmanager
def progress_display(console: Console, *, log_every_s: float = 10.0) -> Iterator[ProgressDisplay]:
    """A display that is gone when the block ends.

    Args:
        console: where to, usually stderr.
        log_every_s: where the console is not a terminal, a line is written this often, and ever more seldom
            while nothing is new; 0 writes one whenever something is.
    """
    # Imported late: help and most verbs show no progress.
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[amount]}", markup=False),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        display = ProgressDisplay(bars, log_every_s)
        if not (bars.disable and log_every_s):
            yield display
            return
        ended = threading.Event()
        # What works may say nothing for minutes, as a program that fetches a package does.
        logging = threading.Thread(target=display.log_until, args=(ended,), daemon=True)
        logging.start()
        try:
            yield display
        finally:
            ended.set()
            logging.join()


class ProgressDisplay:
    """A bar with the time left on a terminal; elsewhere, a line now and then.

    A display is itself an ``OnProgress``.

    Args:
        bars: on a terminal, or disabled.
        log_every_s: least seconds between two lines.
    """

    def __init__(self, bars: Progress, log_every_s: float) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._done: dict[str, float] = {}
        self._log_every_s, self._logged_s, self._logged = log_every_s, time.monotonic(), ""
        self._quiet_s = log_every_s
        self._now: tuple[TaskID, str, str] | None = None
        self._lock = threading.Lock()

    def __call__(self, what: str, done: float, total: float | None, *, amount: str | None = None) -> None:
        """Show one step. It starts anew, with an estimate of its own, when less is done than before.

        Args:
            what: is being done.
            done, total: in any unit; a total of None or 0 is unknown.
            amount: what is done in words; by default the two numbers.
        """
        if amount is None:
            amount = f"{done:,.0f}/{total:,.0f}" if total else f"{done:,.0f}" if done else ""
        self._show("", what, done, total or None, amount)

    def download(self, archive: str, done: int, total: int | None) -> None:
        """Show bytes that arrive, each archive in a bar of its own: an ``OnProgress``.

        Args:
            archive: Name of the archive.
            done, total: Bytes that are there, and bytes in all; a total of None is unknown.
        """
        if self._bars.disable and self._log_every_s and archive not in self._tasks and (total or 0) >= _LARGE:
            self._logged_s = time.monotonic()
            self.say(f"fetching {archive}, {size(total or 0)}")
        self._show(archive, archive[:48], done, total, size(done) + (f" of {size(total)}" if total else ""))
        if total is not None and done >= total:
            self._now = None
            self._bars.remove_task(self._tasks.pop(archive))

    def part_of(self, whole: str) -> OnProgress:
        """An ``OnProgress`` for the steps of one task."""
        return lambda what, done, total: self(f"{whole}: {what}", done, total)

    def say(self, text: str, *, style: str | None = None) -> None:
        """Write a line that stays."""
        self._bars.console.print(text, style=style, markup=False, soft_wrap=True)

    def _show(self, key: str, what: str, done: float, total: float | None, amount: str) -> None:
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(what, total=total, completed=int(done), amount=amount)
        elif done < self._done[key]:
            self._bars.reset(self._tasks[key], total=total, completed=int(done))
        self._done[key] = done
        task = self._tasks[key]
        self._bars.update(task, description=what, completed=done, total=total, amount=amount)
        if self._bars.disable:
            self._now = task, what, amount
            if amount != self._logged:
                self._log()

    def log_until(self, ended: threading.Event) -> None:
        """Write a line where none has been written for a while, also if nothing is new.

        Args:
            ended: set by another thread when there is nothing more to wait for.
        """
        while not ended.wait(self._log_every_s / 4):
            self._log()

    def _log(self) -> None:
        with self._lock:
            now, waited_s = self._now, time.monotonic() - self._logged_s
            is_new = now is not None and now[2] != self._logged
            if now is None or waited_s < (self._log_every_s if is_new else self._quiet_s):
                return
            task, what, amount = now
            self._quiet_s = self._log_every_s if is_new else 2 * self._quiet_s
            left_s = next((shown.time_remaining for shown in self._bars.tasks if shown.id == task), None)
            left = f", {duration(left_s)} left" if left_s and is_new else ""
            self.say(f"{amount}: {what}".removeprefix(": ") + left)
            self._logged_s, self._logged = time.monotonic(), amount
