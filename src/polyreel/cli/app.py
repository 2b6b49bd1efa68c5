"""All verbs in one application, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from polyreel._version import __version__
from polyreel.cli.bad_usage import bad_usage, unusable_words
from polyreel.cli.output import print_error
from polyreel.errors import PolyreelError
from polyreel.interrupts import INTERRUPTED

__all__ = ["VERBS", "build_app", "main"]

_FAILED = 1
_BAD_USAGE = 2
_BEGIN = "Begin with: polyreel index ~/Videos && polyreel search 'mbwa anakimbia'"
_REMEDIES = {
    errno.ENOENT: "Check the path; folders have to be there",
    errno.EACCES: "Check who may read and write there",
    errno.EISDIR: "Name a file",
    errno.ENOSPC: "Free some space, and run it again",
    errno.EROFS: "Name a place that can be written to",
}

VERBS = {
    "index": (
        "polyreel.cli.index:index",
        "Make video searchable: read what is new or changed, leave what is not.",
    ),
    "search": (
        "polyreel.cli.search:search",
        "Find moments that match a sentence in any language, a picture or a clip.",
    ),
    "cut": (
        "polyreel.cli.cut:cut",
        "Cut a moment out of a video, with its sound and subtitles: a hit of the last search, or any times.",
    ),
    "transcribe": ("polyreel.cli.transcribe:transcribe", "Write down what is said in videos, as subtitles."),
    "serve": ("polyreel.cli.serve:serve", "Serve a page to search with, and a REST API for programs."),
    "mcp": (
        "polyreel.cli.mcp:mcp",
        "Let agents search: tools over the Model Context Protocol, on standard input and output.",
    ),
    "doctor": (
        "polyreel.cli.doctor:doctor",
        "Report the library's health: unreadable files and why, versions, space, bundle.",
    ),
    "videos": (
        "polyreel.cli.videos:app",
        "The videos of a library: list them, forget them, tell where they are now.",
    ),
    "bundles": (
        "polyreel.cli.bundles:app",
        "Models: list them, show one's card, build or import one, move a library to one.",
    ),
    "data": (
        "polyreel.cli.data:app",
        "Datasets: list them, fetch them, build a table of one, check it.",
    ),
    "demo": (
        "polyreel.cli.demo:demo",
        "Fetch real clips, index them, search them in nine languages and measure the recall.",
    ),
    "eval": (
        "polyreel.cli.evaluate:evaluate",
        "Measure text-to-video, text-to-image or text-to-text retrieval, per language and across languages.",
    ),
    "report": (
        "polyreel.cli.report:report",
        "Set results side by side: figures with intervals, plots, paired comparisons, and how each was made.",
    ),
    "score": (
        "polyreel.cli.score:score",
        "Recall, ranks and MRR of a similarity matrix, with intervals; ties favour nobody and nothing is "
        "dropped.",
    ),
    "train": (
        "polyreel.cli.train:train",
        "Train a model as a recipe says; with torchrun, on several processes.",
    ),
    "study": (
        "polyreel.cli.study:study",
        "Train and measure all arms of a study, and answer the questions of its register.",
    ),
    "export": (
        "polyreel.cli.export:export",
        "Turn a checkpoint into a bundle that searches and evaluates without PyTorch.",
    ),
}
"""Verb -> where cyclopts finds it when it is called, and its line of help. ``--help`` imports none."""

_GROUPS = frozenset(verb for verb, (place, _) in VERBS.items() if place.endswith(":app"))


def build_app(called: Sequence[str] = ()) -> App:
    """All verbs, none of them imported yet; those in ``called`` take their help from their own docstrings."""
    app = App(
        name="polyreel",
        version=__version__,
        help="Search video in any language, on an ordinary computer.",
        help_epilogue=None if VERBS.keys() & set(called) else _BEGIN,  # verbs would inherit it
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for verb, (place, said) in VERBS.items():
        app.command(place, name=verb, help=None if verb in called else said)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0 done, 1 failed, 2 bad usage, 130 Ctrl-C."""
    given = _as_options(list(sys.argv[1:] if arguments is None else arguments))
    as_json = "--json" in given
    if (said := unusable_words(given)) is not None:
        print_error(said, as_json=as_json, kind="UsageError")
        return _BAD_USAGE
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for terminals that know few letters
    try:
        code = build_app(given)(given, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        print_error(bad_usage(error, groups=_GROUPS), as_json=as_json, kind=type(error).__name__)
        return _BAD_USAGE
    except PolyreelError as error:
        print_error(str(error), as_json=as_json, kind=type(error).__name__)
        return error.exit_code
    except KeyboardInterrupt:
        print_error("interrupted", as_json=as_json, kind="KeyboardInterrupt")
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()  # its reader has gone
        return 0
    except MemoryError as error:
        said = " ".join(str(error).split())
        print_error(
            f"memory ran out{f' ({said})' if said else ''}. Close other programs or allow this one more "
            "(ulimit -v), and do less at once: fewer --workers, shorter lists",
            as_json=as_json,
            kind="MemoryError",
        )
        return _FAILED
    except OSError as error:
        kind = type(error).__name__
        try:
            print_error(_told(error), as_json=as_json, kind=kind)
            sys.stdout.flush()
        except OSError:  # it is the output itself that fails
            _drop_output()
            if as_json:
                print_error(_told(error), as_json=False, kind=kind)
        return _FAILED
    return code if isinstance(code, int) else 0


def _told(error: OSError) -> str:
    """What the system says, of which file and what to do, in the form of other messages."""
    if error.strerror is None or error.filename is None:
        return str(error)
    remedy = _REMEDIES.get(error.errno) if error.errno is not None else None
    return str(PolyreelError(error.strerror, item=error.filename, remedy=remedy))


def _as_options(given: list[str]) -> list[str]:
    """``help`` and ``version``, which other programs have as verbs, as the options that they are here."""
    place = 1 if given[:1] and given[0] in _GROUPS else 0
    if given[place : place + 1] == ["help"]:
        return [*given[:place], *given[place + 1 :], "--help"]
    return ["--version", *given[1:]] if given[:1] == ["version"] else given


def _drop_output() -> None:
    """Let what is left of the output go nowhere, so that Python does not fail over it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
