"""What a run says of itself to others: a small file beside the tables, gone when it ends.

An index run writes one; lines that are made of what is said or shown, and a move to another bundle, which can
go on beside it, write others.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from polyreel.files import read_regular, write_atomically
from polyreel.library.index.events import IndexEvent, Planned, Progressed, Recognised, Settled
from polyreel.recognition.protocol import Source

__all__ = ["LINES_FILE", "PROGRESS_FILE", "IndexProgress", "ProgressFile", "drop_stopped", "read_progress"]

PROGRESS_FILE = "progress.json"
LINES_FILE = "lines.json"
"""There while lines are made of what is said or shown."""

_EVERY_S = 1.0
# After this long without a word a run on another machine counts as gone.
_SILENCE_S = 120.0
# Before, an estimate says more about the first file than about the rest.
_ESTIMATE_FROM_S, _ESTIMATE_FROM_SHARE = 10.0, 0.02


class IndexProgress(BaseModel):
    """How far a run has come.

    Attributes:
        pid, host: the process that runs it.
        started_at, updated_at: when it began and last wrote this.
        files, files_done: files that it has to read, and those it is done with.
        failed: those among them that could not be read.
        size_bytes, size_done_bytes: the same in bytes.
        duration_s, duration_done_s: the same in seconds of video, where lines are made.
        current: path of the file that was done last, or that lines are being made of.
        source: which lines are being made; None for a run of another kind.
        bundle: name of the bundle that a library moves to; empty for an index run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pid: int
    host: str
    started_at: datetime
    updated_at: datetime
    files: int = 0
    files_done: int = 0
    failed: int = 0
    size_bytes: int = 0
    size_done_bytes: float = 0.0
    duration_s: float = 0.0
    duration_done_s: float = 0.0
    current: str = ""
    source: Source | None = None
    bundle: str = ""

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        if self.source is not None:
            return min(1.0, self.duration_done_s / self.duration_s) if self.duration_s else 0.0
        return min(1.0, self.size_done_bytes / self.size_bytes) if self.size_bytes else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds that the rest will take at the pace so far; None where that cannot be told yet."""
        # Until the last word: of a long stretch that is being heard nothing is told, and yet it goes on.
        took_s = (self.updated_at - self.started_at).total_seconds()
        if took_s < _ESTIMATE_FROM_S or self.share < _ESTIMATE_FROM_SHARE:
            return None
        return took_s * (1 - self.share) / self.share

    @property
    def is_running(self) -> bool:
        """False if the run was stopped without a chance to say so."""
        if self.host != socket.gethostname():
            return (datetime.now(UTC) - self.updated_at).total_seconds() < _SILENCE_S
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # it is there, and another user's
            return True
        return True


def read_progress(folder: Path, file: str = PROGRESS_FILE) -> IndexProgress | None:
    """How far the run that writes ``file`` of the library in ``folder`` has come, None if there is none."""
    try:
        return IndexProgress.model_validate_json(read_regular(folder / file))
    except (OSError, ValidationError):
        return None


def drop_stopped(folder: Path, file: str) -> None:
    """Remove what a run left that did not come to its end, where nothing is left to go on with."""
    left = read_progress(folder, file)
    if left is not None and not left.is_running:
        with contextlib.suppress(OSError):
            (folder / file).unlink(missing_ok=True)


class ProgressFile:
    """Writes what ``read_progress`` reads.

    Args:
        folder: the library.
        file: name of the file.
        bundle: name of the bundle that the library moves to.
    """

    def __init__(self, folder: Path, file: str = PROGRESS_FILE, *, bundle: str = "") -> None:
        self._path = folder / file
        now = datetime.now(UTC)
        self._now = IndexProgress(
            pid=os.getpid(), host=socket.gethostname(), started_at=now, updated_at=now, bundle=bundle
        )
        self._written_at = 0.0

    def take(self, event: IndexEvent) -> None:
        """Note one event; it is written at most once a second."""
        now = self._now
        change: dict[str, object] = {}
        match event:
            case Planned(files, size_bytes):
                change = {"files": files, "size_bytes": size_bytes, "files_done": 0, "size_done_bytes": 0.0}
            case Progressed(size_bytes):
                change = {"size_done_bytes": now.size_done_bytes + size_bytes}
            case Settled(path, error):
                failed = now.failed + (error is not None)
                change = {"files_done": now.files_done + 1, "failed": failed, "current": str(path)}
            case Recognised(source, lines):
                change = {
                    "source": source,
                    "files": lines.videos,
                    "files_done": lines.videos_done,
                    "failed": now.failed + (lines.failed is not None),
                    "duration_s": lines.sound_s,
                    "duration_done_s": lines.sound_done_s,
                    "current": lines.current,
                }
            case _:
                pass
        self._now = now.model_copy(update={**change, "updated_at": datetime.now(UTC)})
        if time.monotonic() - self._written_at >= _EVERY_S:
            self.write()

    def beside(self, on_event: Callable[[IndexEvent], None] | None) -> Callable[[IndexEvent], None]:
        """What takes an event here first, and hands it on."""

        def both(event: IndexEvent) -> None:
            self.take(event)
            if on_event is not None:
                on_event(event)

        return both

    def write(self) -> None:
        """Write it now."""
        self._written_at = time.monotonic()
        # Not worth a run, should the disk be full.
        with contextlib.suppress(OSError):
            write_atomically(self._path, self._now.model_dump_json().encode())

    def remove(self) -> None:
        """The run is over. One that has said nothing leaves the file alone, which is another's."""
        if not self._written_at:
            return
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
