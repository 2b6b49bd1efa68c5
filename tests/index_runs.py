"""Index runs in processes of their own, to be killed, stopped and interrupted."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
from multiprocessing.connection import Connection
from pathlib import Path

# The processes are forked from one that has what takes longest to import. That is not Lance itself, which has
# threads, but what it brings along.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["lance_namespace", "onnxruntime", "polyreel.library", "index_runs"])
_PATIENCE_S = 60.0

STAGES = ("ready", "creating", "taking back", "committing", "dropping", "tidying", "caching")


class Run:
    """An index run in another process, with one worker and a commit for each file.

    Args:
        bundle, library, folder: where they are.
        max_file_bytes: how long a file that it writes may get.

    Attributes:
        said: facts that it told of, in order: ``{"stage": ..}`` before it does what a kill could spoil
            (``STAGES``), ``{"committed": [path, ..]}`` after each commit, and ``{"done": ..}`` or
            ``{"failed": ..}`` at the end.
    """

    def __init__(
        self, bundle: Path, library: Path, folder: Path, *, max_file_bytes: int | None = None
    ) -> None:
        self.said: list[dict] = []
        self._facts, end = _PROCESSES.Pipe(duplex=False)
        self._process = _PROCESSES.Process(target=_run, args=(end, bundle, library, folder, max_file_bytes))
        self._process.start()
        end.close()

    def until(self, fact: str, value: object = None, *, times: int = 1) -> None:
        """Wait until it has said ``fact`` so many times, or ends."""
        while times and self._hear():
            times -= fact in self.said[-1] and value in (None, self.said[-1][fact])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the run has ended."""
        assert self._process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def end(self) -> int:
        """Wait for its end and return the exit status."""
        while self._hear():
            pass
        self._process.join(_PATIENCE_S)
        status = self._process.exitcode
        assert status is not None, "the run hangs"
        self._process.close()
        self._facts.close()
        return status

    def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        self.end()

    @property
    def acknowledged(self) -> set[str]:
        """Paths that it said are committed."""
        return {path for fact in self.said for path in fact.get("committed", ())}

    @property
    def done(self) -> dict | None:
        """What it said at the end, None if it did not get there."""
        return next((fact for fact in self.said if "done" in fact), None)

    @property
    def failure(self) -> str:
        """Kind and message of the error that it ended with."""
        return next(f"{fact['failed']}: {fact['message']}" for fact in self.said if "failed" in fact)

    def _hear(self) -> bool:
        try:
            assert self._facts.poll(_PATIENCE_S), "the run hangs"
            self.said.append(self._facts.recv())
        except (EOFError, OSError):  # what a kill cut short was not said
            return False
        return True


def _run(facts: Connection, bundle: Path, library: Path, folder: Path, max_file_bytes: int | None) -> None:
    import lancedb  # noqa: F401  beforehand, so that a kill hits the run and not the import

    from polyreel.encoders.runtime import Bundle
    from polyreel.errors import PolyreelError
    from polyreel.library.index.events import Committed, IndexEvent
    from polyreel.library.index.indexing import index
    from polyreel.library.search import search_index as searchable
    from polyreel.library.store import store
    from polyreel.library.store import table_files as durable

    signal.signal(signal.SIGINT, signal.default_int_handler)  # the server that it was forked from ignores it

    def follow(event: IndexEvent) -> None:
        if isinstance(event, Committed):
            facts.send({"committed": event.paths})

    def announce(owner: object, name: str, stage: str) -> None:
        work = getattr(owner, name)

        def announced(*arguments: object) -> object:
            facts.send({"stage": stage})
            return work(*arguments)

        setattr(owner, name, announced)

    announce(store, "create_library", "creating")
    announce(store.Writer, "_take_back", "taking back")
    announce(store.Writer, "commit", "committing")
    announce(store.Writer, "drop_orphans", "dropping")
    announce(store.Writer, "tidy", "tidying")
    announce(searchable, "_write", "caching")
    # A kill, unlike a power cut, leaves what was written; waiting for the disk would take longest.
    durable.sync = lambda _path: None
    if max_file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))
    facts.send({"stage": "ready"})
    options = {"location": str(bundle), "workers": 1, "commit_every_s": 0, "on_event": follow}
    try:
        report = index([folder], library, Bundle(bundle, threads=1), **options)
    except PolyreelError as error:
        facts.send({"failed": type(error).__name__, "message": str(error)})
    else:
        facts.send({"done": report.indexed, "changed": report.changed, "interrupted": report.interrupted})
