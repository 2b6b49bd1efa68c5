"""Which library is meant where none is named; apart, because who asks a server needs no more than that."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from polyreel.remote.address import on_a_disk

__all__ = ["user_library"]


def user_library() -> Path:
    """``$POLYREEL_LIBRARY``, or a folder among the user's own data. Raises as ``on_a_disk``."""
    named = os.environ.get("POLYREEL_LIBRARY")
    return on_a_disk(named) if named else Path(platformdirs.user_data_dir("polyreel")) / "library"
