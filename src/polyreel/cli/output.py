"""Output of the verbs: results on stdout, progress and messages on stderr."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from typing import Any

from rich.console import Console

from polyreel.progress import ProgressDisplay, progress_display

__all__ = ["print_error", "print_json", "show_progress", "stderr", "stdout"]

stdout = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # stdout knows few letters, or a file has a name that is no text
        text = json.dumps(document, indent=1, allow_nan=False)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_error(message: str, *, as_json: bool, kind: str) -> None:
    """Print one message on stderr, with ``--json`` also as a document on stdout.

    Args:
        message: for people.
        as_json: whether ``--json`` was given.
        kind: name of the error's class.
    """
    if as_json:
        print_json({"error": {"kind": kind, "message": message}})
    stderr.print(f"polyreel: {message}", style="bold red", markup=False, soft_wrap=True)


def show_progress(*, log_every_s: float = 30.0) -> AbstractContextManager[ProgressDisplay]:
    """Progress on stderr, until the block ends."""
    return progress_display(stderr, log_every_s=log_every_s)
