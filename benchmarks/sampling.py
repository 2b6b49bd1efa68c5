"""``python benchmarks/sampling.py CHECKOUT``: what is saved by not decoding and encoding, and what is lost.

CPU of ``polyreel index`` by that of another checkout, over the same files and with that one's default bundle,
side by side as in against.py:

- ``minutes``: the videos of indexing.py, nine of a minute, as x264 makes them;
- ``demo``: the demo clips;
- ``phone``: three of a minute with a key frame every 1, 2 and 5 s and no B-frames, as phones make them, with
  ``--sampling fast``.

``recall`` is R@10 on the demo clips by each sampling, paired; ``still`` what two minutes that stand still
cost with an encoder of 60 ms a picture, in this process, decoding included: one page of words and slides of
half a minute as x264 writes them by default, and the hard case, fields with a camera's noise of which every
frame refers to the one before. ``batches`` is what a picture costs by how many are encoded at once, with the
default bundle, which takes at most 16, and with a graph of the size of CLIP ViT-B/32, random weights.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import get_args

import av
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from against import PROGRAM, compare, other_stages
from common import Report, alternate, interval, median_cpu_s, options, paired_ratio, work_dir
from demo_recall import fetched_clips, mean_of, recalls
from indexing import FPS, HEIGHT_PX, WIDTH_PX, endless_frames, landscape_clips, real_videos
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.library.index.indexing import index as index_library
from polyreel.library.index.repeats import FrameEncoder
from polyreel.library.search.search import Library
from polyreel.media.decode import VideoReader
from polyreel.media.sampling import Sampling

PARTS = ("minutes", "demo", "phone", "recall", "still", "batches")
BOUNDS = {"minutes": 0.67, "demo": 0.76, "phone": 0.35}
KEY_FRAMES_S = (1, 2, 5)
STILL_S, SLIDE_S, CLIP_FRAMES, SLOW_S = 120, 30, 10, 0.06
BATCHES, CLIP = (1, 2, 5, 10, 20, 40), "10"


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
        elif part == "batches":
            batches(report)
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
    """CPU of what stands still for half a minute and longer, by that of encoding each second of it."""
    cases = {
        "one page": still_video("page", lambda: written_slides()[:1], {}),
        "slides": still_video("screen", written_slides, {}),
        "noisy slides": still_video("still", noisy_slides, {"preset": "ultrafast", "g": "250"}),
    }
    for name, path in cases.items():
        began = time.process_time()
        encoder = Slow()
        decoded = encode_seconds(path, encoder)
        took_s = time.process_time() - began
        report.note(
            f"still, {name}: of {STILL_S * FPS} frames in {STILL_S} s {decoded} decoded, {encoder.seen} "
            f"encoded; {took_s:.2f} CPU s in all, {encoder.seen * SLOW_S:.2f} of them the encoder's."
        )
        what = f"still, {name}: CPU of decoding and encoding by that of encoding each second"
        report.target(what, took_s / (STILL_S * SLOW_S), "<=", 0.15)


def encode_seconds(path: Path, encoder: Slow) -> int:
    """Encode a picture a second as an index run does, clips of ten; how many frames were decoded."""
    frames, images = FrameEncoder(), list[NDArray[np.uint8]]()
    with VideoReader(path) as reader:
        for picture in reader.pictures(1.0, "near"):
            images.append(picture.image((224, 224)))
            if len(images) == CLIP_FRAMES:
                frames.encode(encoder, images)  # type: ignore[arg-type]
                images.clear()
        if images:
            frames.encode(encoder, images)  # type: ignore[arg-type]
        return reader.health.frames_decoded


def still_video(name: str, slides: Callable[[], list[list[av.VideoFrame]]], encoder: dict[str, str]) -> Path:
    """A video of slides, each shown by turns of the frames it is given as; kept for the next run."""
    path = work_dir() / f"{name}-{STILL_S}.mp4"
    if not path.is_file():
        shown = slides()
        turns = (shown[number // (SLIDE_S * FPS) % len(shown)] for number in range(STILL_S * FPS))
        write(path, (turn[number % len(turn)] for number, turn in enumerate(turns)), encoder)
    return path


def written_slides() -> list[list[av.VideoFrame]]:
    """White pages of words."""
    random = np.random.default_rng(0)
    slides = []
    for number in range(STILL_S // SLIDE_S):
        page = Image.new("RGB", (WIDTH_PX, HEIGHT_PX), (250, 250, 248))
        canvas, font = ImageDraw.Draw(page), ImageFont.load_default(24)
        canvas.text((80, 50), f"Chapter {number + 1}", (20, 40, 90), ImageFont.load_default(48))
        for line in range(10):
            words = (random.integers(97, 123, random.integers(2, 10), np.uint8) for _ in range(8))
            said = " ".join(bytes(word).decode() for word in words)
            canvas.text((100, 150 + 50 * line), said, (30, 30, 30), font)
        slides.append([shown(np.asarray(page))])
    return slides


def noisy_slides() -> list[list[av.VideoFrame]]:
    """Coloured fields with the noise of a camera."""
    random = np.random.default_rng(0)
    slides = [random.integers(30, 220, (9, 16, 3), np.uint8) for _ in range(STILL_S // SLIDE_S)]
    noise = [random.integers(0, 3, (HEIGHT_PX, WIDTH_PX, 1), np.uint8) for _ in range(8)]
    whole = [np.kron(slide, np.ones((80, 80, 1), np.uint8)) for slide in slides]
    return [[shown(slide + each) for each in noise] for slide in whole]


def shown(pixels: NDArray[np.uint8]) -> av.VideoFrame:
    """A frame of RGB pixels."""
    return av.VideoFrame.from_ndarray(pixels, format="rgb24")


def batches(report: Report) -> None:
    """CPU of a picture by how many are encoded at once."""
    random = np.random.default_rng(report.arguments.seed)
    pictures = random.integers(0, 256, (BATCHES[-1], 224, 224, 3), np.uint8)
    bundle, options = Bundle(locate_bundle()), onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.onnx"
        export_vision(path, layers=1 if report.arguments.quick else 12, seed=report.arguments.seed)
        large = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        floats = random.standard_normal((BATCHES[-1], 3, 224, 224), np.float32)
        encoders: dict[str, Callable[[slice], object]] = {
            "default bundle": lambda each: bundle.encode_frames(pictures[each]),
            "ViT-B/32, random weights": lambda each: large.run(None, {"pixels": floats[each]}),
        }
        rows = [[name, *per_picture(report, name, encode)] for name, encode in encoders.items()]
    report.table("CPU ms of a picture, by pictures at once", ["", *map(str, BATCHES)], rows)


def per_picture(report: Report, name: str, encode: Callable[[slice], object]) -> list[float]:
    """CPU milliseconds of a picture in batches of each size, in turn; medians."""
    parts = {
        str(size): lambda size=size: [encode(slice(at, at + size)) for at in range(0, BATCHES[-1], size)]
        for size in BATCHES
    }
    costs = alternate(parts, 2 if report.arguments.quick else 5)
    ratio = paired_ratio(costs[str(BATCHES[-1])], costs[CLIP])
    report.note(f"{name}: {BATCHES[-1]} at once by {CLIP}, a clip's, median of pairs: {ratio:.3f}.")
    return [1000 * median_cpu_s(costs[str(size)]) / BATCHES[-1] for size in BATCHES]


def export_vision(path: Path, *, layers: int, seed: int) -> None:
    """The image tower of CLIP ViT-B/32 with random weights: (pictures, 3, 224, 224) -> (pictures, 512)."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(seed)
    config = CLIPVisionConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=layers)

    class Vision(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = CLIPVisionModelWithProjection(config)

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.model(pixel_values=pixels).image_embeds

    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing
        torch.onnx.export(
            Vision().eval(),
            (torch.zeros((2, 3, 224, 224)),),
            str(path),
            input_names=["pixels"],
            output_names=["features"],
            dynamic_axes={"pixels": {0: "pictures"}, "features": {0: "pictures"}},
            opset_version=20,
            dynamo=False,
        )


if __name__ == "__main__":
    sys.exit(main())
