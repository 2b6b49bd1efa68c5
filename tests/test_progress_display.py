"""Progress is a bar on a terminal and a line now and then in a log."""

from __future__ import annotations

import io
import time

from rich.console import Console

from polyreel.progress import progress_display
from polyreel.units import clock, count, duration, size


def shown(*, terminal: bool, log_every_s: float = 0.0) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100, highlight=False)
    with progress_display(console, log_every_s=log_every_s) as show:
        show.download("some-1.0.tar.gz", 500_000, 2_000_000)
        show.download("some-1.0.tar.gz", 2_000_000, 2_000_000)
        step = show.part_of("building the bundle")
        step("reading", 0, 4)
        step("writing", 3, 4)
        show("clips", 0, None)
        show("clips [a]", 1_000, 5_000)
        show("clips [a]", 1_000, 5_000)
        show("indexing", 100.0, 200.0, amount="1/2 files")
        show.say("left out: [b].mp4")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_log_has_a_line_for_what_is_new():
    lines = shown(terminal=False).splitlines()
    assert lines == [
        "500.0 kB of 2.0 MB: some-1.0.tar.gz",
        "2.0 MB of 2.0 MB: some-1.0.tar.gz",
        "0/4: building the bundle: reading",
        "3/4: building the bundle: writing",
        "clips",
        "1,000/5,000: clips [a]",
        "1/2 files: indexing",
        "left out: [b].mp4",
    ]


def test_a_short_task_leaves_a_log_alone():
    assert shown(terminal=False, log_every_s=30.0) == "left out: [b].mp4\n"


def test_a_log_is_never_silent_for_long():
    console = Console(file=io.StringIO(), force_terminal=False, width=100, highlight=False)
    with progress_display(console, log_every_s=0.04) as show:
        show.download("weights.whl", 0, 150_000_000)  # and nothing is said of it for as long as it takes
        time.sleep(0.2)
        show.download("weights.whl", 150_000_000, 150_000_000)
        said = console.file.getvalue().splitlines()
        time.sleep(0.1)
        assert console.file.getvalue().splitlines() == said  # nothing is under way
    assert said[:2] == ["fetching weights.whl, 150.0 MB", "0 B of 150.0 MB: weights.whl"]
    assert len(said) >= 3


def test_a_terminal_has_a_bar_that_goes():
    written = shown(terminal=True)
    assert "1/2 files" in written
    assert "left out: [b].mp4" in written
    assert written.rstrip().endswith("\x1b[2K")  # the line of the bar is wiped


def test_units_are_those_that_people_read():
    assert [clock(s) for s in (7, 750, 3_723)] == ["0:07", "12:30", "1:02:03"]
    assert [duration(s) for s in (90, 700, 12_240)] == ["90 s", "12 min", "3.4 h"]
    assert [size(n) for n in (12, 12_345_678, 2e12)] == ["12 B", "12.3 MB", "2.0 TB"]
    assert [count(n, "clip") for n in (0, 1, 1_200)] == ["no clips", "1 clip", "1,200 clips"]
    assert count(2, "entry", "entries") == "2 entries"
