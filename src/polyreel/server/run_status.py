"""How the runs that write the library stand: what a page says of indexing and of moving to another model."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from polyreel.library.index.progress_file import IndexProgress, read_progress
from polyreel.library.index.run_record import RunRecord, read_run_record
from polyreel.library.store.store import MOVE_FILE
from polyreel.server.state import Server

__all__ = ["run_status", "was_under_way"]

State = Literal["looking", "reading", "measuring", "stopped", "failed", "idle"]

# Before, an estimate says more about the first file than about the rest.
_ESTIMATE_FROM_S, _ESTIMATE_FROM_SHARE = 10.0, 0.02


def run_status(server: Server) -> dict[str, Any]:
    """What ``progress.html`` shows.

    Returns:
        Variables of the template. ``state`` is "looking" for videos, "reading" them, or "measuring" what a
        match means, while a run goes on; "stopped" or "failed" if the last one did not come to its end, else
        "idle". ``record`` is what the last run did that came to one.
    """
    folder = server.settings.library
    progress, move = read_progress(folder), read_progress(folder, MOVE_FILE)
    record = read_run_record(folder)
    state = _state(server, progress, record)
    return {
        "state": state,
        "progress": server.library.index_status(),
        "left_s": None if progress is None or state != "reading" else _left_s(progress),
        "record": record,
        "move": move if move is not None and move.is_running else None,
        "move_stopped": move.bundle if move is not None and not move.is_running else "",
        "move_failed": server.mover.failed,
    }


def was_under_way(state: str) -> bool:
    """Whether a state is one of a run that goes on."""
    return state in {"looking", "reading", "measuring"}


def _state(server: Server, progress: IndexProgress | None, record: RunRecord | None) -> State:
    indexer = server.indexer
    if progress is not None and progress.is_running:
        return "reading" if progress.files else "looking"
    began = indexer.started_at
    has_ended = record is not None and began is not None and record.ended_at >= began
    if indexer.is_running:
        return "measuring" if has_ended else "looking"
    if progress is not None:
        return "stopped"
    return "failed" if indexer.failed and not has_ended else "idle"


def _left_s(progress: IndexProgress) -> float | None:
    """Seconds that the rest will take at the pace so far; None where that cannot be told yet."""
    took_s = (datetime.now(UTC) - progress.started_at).total_seconds()
    if took_s < _ESTIMATE_FROM_S or progress.share < _ESTIMATE_FROM_SHARE:
        return None
    return took_s * (1 - progress.share) / progress.share
