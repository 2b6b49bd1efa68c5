"""``python benchmarks/generations.py``: what moving to another bundle costs, and searches meanwhile.

The videos are the demo clips, each several times with a byte more, so that each copy is a content of its own;
the bundle to come is the default one under another name and identity, so that both ways encode by the same
graphs. Compared are, as processes of their own, start-up and all:

- ``polyreel bundles set`` on a library that the default bundle made, up to the switch;
- ``polyreel index`` of the same videos by the bundle to come, into a new library.

Then one process searches, first alone and then while the move goes on in another. What a search costs is the
CPU time of its process: two processes on few cores make each other wait, which no layout of a library can
help; wall times are shown beside it.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from common import Report, alternate, median_cpu_s, median_wall_s, options, paired_ratio, polyreel, run
from demo_recall import fetched_clips
from polyreel.encoders.card import CARD_FILE, identity_of, read_card
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.library.search.search import Library
from polyreel.library.store.state import read_state
from polyreel.library.store.store import open_snapshot
from polyreel.library.store.tables import CLIPS

CLIPS_WANTED = 200
QUERIES = ("a dog runs", "watu wanacheza", "海浪", "un coche en la calle", "ein Kind lacht", "вода")
MOVE, AFRESH = "polyreel bundles set", "polyreel index afresh"


def main() -> int:
    """Make the videos and both libraries, time the two ways, then search beside a move."""
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is timed")
    arguments = parser.parse_args()
    report = Report("generations", arguments)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        videos = make_videos(home / "videos", 20 if arguments.quick else CLIPS_WANTED)
        to_come = another_bundle(home / "to come")
        run(polyreel("index", videos, "--library", home / "before", "--workers", "2"))
        clips = open_snapshot(home / "before").count(CLIPS)
        report.note(f"{len(list(videos.iterdir()))} videos, {clips} clips, as processes with two decoders.")
        compare(report, home, videos, to_come, 1 if arguments.quick else arguments.rounds)
        search_beside(report, home, to_come)
    return report.close()


def make_videos(folder: Path, clips: int) -> Path:
    """Copies of the demo clips until there are as many; a copy's content is its own by a byte at the end."""
    folder.mkdir()
    _, files = fetched_clips(pypi_only=False)
    for number in range(clips):
        source = files[number % len(files)]
        copy = folder / f"{number:03d}{source.suffix}"
        copy.write_bytes(source.read_bytes() + b"\0" * (number // len(files)))
    return folder


def another_bundle(folder: Path) -> Path:
    """The default bundle under another name and identity."""
    shutil.copytree(locate_bundle(), folder)
    card = read_card(folder)
    other = card.model_copy(update={"name": "to-come", "identity": identity_of({"of": card.identity})})
    (folder / CARD_FILE).write_text(other.model_dump_json(), encoding="utf-8")
    return folder


def compare(report: Report, home: Path, videos: Path, to_come: Path, rounds: int) -> None:
    """Time the two ways in turn."""

    def move() -> None:
        library = Path(shutil.copytree(home / "before", home / "moved"))
        run(polyreel("bundles", "set", to_come, "--library", library, "--workers", "2"))
        assert read_state(library).generation.bundle == "to-come"
        shutil.rmtree(library)

    def afresh() -> None:
        run(polyreel("index", videos, "--library", home / "new", "--bundle", to_come, "--workers", "2"))
        shutil.rmtree(home / "new")

    costs = alternate({MOVE: move, AFRESH: afresh}, rounds)
    rows = [(name, median_cpu_s(each), median_wall_s(each)) for name, each in costs.items()]
    report.table(f"Median of {rounds} rounds", ("way", "CPU s", "wall s"), rows)
    ratio = paired_ratio(costs[MOVE], costs[AFRESH])
    report.target("CPU of a move by that of indexing afresh", ratio, "<=", 1.1)


def search_beside(report: Report, home: Path, to_come: Path) -> None:
    """Search alone, then until the move has switched."""
    library = Path(shutil.copytree(home / "before", home / "searched"))
    bundles = {str(folder): Bundle(folder, threads=1) for folder in (locate_bundle(), to_come)}
    opened = Library(library, lambda location: bundles.get(location) or bundles[str(locate_bundle())])
    opened.search(QUERIES[0])
    alone = searches(opened, until=lambda count: count >= 300)
    command = [str(part) for part in polyreel("bundles", "set", to_come, "--library", library)]
    mover = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    beside = searches(opened, until=lambda _count: mover.poll() is not None)
    assert mover.returncode == 0
    assert opened.search(QUERIES[0]).bundle == "to-come"
    before = [cost for cost in beside if cost.bundle == "small"]
    medians = [
        (statistics.median(cost.cpu_s for cost in costs), statistics.median(cost.wall_s for cost in costs))
        for costs in (alone, before)
    ]
    rows = [
        (what, len(costs), 1000 * cpu_s, 1000 * wall_s)
        for what, costs, (cpu_s, wall_s) in zip(
            ("alone", "during a move"), (alone, before), medians, strict=True
        )
    ]
    report.table("A search", ("", "searches", "CPU ms, median", "wall ms, median"), rows)
    ratio = medians[1][0] / medians[0][0]
    report.target("CPU of a search during a move by that of one alone", ratio, "<=", 1.3)
    slowest = max(cost.cpu_s for cost in beside)
    report.note(f"The slowest search, such as the first after the switch, took {slowest:.2f} s of CPU.")


class Search(NamedTuple):
    """What one search took, and the bundle that answered."""

    cpu_s: float
    wall_s: float
    bundle: str


def searches(library: Library, *, until: Callable[[int], bool]) -> list[Search]:
    """Searches one after the other."""
    costs: list[Search] = []
    while not until(len(costs)):
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        found = library.search(QUERIES[len(costs) % len(QUERIES)])
        costs.append(Search(time.process_time() - cpu_s, time.perf_counter() - wall_s, found.bundle))
        assert found.hits
        time.sleep(0.02)  # searches of people, not a load test
    return costs


if __name__ == "__main__":
    sys.exit(main())
