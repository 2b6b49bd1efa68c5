"""What the last index run did, kept beside the tables for whoever asks once it is over."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from polyreel.files import read_regular, write_atomically

__all__ = ["MOST_PROBLEMS", "RUN_FILE", "RunProblem", "RunRecord", "read_run_record", "write_run_record"]

RUN_FILE = "last-run.json"
MOST_PROBLEMS = 100

Count = Annotated[int, Field(ge=0)]


class RunProblem(BaseModel):
    """A file or folder that could not be read: its path, what is wrong, and what to do."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    path: str
    message: str


class RunRecord(BaseModel):
    """One run that came to its end, or was interrupted.

    Attributes:
        ended_at: when, UTC.
        took_s: how long it took, seconds.
        new: files that were read and are in the library for the first time.
        reread: files that were read again because they had changed.
        linked: files whose content was known under another path.
        resubtitled: files of which only the subtitles were read again.
        removed: files that have left with their content.
        copies_removed: files that have left, and of which a copy stays.
        unchanged: files in the library that needed nothing.
        kept: files that were not found and yet stay.
        failed: files and folders that could not be read.
        problems: the first hundred of them.
        interrupted: the run was stopped before its end.
    """

    # A newer version may say more.
    model_config = ConfigDict(frozen=True, extra="ignore")

    ended_at: datetime
    took_s: Annotated[float, Field(ge=0)] = 0.0
    new: Count = 0
    reread: Count = 0
    linked: Count = 0
    resubtitled: Count = 0
    removed: Count = 0
    copies_removed: Count = 0
    unchanged: Count = 0
    kept: Count = 0
    failed: Count = 0
    problems: tuple[RunProblem, ...] = ()
    interrupted: bool = False

    @property
    def changed(self) -> bool:
        """Whether the library is not as it was."""
        gone = self.removed or self.copies_removed
        return bool(self.new or self.reread or self.linked or self.resubtitled or gone)


def read_run_record(folder: Path) -> RunRecord | None:
    """What the last run of the library in ``folder`` did; None if none has ended, or it cannot be read."""
    try:
        return RunRecord.model_validate_json(read_regular(folder / RUN_FILE))
    except (OSError, ValidationError):
        return None


def write_run_record(folder: Path, record: RunRecord) -> None:
    """Keep what a run did that ends now."""
    # Not worth a run, should the disk be full.
    with contextlib.suppress(OSError):
        write_atomically(folder / RUN_FILE, record.model_dump_json().encode())
