"""Runs that are started from the page, as processes of their own: one that indexes, and one that moves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from polyreel.encoders.registry import list_bundles
from polyreel.errors import LibraryBusyError, UnknownNameError, UsageError
from polyreel.library.index.progress_file import read_progress
from polyreel.library.store.state import require_state
from polyreel.library.store.store import MOVE_FILE
from polyreel.server.errors import ForbiddenError

__all__ = ["Indexer", "Mover", "installed_bundles"]


def installed_bundles() -> dict[str, str]:
    """Name and identity of the bundles that are installed and whole enough to have a card."""
    return {entry.name: entry.card.identity for entry in list_bundles() if entry.card is not None}


class Indexer:
    """Starts ``polyreel index`` for folders below ``roots``.

    Args:
        library: folder of the library.
        roots: allowed folders.

    Attributes:
        started_at: when this server's last run began, UTC; None if it has begun none.
    """

    def __init__(self, library: Path, roots: tuple[Path, ...]) -> None:
        self._library = library
        self.roots = tuple(root.expanduser().resolve() for root in roots)
        self.started_at: datetime | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()

    @property
    def is_running(self) -> bool:
        """Whether this server's run goes on; another's shows in ``read_progress``."""
        return self._process is not None and self._process.poll() is None

    @property
    def failed(self) -> bool:
        """Whether this server's last run ended with an error, and not because it was stopped."""
        return self._process is not None and self._process.poll() not in {None, 0, -signal.SIGTERM}

    def start(self, folder: str) -> None:
        """Begin to index a folder.

        Raises:
            ForbiddenError: it is not allowed.
            UsageError: it is not a folder.
            LibraryBusyError: a run goes on.
        """
        path = self._allowed(folder)
        with self._starting:
            other = read_progress(self._library)
            if self.is_running or (other is not None and other.is_running):
                raise LibraryBusyError("an index run is under way", remedy="Wait for it to end")
            self.started_at = datetime.now(UTC)
            self._process = _started("index", str(path), "--library", str(self._library))

    def stop(self) -> None:
        """End the run; what it has committed stays."""
        _stop(self._process)

    def _allowed(self, folder: str) -> Path:
        try:
            path = Path(folder).resolve()
        except (OSError, ValueError) as error:  # too long, or with a zero byte
            raise UsageError("not the name of a folder", value=repr(folder[:50])) from error
        # Links are followed before they are judged, so that none leads out.
        if not any(path.is_relative_to(root) for root in self.roots):
            raise ForbiddenError(
                "this folder may not be indexed from here",
                item=folder[:200],
                remedy="Start the server with --root FOLDER, or run 'polyreel index FOLDER'",
            )
        if not path.is_dir():
            raise UsageError("no such folder", item=folder[:200], remedy="Check the path")
        return path


class Mover:
    """Starts ``polyreel bundles set`` for bundles that are installed.

    Args:
        library: folder of the library.
        allowed: whether the page may start it; it is where it may index.
    """

    def __init__(self, library: Path, *, allowed: bool) -> None:
        self._library, self.allowed = library, allowed
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()

    def targets(self) -> list[str]:
        """Names of the bundles that the library can be moved to from here: not of the one in use.

        One of the same name that makes other embeddings, as it was built or imported anew, is another.
        """
        if not self.allowed:
            return []
        in_use = require_state(self._library).generation.identity
        return [name for name, identity in installed_bundles().items() if identity != in_use]

    @property
    def is_running(self) -> bool:
        """Whether this server's move goes on; another's shows in ``read_progress``."""
        return self._process is not None and self._process.poll() is None

    @property
    def failed(self) -> bool:
        """Whether this server's last move ended with an error, and not because it was stopped."""
        return self._process is not None and self._process.poll() not in {None, 0, -signal.SIGTERM}

    def start(self, bundle: str) -> None:
        """Begin to move the library to a bundle, or go on with that.

        Raises:
            ForbiddenError: this server starts nothing from its page.
            UnknownNameError: no bundle of this name is installed.
            UsageError: the library uses that bundle already.
            LibraryBusyError: a move goes on.
        """
        if not self.allowed:
            raise ForbiddenError(
                "the library may not be moved to another model from here",
                remedy="Start the server with --root FOLDER, or run 'polyreel bundles set NAME'",
            )
        if bundle not in (names := installed_bundles()):
            raise UnknownNameError("installed bundle", bundle[:50], list(names))
        if bundle not in self.targets():
            raise UsageError(
                "the library uses this model already", item=bundle[:50], remedy="Choose another one"
            )
        with self._starting:
            other = read_progress(self._library, MOVE_FILE)
            if self.is_running or (other is not None and other.is_running):
                raise LibraryBusyError(
                    "the library is being moved to another bundle already", remedy="Wait for that to end"
                )
            self._process = _started("bundles", "set", bundle, "--library", str(self._library))

    def stop(self) -> None:
        """End the move; what it has committed stays, and it can go on."""
        _stop(self._process)


def _started(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "polyreel", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr,
        cwd="/",
        # Searches come first.
        preexec_fn=_step_back,
    )


def _stop(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None and process.poll() is None:
        process.terminate()
        process.wait()


def _step_back() -> None:
    os.nice(10)
