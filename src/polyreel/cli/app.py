"""All verbs in one application, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from polyreel import __version__
from polyreel.cli import bundles, demo, doctor, evaluate, index, report, score, search
from polyreel.cli.output import print_error
from polyreel.errors import PolyreelError

__all__ = ["main"]

_INTERRUPTED = 1
_BAD_USAGE = 2

app = App(
    name="polyreel",
    version=__version__,
    help="Search video in any language, on an ordinary computer.",
    help_epilogue="Begin with: polyreel index ~/Videos && polyreel search 'mbwa anakimbia'",
    result_action="return_value",
)
app.command(index.index)
app.command(search.search)
app.command(doctor.doctor)
app.command(bundles.app)
app.command(demo.demo)
app.command(evaluate.evaluate, name="eval")
app.command(report.report)
app.command(score.score)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0 done, 1 failed, 2 bad usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Lance logs ordinary events as warnings. It reads this when it is first imported, which is later.
    os.environ.setdefault("LANCEDB_LOG", "error")
    as_json = "--json" in given
    try:
        code = app(given, exit_on_error=False, print_error=False)
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
        # The reader of our output has gone; closing stdout quietly keeps Python from saying so again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0
