"""Numbers for TensorBoard, in the format of its own package.

PyTorch's ``SummaryWriter`` writes from another thread, which can but print a traceback when the disk is full.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from pathlib import Path

__all__ = ["TensorBoardFile"]


class TensorBoardFile:
    """An event file.

    Args:
        folder: of the run's event files.
        step: what an earlier file says of later steps is void.

    Raises:
        ImportError: TensorBoard is not installed.
        OSError: the file cannot be written.
    """

    def __init__(self, folder: Path, *, step: int) -> None:
        # Imported late: it takes a second, and runs do without it.
        from tensorboard.compat.proto import event_pb2, summary_pb2  # type: ignore[import-untyped]
        from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        folder.mkdir(parents=True, exist_ok=True)
        now_s = time.time()
        self.path = folder / f"events.out.tfevents.{int(now_s)}.{socket.gethostname()}.{step}"
        self._file = self.path.open("ab", buffering=0)
        self._records = RecordWriter(self._file)
        self._put(file_version="brain.Event:2")
        self._put(step=step + 1, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START))

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Name -> number after that step."""
        values = [self._summary.Value(tag=name, simple_value=number) for name, number in numbers.items()]
        self._put(step=step, summary=self._summary(value=values))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _put(self, **content: object) -> None:
        event = self._event(wall_time=time.time(), **content)
        self._records.write(event.SerializeToString())
