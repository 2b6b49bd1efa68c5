"""Being asked to stop: by the system (SIGTERM) or at the keyboard (SIGINT)."""

from __future__ import annotations

import signal
import threading
from types import FrameType

__all__ = ["StopRequest"]


class StopRequest:
    """While this is entered, the first signal is noted and the run ends after its step.

    A Ctrl-C behind it breaks the run off; another SIGTERM, which a cluster may send several times, does not.

    Outside the main thread nothing is caught, as Python allows it nowhere else.

    Attributes:
        signal: number of the signal that came, None so far.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
