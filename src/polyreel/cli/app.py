"""All verbs in one application, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from polyreel._version import __version__
from polyreel.cli import (
    bundles,
    data,
    demo,
    doctor,
    evaluate,
    export,
    index,
    report,
    score,
    search,
    serve,
    study,
    train,
    videos,
)
from polyreel.cli.output import print_error
from polyreel.errors import PolyreelError

__all__ = ["main"]

_FAILED = _INTERRUPTED = 1
_BAD_USAGE = 2

app = App(
    name="polyreel",
    version=__version__,
    help="Search video in any language, on an ordinary computer.",
    help_epilogue="Begin with: polyreel index ~/Videos && polyreel search 'mbwa anakimbia'",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
app.command(index.index)
app.command(search.search)
app.command(serve.serve)
app.command(doctor.doctor)
app.command(videos.app)
app.command(bundles.app)
app.command(data.app)
app.command(demo.demo)
app.command(evaluate.evaluate, name="eval")
app.command(report.report)
app.command(score.score)
app.command(train.train)
app.command(study.study)
app.command(export.export)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0 done, 1 failed, 2 bad usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Lance logs ordinary events as warnings. It reads this when it is first imported, which is later.
    os.environ.setdefault("LANCEDB_LOG", "error")
    as_json = "--json" in given
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for terminals that know few letters
    try:
        code = app(given, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        print_error(str(error), as_json=as_json, kind=type(error).__name__)
        return _BAD_USAGE
    except PolyreelError as error:
        print_error(str(error), as_json=as_json, kind=type(error).__name__)
        return error.exit_code
    except KeyboardInterrupt:
        print_error("interrupted", as_json=as_json, kind="KeyboardInterrupt")
        return _INTERRUPTED
    except BrokenPipeError:
        _drop_output()  # its reader has gone
        return 0
    except OSError as error:
        kind = type(error).__name__
        try:
            print_error(str(error), as_json=as_json, kind=kind)
            sys.stdout.flush()
        except OSError:  # it is the output itself that fails
            _drop_output()
            if as_json:
                print_error(str(error), as_json=False, kind=kind)
        return _FAILED
    return code if isinstance(code, int) else 0


def _drop_output() -> None:
    """Let what is left of the output go nowhere, so that Python does not fail over it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
