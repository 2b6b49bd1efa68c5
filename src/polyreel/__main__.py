"""``python -m polyreel``, and what the command ``polyreel`` calls."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

__all__ = ["main"]

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C has ended, as in ``polyreel.interrupts``, which is not loaded for it."""


def main() -> int:
    """Load the command line and run it; Ctrl-C ends that with one line, too, while nothing has begun."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # else somebody has said what is to become of Ctrl-C
        # An exception would come out of the middle of an import, whoever's that is.
        signal.signal(signal.SIGINT, _end)
    from polyreel.cli.app import main as run

    signal.signal(signal.SIGINT, before)
    return run()


def _end(_signal: int, _frame: FrameType | None) -> None:
    if "--json" in sys.argv[1:]:
        os.write(1, b'{"error": {"kind": "KeyboardInterrupt", "message": "interrupted"}}\n')
    os.write(2, b"polyreel: interrupted\n")
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
