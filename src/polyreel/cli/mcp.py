"""``polyreel mcp``: the library as tools for agents."""

from __future__ import annotations

import functools
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from polyreel.cli.options import Device, LibraryOption, default_library, load_bundle
from polyreel.cli.output import stderr
from polyreel.errors import UsageError
from polyreel.extras import missing_extra
from polyreel.files import absolute

if TYPE_CHECKING:
    from polyreel.library.search.search import Library

__all__ = ["mcp"]


def mcp(*, library: LibraryOption = None, cuts: Path | None = None, device: Device = None) -> int:
    """Let agents search: tools over the Model Context Protocol, on standard input and output.

    It is for a program to start, and ends when that closes its input; see docs/agents.md.

    Example: polyreel mcp --library demo-library

    Args:
        cuts: Folder that agents may cut moments into; without it they write nothing.
    """
    into = _folder_for_cuts(cuts, default_library(library)) if cuts is not None else None
    try:
        from polyreel.agents.serving import serve_stdio
    except ModuleNotFoundError as error:
        raise missing_extra(
            "mcp", "a package that agents' tools need is not installed", item=error.name
        ) from error
    from polyreel.library.search.search import Library

    folder, opening = default_library(library), threading.Lock()
    opened: Library | None = None

    def open_when_asked() -> Library:
        # A client waits seconds for a server to come up; building a bundle takes longer. And what is not
        # there yet can be told to an agent, and can be there at its next call.
        nonlocal opened
        with opening:
            if opened is None:
                opened = Library(folder, functools.partial(load_bundle, device=device))
            opened.calibrate()  # once a commit
            return opened

    if sys.stdin.isatty():
        stderr.print(
            "Waiting for a program that speaks the Model Context Protocol. Ctrl-C ends it.", style="dim"
        )
    # No exception wakes the thread that waits for input: Ctrl-C would do nothing until a line comes.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        serve_stdio(open_when_asked, into)
    finally:
        signal.signal(signal.SIGINT, before)
    return 0


def _folder_for_cuts(named: Path, library: Path) -> Path:
    folder = absolute(named)
    if not folder.is_dir():
        raise UsageError("the folder for cuts is not there", item=folder, remedy="Make it, or name another")
    if folder.resolve().is_relative_to(library.resolve()):
        raise UsageError(
            "nothing is written into the folder of a library", item=folder, remedy="Name another folder"
        )
    return folder
