"""``python benchmarks/scale_out.py``: what ``polyreel index --ray`` costs, and where many nodes saturate.

Sixty of the demo's clips are indexed into new libraries: by two workers without Ray, and by two readers and
by one on a local cluster, start-up included. CPU time is that of all processes, Ray's own among them, looked
at ten times a second. Then the driver is fed with ready answers as fast as it takes them: files of clips with
pictures and vectors of the bundle's size, collected and committed as in any run. On two idle cores all of it
takes about six minutes: the runs are repeated as often as ``--minutes`` allow, and none of them may take more
than ten minutes.

What was measured feeds a simulation of 1, 10 and 100 nodes of 16 CPUs that index 100,000 hours: readers, the
driver, its link and its disk, and the mount that all videos are read from each have a rate, and the slowest
is what saturates. The same simulation says how long the runs with one and two readers take.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psutil

from common import SKIPPED, Report, family, options, polyreel
from demo_recall import fetched_clips
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.library.index.decode_pool import Job
from polyreel.library.index.encoding import ClipEncoded, ReadEvent
from polyreel.library.index.indexing import index
from polyreel.library.store.store import open_snapshot
from polyreel.library.store.tables import CLIPS
from polyreel.media.health import Health
from polyreel.media.limited import Finished, Opened

VIDEOS, VIDEOS_QUICK = 60, 2
FED, FED_QUICK = 1500, 20
LOOK_EVERY_S = 0.1
LONGEST_RUN_S = 600.0
PLAIN, TWO, ONE = "2 workers, without Ray", "--ray, 2 readers", "--ray, 1 reader"
HOURS, CPUS_A_NODE = 100_000, 16
# Assumed, not measured: ten gigabits a second, and a good solid state disk.
LINK_BYTES_S, DISK_BYTES_S = 1.25e9, 1e9
CLIPS_A_FILE = 20


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run took.

    Attributes:
        wall_s, cpu_s: of the whole run, and of all processes.
        driver_s: CPU time of the process that was started.
        video_s, clips: seconds of video that it read, and clips that it made.
        library_bytes: size of all files of the library.
    """

    wall_s: float
    cpu_s: float
    driver_s: float
    video_s: float
    clips: int
    library_bytes: int


@dataclass(frozen=True, slots=True)
class Rates:
    """What was measured of one reader, one driver and one hour of video.

    Attributes:
        start_s: before the first file is read.
        hours_a_reader_s: hours of video that a reader reads in a second.
        hours_a_driver_s: hours of video that the driver commits in a second.
        source_bytes, answer_bytes, library_bytes: for each hour of video.
    """

    start_s: float
    hours_a_reader_s: float
    hours_a_driver_s: float
    source_bytes: float
    answer_bytes: float
    library_bytes: float

    def hours_a_second(self, readers: int) -> dict[str, float]:
        """How much video each part of a cluster can take."""
        return {
            "readers": readers * self.hours_a_reader_s,
            "driver": self.hours_a_driver_s,
            "mount of the videos": LINK_BYTES_S / self.source_bytes,
            "driver's link": LINK_BYTES_S / self.answer_bytes,
            "driver's disk": DISK_BYTES_S / self.library_bytes,
        }

    def wall_s(self, hours: float, readers: int) -> float:
        """How long it takes."""
        return self.start_s + hours / min(self.hours_a_second(readers).values())


def main() -> int:
    """Run, feed the driver, and reckon."""
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each run is repeated, at most")
    parser.add_argument("--minutes", type=float, default=5.0, help="no round begins that would end later")
    arguments = parser.parse_args()
    if find_spec("ray") is None:
        print("scale_out.py needs the extra polyreel[scale]", file=sys.stderr)
        return SKIPPED
    report = Report("scale_out", arguments, ("ray",))
    bundle = Bundle(locate_bundle())
    _, files = fetched_clips(pypi_only=False)
    videos = files[: VIDEOS_QUICK if arguments.quick else VIDEOS]
    rounds = 1 if arguments.quick else arguments.rounds
    ran = side_by_side(videos, rounds, limit_s=60 * arguments.minutes)
    with tempfile.TemporaryDirectory(prefix="polyreel-library-") as library:
        smallest = min(videos, key=lambda path: path.stat().st_size)
        start = watched([smallest], Path(library), ("--workers", "2", "--ray"))
    costs(report, ran, start, len(videos))
    with tempfile.TemporaryDirectory(prefix="polyreel-fed-") as folder:
        fed = feed(Path(folder), bundle, files=FED_QUICK if arguments.quick else FED)
    rates = rates_of(ran, start, fed, videos, bundle)
    simulate(report, rates, ran, fed)
    return report.close()


def side_by_side(videos: list[Path], rounds: int, *, limit_s: float) -> dict[str, list[Ran]]:
    """Each kind of run in turn, each round beginning with another.

    Args:
        videos: what is indexed.
        rounds: how many, at most; there is always one.
        limit_s: seconds within which all rounds end, if each takes as long as those before.
    """
    kinds: dict[str, tuple[str, ...]] = {
        PLAIN: ("--workers", "2"),
        TWO: ("--workers", "2", "--ray"),
        ONE: ("--workers", "1", "--ray"),
    }
    names = list(kinds)
    ran: dict[str, list[Ran]] = {name: [] for name in names}
    began = time.perf_counter()
    for turn in range(rounds):
        if turn and (time.perf_counter() - began) * (turn + 1) / turn > limit_s:
            break
        for name in names[turn % 3 :] + names[: turn % 3]:
            with tempfile.TemporaryDirectory(prefix="polyreel-library-") as library:
                ran[name].append(watched(videos, Path(library), kinds[name]))
            print(f"{name}: {ran[name][-1]}", file=sys.stderr)
    return ran


def watched(videos: list[Path], library: Path, more: tuple[str, ...]) -> Ran:
    """One run of the program, with the CPU time of all its processes."""
    command = polyreel("index", *videos, "--library", library, "--no-speech", "--no-screen-text", *more)
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    root, spent = psutil.Process(process.pid), dict[int, float]()
    while process.poll() is None:
        if time.perf_counter() - began > LONGEST_RUN_S:
            for member in family(root):
                with contextlib.suppress(psutil.Error):
                    member.kill()
            raise SystemExit(f"{' '.join(map(str, command))} has not ended within {LONGEST_RUN_S:.0f} s")
        for member in family(root):
            try:
                times = member.cpu_times()
            except psutil.Error:
                continue  # it has just ended
            spent[member.pid] = times.user + times.system
        time.sleep(LOOK_EVERY_S)
    wall_s = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {process.returncode}")
    clips = open_snapshot(library).read(CLIPS, ["start_s", "end_s"])
    lengths = clips["end_s"].to_numpy() - clips["start_s"].to_numpy()
    size = sum(path.stat().st_size for path in library.rglob("*") if path.is_file())
    return Ran(wall_s, sum(spent.values()), spent[process.pid], float(lengths.sum()), len(lengths), size)


def costs(report: Report, ran: Mapping[str, list[Ran]], start: Ran, videos: int) -> None:
    """CPU time of the runs, and what Ray adds."""
    rows = [
        [
            name,
            _median(each, lambda run: run.cpu_s),
            _median(each, lambda run: run.driver_s),
            _median(each, lambda run: run.wall_s),
            statistics.median(run.cpu_s / peer.cpu_s for run, peer in zip(each, ran[PLAIN], strict=True)),
        ]
        for name, each in ran.items()
    ]
    seconds = ran[PLAIN][0].video_s
    report.table(
        f"{videos} videos, {seconds:.0f} s in all; median of {len(ran[PLAIN])}",
        ["", "CPU s", "of which the first process", "wall s", "CPU by that without Ray"],
        rows,
    )
    report.note(
        f"One small video with --ray: {start.cpu_s:.1f} CPU s, {start.wall_s:.1f} s: nearly all is the start."
    )
    report.target(f"{videos} videos: CPU with --ray by that without", float(str(rows[1][-1])), "<=", 1.15)


def _median(runs: Iterable[Ran], of: Callable[[Ran], float]) -> float:
    return statistics.median(map(of, runs))


@dataclass(frozen=True, slots=True)
class Fed:
    """What the driver takes for a clip, in seconds.

    Attributes:
        cpu_s: CPU time, in each fifth of the files, and all in all.
        wall_s: all in all, waits for the disk among them.
    """

    cpu_s: list[float]
    wall_s: float


def feed(folder: Path, bundle: Bundle, *, files: int) -> Fed:
    """Let the driver take so many files, as fast as it can.

    It commits once a second: in a minute as often as a run that is fed by a cluster does in five.
    """
    (folder / "videos").mkdir()
    for number in range(files):
        (folder / "videos" / f"{number:05}.mp4").write_bytes(number.to_bytes(8, "big"))
    thumbnail, marks, began = os.urandom(10_000), [time.process_time()], time.perf_counter()
    features = np.zeros(frame_features(bundle), np.float32)
    vector = np.full(bundle.card.dim, bundle.card.dim**-0.5, np.float32)

    def ready(
        jobs: Iterable[Job], *, seen: set[str], kept_s: Mapping[str, float]
    ) -> Generator[tuple[Job, ReadEvent]]:
        del seen, kept_s
        for number, job in enumerate(jobs):
            job.video = f"{number:032x}"
            yield job, Opened(10.0 * CLIPS_A_FILE)
            for clip in range(CLIPS_A_FILE):
                yield job, ClipEncoded(10.0 * clip, 10.0 * (clip + 1), thumbnail, vector, features)
            yield job, Finished(Health.model_construct(**whole(10.0 * CLIPS_A_FILE)), (), ())
            if (number + 1) % (files // 5) == 0:
                marks.append(time.process_time())

    library = folder / "library"
    index([folder / "videos"], library, bundle, location=str(bundle.folder), read=ready, commit_every_s=1.0)
    clips = files * CLIPS_A_FILE
    fifths = [float(spent) * 5 / clips for spent in np.diff(marks)]
    in_all = (time.process_time() - marks[0]) / clips
    return Fed([*fifths, in_all], (time.perf_counter() - began) / clips)


def whole(seconds: float) -> dict[str, object]:
    """Health of a file without faults."""
    return {
        "codec": "h264",
        "width_px": 1280,
        "height_px": 720,
        "rotation_deg": 0,
        "duration_asked_s": seconds,
        "duration_got_s": seconds,
        "frames_decoded": int(seconds * 30),
        "frames_sampled": int(seconds),
        "bad_packets": 0,
    }


def frame_features(bundle: Bundle) -> tuple[int, int]:
    """Shape of what a clip of ten seconds brings with it."""
    frames = bundle.card.frames
    picture = np.zeros((1, frames.height_px, frames.width_px, 3), np.uint8)
    return round(10 * frames.fps), bundle.encode_frames(picture).shape[1]


def rates_of(ran: Mapping[str, list[Ran]], start: Ran, fed: Fed, videos: list[Path], bundle: Bundle) -> Rates:
    """Rates for an hour of video, by the medians."""
    run = sorted(ran[TWO], key=lambda each: each.cpu_s)[len(ran[TWO]) // 2]
    hours = run.video_s / 3600
    frames, width = frame_features(bundle)
    clip_bytes = 10_000 + 4 * (bundle.card.dim + frames * width)
    # Of readers and what Ray runs beside them, without the driver and without the start.
    reading_s = (run.cpu_s - run.driver_s) - (start.cpu_s - start.driver_s)
    return Rates(
        start_s=start.wall_s,
        hours_a_reader_s=hours / reading_s,
        hours_a_driver_s=hours / (run.clips * max(fed.wall_s, (run.driver_s - start.driver_s) / run.clips)),
        source_bytes=sum(path.stat().st_size for path in videos) / hours,
        answer_bytes=run.clips / hours * clip_bytes,
        # What every library has, however small, is no part of an hour.
        library_bytes=(run.library_bytes - start.library_bytes) / (hours - start.video_s / 3600),
    )


def simulate(report: Report, rates: Rates, ran: Mapping[str, list[Ran]], fed: Fed) -> None:
    """The driver's growth, the runs that were real, and those that are not."""
    report.table(
        f"A driver fed with ready answers, {CLIPS_A_FILE} clips a file: CPU ms a clip",
        [*(f"fifth {number} of 5" for number in range(1, 6)), "all, with begin and end"],
        [[1000 * each for each in fed.cpu_s]],
    )
    report.note(
        f"It takes {1000 * fed.wall_s:.2f} ms a clip on the clock, waits for the disk among them. The "
        "driver's share below is reckoned by that, or by what a real run's driver took if that was more."
    )
    hours = ran[PLAIN][0].video_s / 3600
    rows = [
        [name, rates.wall_s(hours, readers), _median(ran[name], lambda run: run.wall_s)]
        for name, readers in ((ONE, 1), (TWO, 2))
    ]
    report.table("Wall seconds of the runs above", ["", "simulated", "measured"], rows)
    rows = []
    for nodes in (1, 10, 100):
        parts = rates.hours_a_second(nodes * CPUS_A_NODE)
        slowest = min(parts, key=lambda part: parts[part])
        rows.append(
            [
                f"{nodes} x {CPUS_A_NODE} CPUs",
                *(3600 * rate for rate in parts.values()),
                rates.wall_s(HOURS, nodes * CPUS_A_NODE) / 86_400,
                slowest,
            ]
        )
    names = [f"{part}, h an hour" for part in parts]
    report.table(f"{HOURS:,} h of video, simulated", ["", *names, "days", "saturates first"], rows)
    gb, mb = rates.source_bytes / 1e9, rates.answer_bytes / 1e6
    report.note(
        f"For each hour of video {gb:.2f} GB are read, {mb:.0f} MB "
        f"come back, and the library grows by {rates.library_bytes / 1e6:.0f} MB. Links of "
        f"{LINK_BYTES_S / 1.25e8:.0f} Gbit/s and a disk of {DISK_BYTES_S / 1e9:.0f} GB/s are assumed."
    )


if __name__ == "__main__":
    sys.exit(main())
