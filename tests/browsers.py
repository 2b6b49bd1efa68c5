"""A real browser for tests, which can neither stop the run nor take the machine from it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# The shell has no window, tabs or sync of its own, and half the threads of the whole browser.
_NAMES = ("chromium-headless-shell", "chromium")
_ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]

# A browser that hangs also hangs what closes it: Playwright waits for that without end, and a test has no
# second timeout after its first. So the process of the test ends, which pytest-xdist reports.
ENDS_WITH_ITS_PROCESS = pytest.mark.timeout(150, method="thread")


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Any]:
    """Playwright's browser, started and closed; the test is skipped where there is none.

    Args:
        folder: Where the script that starts it is written.
    """
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is installed")
    with driver.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=_modest(program, folder), args=_ARGUMENTS)
        yield opened
        opened.close()


def _modest(program: str, folder: Path) -> str:
    """The program, or for root a script that starts it without the right to raise its own priority.

    Root's Chromium raises that of its threads, those that play sound to real time. Beside one that hung so,
    on two cores, all other tests took twenty times as long.
    """
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        return program
    script = folder / "browser"
    script.write_text(
        f'#!/bin/sh\nexec {setpriv} --inh-caps=-sys_nice --bounding-set=-sys_nice {program} "$@"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    return str(script)
