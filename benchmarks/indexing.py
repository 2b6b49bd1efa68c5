"""``python benchmarks/indexing.py``: CPU time of indexing, by that of decoding alone and of a naive pipeline.

Over the same 720p H.264 videos (three, then nine of a minute at 30 frames a second, cut together from real
clips):

- ``polyreel index --workers 2`` into a new library, with its child processes; without speech and text on the
  screen, and after a first run that is not counted, because of what is made once for each bundle;
- decoding alone: ``polyreel.media.frames`` at one frame a second and 224 x 224, in one process. It takes the
  first frame at or after each second, as index runs did until they learned to leave out more (commit
  d1efb82, ``before-n``; by that one's CPU, ``sampling.py`` measures);
- a naive pipeline: OpenCV reads every frame, EfficientNet-Lite0 in eager PyTorch sees one a second.

Each is a process of its own and is counted whole, start-up included; what start-up takes is shown beside it.
Then the memory of one more index run is sampled, over all of its processes. About ten minutes of CPU, and two
with ``--few``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import psutil

from common import (
    Report,
    alternate,
    cost_of,
    family,
    median_cpu_s,
    median_wall_s,
    options,
    paired_ratio,
    polyreel,
    run,
    work_dir,
)
from demo_recall import fetched_clips
from polyreel.encoders.registry import locate_bundle

WIDTH_PX, HEIGHT_PX, FPS = 1280, 720, 30
LONGEST_SHOT_FRAMES = 12 * FPS
PROMISED_VIDEOS = 9
SAMPLE_EVERY_S = 0.1
TOLD = ("--workers", "2", "--no-speech", "--no-screen-text")
INDEX, DECODE, NAIVE = "polyreel index --workers 2", "decoding alone at 1 fps", "OpenCV + eager PyTorch"


def main() -> int:
    """Make the videos, time the three, then watch the memory."""
    parser = options(__doc__)
    parser.add_argument("--few", action="store_true", help="three videos and two rounds")
    arguments = parser.parse_args()
    report = Report("indexing", arguments, ("torch", "opencv-python-headless", "efficientnet-lite-pytorch"))
    locate_bundle()
    count = 2 if arguments.quick else 3 if arguments.few else 9
    videos = real_videos(count, 10 if arguments.quick else 60)
    describe(report, videos)
    index(videos[:1])
    few = videos[: len(videos) // 3 or 1]
    for chosen, repetitions in ((videos, 2),) if arguments.few else ((few, 5), (videos, 3)):
        compare(report, chosen, repetitions=1 if arguments.quick else repetitions)
    watch_memory(report, videos)
    return report.close()


def real_videos(count: int, seconds: int) -> list[Path]:
    """720p H.264 videos of real shots, as x264 makes them by default; kept for the next run."""
    folder = work_dir() / f"videos-{count}x{seconds}"
    paths = [folder / f"{number}.mp4" for number in range(count)]
    if not all(path.is_file() for path in paths):
        folder.mkdir(exist_ok=True)
        shots = [path for _, path in landscape_clips()]
        for number, path in enumerate(paths):
            first = number * len(shots) // count
            encode(path, shots[first:] + shots[:first], seconds * FPS)
    return paths


def landscape_clips() -> list[tuple[str, Path]]:
    """Demo clips that need no enlarging, by name."""
    clips, files = fetched_clips(pypi_only=False)
    return sorted(
        (clip.id, path)
        for clip, path in zip(clips, files, strict=True)
        if clip.width_px >= WIDTH_PX
        and clip.height_px >= HEIGHT_PX
        and 1.5 < clip.width_px / clip.height_px < 1.9
    )


def encode(path: Path, shots: list[Path], frames: int) -> None:
    """Write ``frames`` frames of ``shots`` one after the other."""
    scratch = path.with_suffix(".part.mp4")
    with av.open(scratch, "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "medium", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        for number, frame in enumerate(islice(endless_frames(shots), frames)):
            scaled = frame.reformat(WIDTH_PX, HEIGHT_PX, format="yuv420p")
            scaled.pts, scaled.time_base = number, Fraction(1, FPS)
            scaled.pict_type = av.video.frame.PictureType.NONE  # the encoder decides, not the source
            container.mux(stream.encode(scaled))
        container.mux(stream.encode(None))
    scratch.replace(path)


def endless_frames(shots: list[Path]) -> Iterator[av.VideoFrame]:
    """The beginning of each shot in turn, over and over."""
    while True:
        for shot in shots:
            with av.open(str(shot)) as container:
                yield from islice(container.decode(video=0), LONGEST_SHOT_FRAMES)


def describe(report: Report, videos: list[Path]) -> None:
    """What the videos are like."""
    facts = []
    for path in videos:
        with av.open(str(path)) as container:
            keys = sum(packet.is_keyframe for packet in container.demux(video=0))
            seconds = container.duration / av.time_base
            facts.append((seconds, 8e-6 * path.stat().st_size / seconds, seconds / keys))
    rates = ", ".join(f"{rate:.1f}" for _, rate, _ in facts)
    report.note(
        f"{len(videos)} videos of {facts[0][0]:.0f} s, {WIDTH_PX} x {HEIGHT_PX}, {FPS} frames a second, "
        f"{rates} Mbit/s, a key frame every {sum(gap for *_, gap in facts) / len(facts):.1f} s."
    )


def compare(report: Report, videos: list[Path], *, repetitions: int) -> None:
    """CPU time of the three, side by side, and of their start-ups."""
    peer = [sys.executable, Path(__file__).with_name("indexing_peers.py")]
    parts = {
        INDEX: lambda: index(videos),
        DECODE: lambda: run([*peer, "decode", *videos]),
        NAIVE: lambda: run([*peer, "naive", *videos]),
    }
    with tempfile.TemporaryDirectory(prefix="polyreel-nothing-") as empty:
        starts = {
            INDEX: cost_of(lambda: index([Path(empty)])).cpu_s,
            DECODE: cost_of(lambda: run([*peer, "decode"])).cpu_s,
            NAIVE: cost_of(lambda: run([*peer, "naive"])).cpu_s,
        }
    costs = alternate(parts, repetitions)
    rows = [
        [
            name,
            median_cpu_s(costs[name]),
            starts[name],
            median_wall_s(costs[name]),
            f"{paired_ratio(costs[name], costs[DECODE]):.2f}",
        ]
        for name in parts
    ]
    report.table(
        f"{len(videos)} videos of a minute each; median of {repetitions}",
        ["", "CPU s", "of which start-up", "wall s", "CPU by decoding's"],
        rows,
    )
    if len(videos) >= PROMISED_VIDEOS:  # with fewer, start-up is most of what is above
        what = f"{len(videos)} videos: CPU of index by that of decoding alone"
        report.target(what, paired_ratio(costs[INDEX], costs[DECODE]), "<=", 1.0)
    what = f"{len(videos)} videos: CPU of the naive pipeline by that of index"
    report.target(what, paired_ratio(costs[NAIVE], costs[INDEX]), ">=", 2.5)


def index(paths: list[Path]) -> None:
    """A whole run of the program into a new library."""
    with tempfile.TemporaryDirectory(prefix="polyreel-library-") as library:
        run(polyreel("index", *paths, "--library", library, *TOLD))


def watch_memory(report: Report, videos: list[Path]) -> None:
    """Peak memory of an index run, summed over its processes."""
    with tempfile.TemporaryDirectory(prefix="polyreel-library-") as library:
        command = polyreel("index", *videos, "--library", library, *TOLD)
        process = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        root = psutil.Process(process.pid)
        peaks = {"rss": 0, "pss": 0, "uss": 0}
        while process.poll() is None:
            totals = dict.fromkeys(peaks, 0)
            for member in family(root):
                try:
                    memory = member.memory_full_info()
                except psutil.Error:
                    continue  # it has just ended
                for kind in totals:
                    totals[kind] += getattr(memory, kind)
            peaks = {kind: max(peaks[kind], totals[kind]) for kind in peaks}
            time.sleep(SAMPLE_EVERY_S)
        if process.returncode:
            raise SystemExit(f"index ended with {process.returncode}")
    report.table(
        f"Peak memory while indexing with 2 workers, all processes, sampled every {SAMPLE_EVERY_S} s",
        ["", "MB"],
        [
            ["resident, shared pages counted for each process (RSS)", round(peaks["rss"] / 1e6)],
            ["resident, shared pages counted once (PSS)", round(peaks["pss"] / 1e6)],
            ["private (USS)", round(peaks["uss"] / 1e6)],
        ],
    )
    report.target("peak RSS, MB", peaks["rss"] / 1e6, "<=", 900)


if __name__ == "__main__":
    sys.exit(main())
