"""How much memory a process has held."""

from __future__ import annotations

from pathlib import Path

__all__ = ["peak_memory_bytes"]

_PEAK = "VmHWM:"


def peak_memory_bytes(process: int | None = None) -> int:
    """Largest resident size that a process has had since it began to execute its program, as Linux knows it.

    ``ru_maxrss`` would not do: a process begins with that of the one that it was forked from, whatever it
    executes.

    Args:
        process: id of the process; None is this one.

    Returns:
        Bytes; 0 where the system does not tell, as of a process that has ended.
    """
    try:
        status = Path("/proc", "self" if process is None else str(process), "status").read_bytes()
    except OSError:
        return 0
    lines = status.decode("ascii", "replace").splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(_PEAK))
