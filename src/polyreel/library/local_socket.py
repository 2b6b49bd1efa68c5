"""How a search on this machine finds the server that has the library open already, and asks it.

``polyreel serve`` listens at a socket of the file system too, in a folder that nobody but its user can enter:
no other user and no other machine reaches it, and it needs no token. Each connection brings one question and
one answer, each a line of JSON. Nothing here loads numpy or a model, so that asking costs little.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polyreel._version import __version__
from polyreel.packages.members import cache_dir

__all__ = ["MAX_REQUEST_BYTES", "ask_server", "is_private", "socket_path"]

MAX_REQUEST_BYTES = 1 << 16
# The longest name that Linux, macOS and the BSDs have room for.
_MAX_PATH_BYTES = 103
_PATIENCE_S = 3.0


def socket_path(library: Path) -> Path | None:
    """Where the server of a library listens, whether or not one does; None where no name is short enough.

    Args:
        library: folder of the library.
    """
    name = hashlib.sha256(os.fsencode(library.resolve())).hexdigest()[:24]
    path = cache_dir() / "sockets" / f"{name}.sock"
    return path if len(os.fsencode(path)) <= _MAX_PATH_BYTES and hasattr(socket, "AF_UNIX") else None


def is_private(folder: Path) -> bool:
    """Whether a folder belongs to the user who asks, and lets nobody else in."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def ask_server(library: Path, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the server of a library answers, a ``SearchResult`` as JSON.

    None if there is none, it is of another version, does not see the latest commit, or cannot answer.

    Args:
        library: folder of the library.
        request: arguments of the search, by name.
    """
    path = socket_path(library)
    if path is None or not path.exists() or not is_private(path.parent):
        return None
    asked = json.dumps({"version": __version__, **request}).encode() + b"\n"
    # A server that was killed, stopped or is at its limit: then the search is done here.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_PATIENCE_S)
            connection.connect(str(path))
            connection.sendall(asked)
            with connection.makefile("rb") as answers:
                answer = json.loads(answers.readline())
        result: dict[str, Any] | None = answer.get("result")
        return result
    return None
