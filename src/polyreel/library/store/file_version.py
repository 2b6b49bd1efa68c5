"""What tells that a file is another than it was, without reading it."""

from __future__ import annotations

import os
from dataclasses import dataclass

__all__ = ["FileVersion"]

# What 64 bits of nanoseconds can say, 1677 to 2262. Some file systems know later dates.
_OLDEST_NS, _NEWEST_NS = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class FileVersion:
    """Size and time of a file.

    Attributes:
        size_bytes: its size.
        mtime_ns: time of its modification, nanoseconds since 1970, or the nearest that a library can keep.
    """

    size_bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, facts: os.stat_result) -> FileVersion:
        """That which the system told of a file."""
        return cls(facts.st_size, min(max(facts.st_mtime_ns, _OLDEST_NS), _NEWEST_NS))
