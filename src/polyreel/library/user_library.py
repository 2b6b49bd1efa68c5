"""Which library is meant where none is named; apart, because who asks a server needs no more than that."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from polyreel.files import absolute

__all__ = ["user_library"]


def user_library() -> Path:
    """``$POLYREEL_LIBRARY``, or a folder among the user's own data."""
    named = os.environ.get("POLYREEL_LIBRARY")
    return absolute(Path(named)) if named else Path(platformdirs.user_data_dir("polyreel")) / "library"
