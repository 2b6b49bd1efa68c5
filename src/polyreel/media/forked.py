"""Starts and ends the workers that a fork server makes; one server a program, begun with the first."""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from typing import BinaryIO

from polyreel.errors import PolyreelError
from polyreel.media.wire import LONG

__all__ = ["ForkedWorker", "is_readable", "start_worker"]


# Loading PyAV takes a third of a second, on a machine that pages some more; a stopped process never ends it.
_STARTS_WITHIN_S = 60.0


class ForkedWorker:
    """A running worker, with as much of the face of ``subprocess.Popen`` as is needed.

    Args:
        pid: process id.
        stdin, stdout: its pipes.
        told: pipe on which the fork server tells its exit code.

    Attributes:
        returncode: exit code as of ``Popen``, None while it is not known to have ended.
    """

    def __init__(self, pid: int, stdin: BinaryIO, stdout: BinaryIO, told: BinaryIO) -> None:
        self.pid, self.stdin, self.stdout, self._told = pid, stdin, stdout, told
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(timeout=0.0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended; ``subprocess.TimeoutExpired`` after so many seconds without."""
        if self.returncode is None:
            if not is_readable(self._told.fileno(), timeout):
                raise subprocess.TimeoutExpired("worker", timeout or 0.0)
            said = self._told.read(LONG.size)
            self._told.close()
            if not said:  # the server was killed, and who else was is not known
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
            self.returncode = LONG.unpack(said)[0] if said else -signal.SIGKILL
        return self.returncode

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def is_readable(descriptor: int, timeout_s: float | None) -> bool:
    """Whether there is something to read, or the end, within so many seconds; None waits for it."""
    waiting = select.poll()  # ``select`` takes no descriptor above 1,023, which a server can have
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(None if timeout_s is None else timeout_s * 1000))


def start_worker(memory_bytes: int) -> ForkedWorker:
    """A new worker with a limit of its data memory.

    Raises:
        PolyreelError: no process could be made, which says nothing about the file that it was for.
    """
    try:
        return _started(memory_bytes)
    except (OSError, EOFError) as error:
        raise PolyreelError(
            "no process that decodes videos could be started",
            value=str(error) or "the one that starts them ended",
            remedy="See whether memory, processes or open files run out here (ulimit -a), then try again",
        ) from error


def _started(memory_bytes: int) -> ForkedWorker:
    global _server
    with _starting:
        if _server is not None and _server.owner != os.getpid():
            _server.close()
            _server = None
        if _server is not None:
            try:
                return _server.fork(memory_bytes)
            except (BrokenPipeError, EOFError, TimeoutError):  # it was killed or stopped
                _server.close()
                _server = None
        _server = _ForkServer()
        try:
            return _server.fork(memory_bytes)
        except (OSError, EOFError):
            _server.close()
            _server = None
            raise


class _ForkServer:
    """The program's end of the socket, and the server's process."""

    def __init__(self) -> None:
        self.owner = os.getpid()  # a fork of the program must not talk into what its parent says
        self._control, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as unless_started:
            unless_started.callback(self._control.close)
            self._process = subprocess.Popen(
                # -P: else a file of the folder that it is called in could pass for a module of its name.
                [sys.executable, "-P", "-m", "polyreel.media.fork_server", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # Pictures are small: a pool of threads for linear algebra would only cost memory.
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),  # it has to find what this did
                    "OPENBLAS_NUM_THREADS": "1",
                    "OMP_NUM_THREADS": "1",
                },
                # Ctrl-C in a terminal is for the program, which knows what to do with workers.
                process_group=0,
            )
            unless_started.pop_all()
        atexit.register(self.close)

    def fork(self, memory_bytes: int) -> ForkedWorker:
        their_stdin, stdin = os.pipe()
        stdout, their_stdout = os.pipe()
        told, teller = os.pipe()
        ours = os.fdopen(stdin, "wb"), os.fdopen(stdout, "rb", 0), os.fdopen(told, "rb", 0)
        try:
            socket.send_fds(self._control, [LONG.pack(memory_bytes)], [their_stdin, their_stdout, teller])
        except BrokenPipeError:
            _close(*ours)
            raise
        finally:
            for descriptor in (their_stdin, their_stdout, teller):
                os.close(descriptor)
        if not is_readable(ours[-1].fileno(), _STARTS_WITHIN_S):
            _close(*ours)
            raise TimeoutError(f"nothing was started within {_STARTS_WITHIN_S:.0f} s")
        pid = ours[-1].read(LONG.size)
        if not pid:
            _close(*ours)
            raise EOFError
        return ForkedWorker(LONG.unpack(pid)[0], *ours)

    def close(self) -> None:
        atexit.unregister(self.close)
        self._control.close()
        if self.owner == os.getpid():
            self._process.kill()
            self._process.wait()
        else:
            self._process.returncode = 0  # it is no child of this process, which need not wait for it


def _close(*files: BinaryIO) -> None:
    for file in files:
        file.close()


def _renew_lock() -> None:
    """A fork of the program has no thread that would let go of the lock."""
    global _starting
    _starting = threading.Lock()


_starting = threading.Lock()
_server: _ForkServer | None = None
os.register_at_fork(after_in_child=_renew_lock)
