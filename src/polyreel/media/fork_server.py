"""Forks the processes that touch media files: ``python -m polyreel.media.fork_server CONTROL_FD``.

Loading PyAV and numpy takes a third of a second of CPU. It is done once here, and every worker (``worker``)
is a fork of this process, which itself never opens a file: what a crafted file does to a worker ends with it.

The program (``forked``) asks over a socket with a memory limit, a ``LONG``, and three descriptors: the
worker's stdin, its stdout, and a pipe on which the program is told the process id and, once the worker has
ended, its exit code. The server ends when the socket closes, as it does when the program dies; workers end
when their stdin closes.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys

from polyreel.media.wire import LONG
from polyreel.media.worker import serve

__all__ = ["main"]

_DESCRIPTORS = 3


def main() -> None:
    """Fork workers until the socket closes; in each of those, serve its requests."""
    memory_bytes = _fork_on_demand(socket.socket(fileno=int(sys.argv[1])))
    if memory_bytes is not None:
        serve(memory_bytes)


def _fork_on_demand(control: socket.socket) -> int | None:
    """Returns the memory limit in a new worker, and None here when nobody can ask any more."""
    ended, ended_writer = os.pipe()
    os.set_blocking(ended_writer, False)
    signal.set_wakeup_fd(ended_writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    gc.freeze()  # otherwise each worker's collector would copy the pages of all these modules
    tellers: dict[int, int] = {}  # process id -> the pipe that its exit code goes to
    while True:
        ready, _, _ = select.select([control.fileno(), ended], [], [])
        if ended in ready:
            os.read(ended, 1 << 10)
            _tell_who_ended(tellers)
        if control.fileno() not in ready:
            continue
        asked, descriptors, _, _ = socket.recv_fds(control, LONG.size, _DESCRIPTORS)
        if not asked:
            return None
        stdin, stdout, teller = descriptors
        worker = os.fork()
        if not worker:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(stdin, 0)
            os.dup2(stdout, 1)
            # One that held the pipe of another would keep its end from being seen.
            os.closerange(3, max(control.fileno(), ended_writer, *descriptors, *tellers.values()) + 1)
            control.detach()
            return int(LONG.unpack(asked)[0])
        os.close(stdin)
        os.close(stdout)
        tellers[worker] = teller
        _tell(teller, worker)


def _tell_who_ended(tellers: dict[int, int]) -> None:
    for worker in list(tellers):
        ended, status = os.waitpid(worker, os.WNOHANG)
        if ended:
            _tell(teller := tellers.pop(worker), os.waitstatus_to_exitcode(status))
            os.close(teller)


def _tell(teller: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody waits for that worker any more
        os.write(teller, LONG.pack(number))


if __name__ == "__main__":
    main()
