"""``python benchmarks/sampling.py CHECKOUT``: what is saved by not decoding and encoding, and what is lost.

CPU of ``polyreel index`` by that of another checkout, over the same files and with that one's default bundle,
side by side as in against.py:

- ``minutes``: the videos of indexing.py, nine of a minute, as x264 makes them;
- ``demo``: the demo clips;
- ``phone``: three of a minute with a key frame every 1, 2 and 5 s and no B-frames, as phones make them, with
  ``--sampling fast``.

``recall`` is R@10 on the demo clips by each sampling, paired; ``still`` what slides of half a minute cost
with an encoder of 60 ms a picture, in this process, decoding included.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import get_args

import av
import numpy as np
from numpy.typing import NDArray

from against import PROGRAM, compare, other_stages
from common import Report, interval, options, work_dir
from demo_recall import fetched_clips, mean_of, recalls
from indexing import FPS, HEIGHT_PX, WIDTH_PX, endless_frames, landscape_clips, real_videos
from polyreel.encoders.runtime import Bundle
from polyreel.library.index.indexing import index as index_library
from polyreel.library.index.repeats import FrameEncoder
from polyreel.library.search.search import Library
from polyreel.media.decode import VideoReader
from polyreel.media.sampling import Sampling

PARTS = ("minutes", "demo", "phone", "recall", "still")
BOUNDS = {"minutes": 0.67, "demo": 0.76, "phone": 0.35}
KEY_FRAMES_S = (1, 2, 5)
STILL_S, SLOW_S = 120, 0.06


def main() -> int:
    """Measure the parts."""
    parser = options(__doc__)
    parser.add_argument("checkout", type=Path, help="root of the other checkout, with its src/")
    parser.add_argument("--pairs", type=int, default=2, help="runs of each")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="by default all")
    arguments = parser.parse_args()
    report = Report("sampling", arguments)
    roots = {"this": Path(__file__).parents[1], "other": arguments.checkout.resolve()}
    pairs = 1 if arguments.quick else arguments.pairs
    for part in arguments.parts:
        if part == "recall":
            recall_by_sampling(report, Bundle(default_bundle(roots["other"])))
        elif part == "still":
            still(report)
        else:
            compare_part(report, part, folder_of(part, quick=arguments.quick), roots, pairs)
    return report.close()


def folder_of(part: str, *, quick: bool) -> Path:
    """The videos of a part."""
    if part == "minutes":
        return real_videos(2 if quick else 9, 10 if quick else 60)[0].parent
    if part == "phone":
        return phone_videos(10 if quick else 60)
    return fetched_clips(pypi_only=False)[1][0].parent


def phone_videos(seconds: int) -> Path:
    """Shots with key frames close together; kept for the next run."""
    folder = work_dir() / f"phone-{len(KEY_FRAMES_S)}x{seconds}"
    folder.mkdir(exist_ok=True)
    shots = [path for _, path in landscape_clips()]
    for number, gap_s in enumerate(KEY_FRAMES_S):
        path = folder / f"{gap_s}.mp4"
        if path.is_file():
            continue
        first = number * len(shots) // len(KEY_FRAMES_S)
        frames = endless_frames(shots[first:] + shots[:first])
        write(path, islice(frames, seconds * FPS), {"preset": "ultrafast", "bf": "0", "g": str(gap_s * FPS)})
    return folder


def write(path: Path, frames: Iterable[av.VideoFrame], encoder: dict[str, str]) -> None:
    """A video of these frames."""
    scratch = path.with_suffix(".part")
    with av.open(str(scratch), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options=encoder)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        for number, frame in enumerate(frames):
            scaled = frame.reformat(WIDTH_PX, HEIGHT_PX, format="yuv420p")
            scaled.pts, scaled.time_base = number, Fraction(1, FPS)
            scaled.pict_type = av.video.frame.PictureType.NONE
            container.mux(stream.encode(scaled))
        container.mux(stream.encode(None))
    scratch.replace(path)


def compare_part(report: Report, part: str, folder: Path, roots: dict[str, Path], pairs: int) -> None:
    """CPU of both checkouts over a folder, with the bundle of the other one."""
    bundle = default_bundle(roots["other"])
    told = {name: ["--bundle", str(bundle), *other_stages(root)] for name, root in roots.items()}
    if part == "phone":
        told["this"] += ["--sampling", "fast"]
    target = (f"{part}: CPU by the other checkout's", BOUNDS[part])
    compare(report, folder, roots, told, pairs=pairs, table=f"{part}: CPU seconds of indexing", target=target)


def default_bundle(root: Path) -> Path:
    """Folder of a checkout's default bundle."""
    code = "from polyreel.encoders.registry import locate_bundle; print(locate_bundle())"
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    told = subprocess.run(
        [PROGRAM[0], "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    return Path(told.stdout.strip())


def recall_by_sampling(report: Report, bundle: Bundle) -> None:
    """R@10 on the demo clips, mean of nine languages."""
    clips, files = fetched_clips(pypi_only=report.arguments.quick)
    found: dict[Sampling, NDArray[np.float64]] = {}
    for sampling in get_args(Sampling):
        with tempfile.TemporaryDirectory(prefix="polyreel-library-") as library:
            index_library(files, Path(library), bundle, location=str(bundle.folder), sampling=sampling)
            opened = Library(Path(library), lambda _location: bundle)
            found[sampling] = mean_of(recalls(opened, clips, "best"))[10]
    rows = []
    for sampling, values in found.items():
        gain = values - found["exact"]
        low, high = interval(gain, report.arguments.seed)
        rows.append([sampling, f"{values.mean():.1f}", f"{gain.mean():+.1f} [{low:+.1f}, {high:+.1f}]"])
    report.table(f"R@10 on {len(clips)} clips", ["sampling", "mean of nine", "against exact, paired"], rows)
    lost = abs(float((found["near"] - found["exact"]).mean()))
    report.target("R@10 by 'near' and by 'exact', difference in points", lost, "<=", 1.0)


class Slow:
    """An encoder as slow as a large image tower on a CPU, which counts its pictures."""

    def __init__(self) -> None:
        self.seen = 0

    def encode_frames(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Zeros, after 60 ms of CPU a picture."""
        until = time.thread_time() + SLOW_S * len(images)
        self.seen += len(images)
        while time.thread_time() < until:
            pass
        return np.zeros((len(images), 8), np.float32)


def still(report: Report) -> None:
    """CPU of a lecture's slides that change every half minute, by that of encoding each second."""
    path = work_dir() / f"still-{STILL_S}.mp4"
    if not path.is_file():
        write(path, still_frames(STILL_S), {"preset": "ultrafast", "g": "250"})
    began = time.process_time()
    frames, encoder, images = FrameEncoder(), Slow(), list[NDArray[np.uint8]]()
    with VideoReader(path) as reader:
        for picture in reader.pictures(1.0, "near"):
            images.append(picture.image((224, 224)))
            if len(images) == 10:
                frames.encode(encoder, images)  # type: ignore[arg-type]
                images.clear()
    took_s = time.process_time() - began
    report.note(f"still: {STILL_S} s of slides at {FPS} frames a second, {encoder.seen} pictures encoded.")
    report.note(f"{took_s:.2f} CPU s in all, {encoder.seen * SLOW_S:.2f} of them the encoder's.")
    what = "still: CPU of decoding and encoding by that of encoding each second"
    report.target(what, took_s / (STILL_S * SLOW_S), "<=", 0.15)


def still_frames(seconds: int) -> Iterator[av.VideoFrame]:
    """Slides with the noise of a camera."""
    random = np.random.default_rng(0)
    slides = [random.integers(30, 220, (9, 16, 3), np.uint8) for _ in range(1 + seconds // 30)]
    noise = [random.integers(0, 3, (HEIGHT_PX, WIDTH_PX, 1), np.uint8) for _ in range(8)]
    whole = [np.kron(slide, np.ones((80, 80, 1), np.uint8)) for slide in slides]
    for number in range(seconds * FPS):
        yield av.VideoFrame.from_ndarray(whole[number // (30 * FPS)] + noise[number % 8], format="rgb24")


if __name__ == "__main__":
    sys.exit(main())
