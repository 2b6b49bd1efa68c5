"""How the runs that write the library stand: what a page says of indexing, of its lines, and of a move."""

from __future__ import annotations

from typing import Any, Literal

from polyreel.library.index.progress_file import LINES_FILE, PROGRESS_FILE, IndexProgress, read_progress
from polyreel.library.index.run_record import RunRecord, read_run_record
from polyreel.library.store.store import MOVE_FILE
from polyreel.server.state import Server

__all__ = ["run_status"]

State = Literal["looking", "reading", "measuring", "lines", "stopped", "failed", "idle"]


def run_status(server: Server) -> dict[str, Any]:
    """What ``progress.html`` shows.

    Returns:
        Variables of the template. ``state`` is "looking" for videos, "reading" them, "measuring" what a match
        means, or making "lines", while a run goes on; "stopped" or "failed" if the last one did not come to
        its end, else "idle". ``stage`` is what is under way: "pictures", "speech", "screen", or nothing.
        ``lines`` can go on beside ``progress``; ``lines_stopped`` is the source of those that did not come to
        their end. ``record`` is what the last run did that came to one.
    """
    folder = server.settings.library
    progress, move = read_progress(folder), read_progress(folder, MOVE_FILE)
    lines, left = server.library.run_status(LINES_FILE), read_progress(folder, LINES_FILE)
    record = read_run_record(folder)
    state = _state(server, progress, record, makes_lines=lines.running)
    of_pictures = state in {"looking", "reading", "measuring"}
    return {
        "state": state,
        "stage": "pictures" if of_pictures else lines.stage if lines.running else "",
        "progress": server.library.run_status(PROGRESS_FILE),
        "lines": lines if lines.running else None,
        "lines_stopped": left.source if left is not None and not left.is_running else None,
        "record": record,
        "move": move if move is not None and move.is_running else None,
        "move_stopped": move.bundle if move is not None and not move.is_running else "",
        "move_failed": server.mover.failed,
    }


def _state(
    server: Server, progress: IndexProgress | None, record: RunRecord | None, *, makes_lines: bool
) -> State:
    indexer = server.indexer
    if progress is not None and progress.is_running:
        return "reading" if progress.files else "looking"
    has_ended = _has_ended(server, record)
    if indexer.is_running and not has_ended:
        return "looking"
    if makes_lines:
        return "lines"
    if indexer.is_running:
        return "measuring"
    if progress is not None:
        return "stopped"
    return "failed" if indexer.failed and not has_ended else "idle"


def _has_ended(server: Server, record: RunRecord | None) -> bool:
    """Whether the pictures of the run that this server began last are done."""
    began = server.indexer.started_at
    return record is not None and began is not None and record.ended_at >= began
