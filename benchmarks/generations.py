"""``python benchmarks/generations.py``: what moving to another bundle costs, and searches meanwhile.

The videos are made here, 40 of five scenes of four seconds each; small, so that what a move does beside
encoding weighs more than it does with real ones. The bundle to come is the default one under another name and
identity, so that both ways encode by the same graphs. Compared are, as processes of their own, start-up and
all:

- ``polyreel bundles set`` on a library that the default bundle made, up to the switch;
- the same on a library that keeps the features of frames, which the bundle to come makes alike;
- ``polyreel index`` of the same videos by the bundle to come, into a new library.

Then one process searches, first alone and then while the move goes on in another. What a search costs is the
CPU time of its process: two processes on few cores make each other wait, which no layout of a library can
help; wall times are shown beside it.

``--features-of LIBRARY`` says instead what keeping the features of all frames of a library takes on the disk,
and what encoding its clips from them costs.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from common import Report, alternate, median_cpu_s, median_wall_s, options, paired_ratio, polyreel, run
from polyreel.encoders.card import CARD_FILE, identity_of, read_card
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.library.search.search import Library
from polyreel.library.store.state import read_state
from polyreel.library.store.store import open_snapshot
from polyreel.library.store.tables import CLIPS

VIDEOS, SCENES, SCENE_S, FPS = 40, 5, 4, 12
WIDTH_PX, HEIGHT_PX = 320, 240
SEARCHES = 150
QUERIES = ("a dog runs", "watu wanacheza", "海浪", "un coche en la calle", "ein Kind lacht", "вода")
MOVE, AFRESH = "polyreel bundles set", "polyreel index afresh"
KEPT = f"{MOVE}, features kept"


def main() -> int:
    """Make the videos and both libraries, time the two ways, then search beside a move."""
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is timed")
    parser.add_argument("--features-of", type=Path, help="a library that the default bundle made")
    arguments = parser.parse_args()
    report = Report("generations", arguments)
    if arguments.features_of:
        kept_features(report, arguments.features_of)
        return report.close()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        videos = make_videos(home / "videos", 4 if arguments.quick else VIDEOS, arguments.seed)
        to_come = another_bundle(home / "to come")
        for name, beside in (("before", ()), ("keeping", ("--keep-features",))):
            run(polyreel("index", videos, "--library", home / name, "--workers", "2", *beside))
        clips = open_snapshot(home / "before").count(CLIPS)
        report.note(f"{len(list(videos.iterdir()))} videos, {clips} clips, as processes with two decoders.")
        compare(report, home, videos, to_come, 1 if arguments.quick else arguments.rounds)
        search_beside(report, home, to_come)
    return report.close()


def make_videos(folder: Path, count: int, seed: int) -> Path:
    """Videos of scenes that each are a coarse picture drawn at random, which drifts sideways."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    cell_px = 40
    for number in range(count):
        with av.open(folder / f"{number:03d}.mp4", "w") as container:
            stream = container.add_stream("mpeg4", rate=FPS)
            stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
            for scene in range(SCENES):
                cells = rng.integers(0, 256, (HEIGHT_PX // cell_px, WIDTH_PX // cell_px, 3), dtype=np.uint8)
                picture = np.kron(cells, np.ones((cell_px, cell_px, 1), np.uint8))
                for step in range(SCENE_S * FPS):
                    frame = av.VideoFrame.from_ndarray(np.roll(picture, step, axis=1), format="rgb24")
                    frame.pts, frame.time_base = scene * SCENE_S * FPS + step, Fraction(1, FPS)
                    container.mux(stream.encode(frame))
            container.mux(stream.encode())
    return folder


def another_bundle(folder: Path) -> Path:
    """The default bundle under another name and identity."""
    shutil.copytree(locate_bundle(), folder)
    card = read_card(folder)
    other = card.model_copy(update={"name": "to-come", "identity": identity_of({"of": card.identity})})
    (folder / CARD_FILE).write_text(other.model_dump_json(), encoding="utf-8")
    return folder


def compare(report: Report, home: Path, videos: Path, to_come: Path, rounds: int) -> None:
    """Time the ways in turn."""

    def move(made: str = "before") -> None:
        library = Path(shutil.copytree(home / made, home / "moved"))
        run(polyreel("bundles", "set", to_come, "--library", library, "--workers", "2"))
        assert read_state(library).generation.bundle == "to-come"
        shutil.rmtree(library)

    def afresh() -> None:
        run(polyreel("index", videos, "--library", home / "new", "--bundle", to_come, "--workers", "2"))
        shutil.rmtree(home / "new")

    costs = alternate({MOVE: move, KEPT: lambda: move("keeping"), AFRESH: afresh}, rounds)
    rows = [(name, median_cpu_s(each), median_wall_s(each)) for name, each in costs.items()]
    report.table(f"Median of {rounds} rounds", ("way", "CPU s", "wall s"), rows)
    ratio = paired_ratio(costs[MOVE], costs[AFRESH])
    report.target("CPU of a move by that of indexing afresh", ratio, "<=", 1.1)
    report.note(f"From kept features, by indexing afresh: {paired_ratio(costs[KEPT], costs[AFRESH]):.2f}.")


def search_beside(report: Report, home: Path, to_come: Path) -> None:
    """Search alone, then until the move has switched."""
    library = Path(shutil.copytree(home / "before", home / "searched"))
    bundles = {str(folder): Bundle(folder, threads=1) for folder in (locate_bundle(), to_come)}
    opened = Library(library, lambda location: bundles.get(location) or bundles[str(locate_bundle())])
    opened.search(QUERIES[0])
    wanted = 20 if report.arguments.quick else SEARCHES
    alone = searches(opened, until=lambda count: count >= wanted)
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


def kept_features(report: Report, library: Path) -> None:
    """Room and CPU time, an hour of video, of frame features that were kept as half floats."""
    snapshot, bundle = open_snapshot(library), Bundle(locate_bundle(), threads=1)
    rows = snapshot.read(CLIPS, ["start_s", "end_s"]).to_pylist()
    lengths_s = [row["end_s"] - row["start_s"] for row in rows]
    hours, spec = sum(lengths_s) / 3600, bundle.card.frames
    frames = [max(1, round(length_s * spec.fps)) for length_s in lengths_s]
    features = np.random.default_rng(report.arguments.seed).random((max(frames), spec.dim), dtype=np.float32)
    bundle.encode_video([features])
    began_s = time.process_time()
    for count in frames:
        bundle.encode_video([features[:count]])
    video_s = time.process_time() - began_s
    pictures = sum(file.stat().st_size for file in (library / "thumbs").rglob("*.jpg"))
    rows_mb = [
        ("frame features, half floats", 2 * spec.dim * sum(frames)),
        ("vectors of clips, half floats", 2 * bundle.card.dim * len(rows)),
        ("pictures of clips", pictures),
    ]
    report.table(
        f"{len(rows)} clips, {60 * hours:.0f} minutes, {sum(frames)} frames: an hour of video takes",
        ("", "MB"),
        [(what, size_bytes / 1e6 / hours) for what, size_bytes in rows_mb],
    )
    report.note(
        f"Encoding the clips of an hour from its frame features takes {video_s / hours:.2f} s of CPU."
    )


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
        # Searches of people, not a load test: however slow the machine is, most of it is left to the move.
        time.sleep(max(0.05, 4 * costs[-1].wall_s))
    return costs


if __name__ == "__main__":
    sys.exit(main())
