"""Index runs that are started from the page: processes of their own, one at a time, in allowed folders."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from polyreel.errors import LibraryBusyError, UsageError
from polyreel.library.index.progress_file import read_progress
from polyreel.server.errors import ForbiddenError

__all__ = ["Indexer"]


class Indexer:
    """Starts ``polyreel index`` for folders below ``roots``.

    Args:
        library: folder of the library.
        roots: allowed folders.
    """

    def __init__(self, library: Path, roots: tuple[Path, ...]) -> None:
        self._library = library
        self.roots = tuple(root.expanduser().resolve() for root in roots)
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()

    @property
    def is_running(self) -> bool:
        """Whether this server's run goes on; another's shows in ``read_progress``."""
        return self._process is not None and self._process.poll() is None

    @property
    def failed(self) -> bool:
        """Whether this server's last run ended with an error."""
        return self._process is not None and self._process.poll() not in {None, 0}

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
            self._process = subprocess.Popen(
                [sys.executable, "-m", "polyreel", "index", str(path), "--library", str(self._library)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=sys.stderr,
                cwd="/",
                # Searches come first.
                preexec_fn=_step_back,
            )

    def stop(self) -> None:
        """End the run; what it has committed stays."""
        if self.is_running and self._process is not None:
            self._process.terminate()
            self._process.wait()

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


def _step_back() -> None:
    os.nice(10)
