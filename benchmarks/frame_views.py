"""``python benchmarks/frame_views.py``: what further looks at each picture would bring to the default bundle.

MSR-VTT dev, nine languages. A clip's features are a mean over its pictures, so a further view of a picture
counts as one picture more: its mirror image, its four quarters, squares from its left, middle and right, all
of these. Or the picture is stretched to 320 pixels a side instead of 224, for the same two networks.
R@10 and log2 rank by the whole score, paired by video with what ships, and the CPU of the image networks.
The pictures have 224 pixels on their short side, so larger views are enlarged, not finer.
"""

from __future__ import annotations

import io
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence

import av
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from common import Report, cell, interval, options
from polyreel.encoders.registry import DEFAULT_BUNDLE, locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.languages import STUDY_LANGUAGES
from polyreel.media.decode import Picture
from research_data import CROP_PX, Gallery, msrvtt_dev, text_vectors

LARGE_PX = 320
NAMES = ("whole", "mirror", "quarters", "squares")
VARIANTS = {
    "as it ships": ("whole",),
    "and its mirror image": ("whole", "mirror"),
    "and its quarters": ("whole", "quarters"),
    "and three squares": ("whole", "squares"),
    "three squares alone": ("squares",),
    "all of these": NAMES,
}
Features = dict[str, NDArray[np.float32]]
"""Name of a view -> features of its pictures, (pictures, features)."""


def main() -> int:
    """Encode all views once, and rank by each choice of them."""
    report = Report("views of a picture", options(__doc__).parse_args(), ("onnxruntime",))
    bundle = Bundle(locate_bundle(DEFAULT_BUNDLE), threads=1)
    dev = msrvtt_dev()
    items = dev.items[: 40 if report.arguments.quick else None]
    network = larger_network(bundle)
    spent = dict.fromkeys((*NAMES, LARGE_PX), 0.0)
    pictures, by_view, large = 0, [], []
    for jpegs in jpegs_of(dev, items):
        pictures += len(jpegs)
        by_view.append({name: timed(spent, name, bundle.encode_frames, views(jpegs, name)) for name in NAMES})
        stretched = np.stack([stretch(jpeg, LARGE_PX) for jpeg in jpegs])
        large.append(timed(spent, LARGE_PX, network, stretched))
    clips = {
        variant: [np.concatenate([features[name] for name in names]) for features in by_view]
        for variant, names in VARIANTS.items()
    }
    ranks = {name: ranks_of(bundle, dev, features) for name, features in clips.items()}
    ranks[f"at {LARGE_PX} px"] = ranks_of(bundle, dev, large)
    cost = {name: sum(spent[view] for view in names) for name, names in VARIANTS.items()}
    cost[f"at {LARGE_PX} px"] = spent[LARGE_PX]
    show(report, ranks, {name: 1000 * seconds / pictures for name, seconds in cost.items()})
    return report.close()


def larger_network(bundle: Bundle):  # noqa: ANN201
    """The image networks of the bundle for pictures of 320 pixels, called as ``encode_frames`` is."""
    model = onnx.load(bundle.folder / "frames.onnx")
    for side in model.graph.input[0].type.tensor_type.shape.dim[1:3]:
        side.dim_value = LARGE_PX
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings, ["CPUExecutionProvider"])
    return lambda frames: session.run(None, {"frames": frames})[0]


def jpegs_of(gallery: Gallery, items: Sequence[str]) -> Iterator[list[bytes]]:
    """The pictures of each item."""
    for item in items:
        archive, members = gallery.frames[item]
        with zipfile.ZipFile(archive) as opened:
            yield [opened.read(member) for member in members]


def stretch(jpeg: bytes, side_px: int) -> NDArray[np.uint8]:
    """(side_px, side_px, 3), all of the picture."""
    with av.open(io.BytesIO(jpeg)) as container:
        return Picture(0.0, next(container.decode(video=0))).image((side_px, side_px))


def views(jpegs: Sequence[bytes], name: str) -> NDArray[np.uint8]:
    """(views, 224, 224, 3) of all pictures."""
    return np.concatenate([views_of(jpeg, name) for jpeg in jpegs])


def views_of(jpeg: bytes, name: str) -> NDArray[np.uint8]:
    """(views, 224, 224, 3) of one."""
    if name == "quarters":
        double = stretch(jpeg, 2 * CROP_PX).reshape(2, CROP_PX, 2, CROP_PX, 3)
        return double.transpose(0, 2, 1, 3, 4).reshape(4, CROP_PX, CROP_PX, 3)
    if name == "squares":
        return squares_of(jpeg)
    whole = stretch(jpeg, CROP_PX)
    return (whole if name == "whole" else whole[:, ::-1])[None]


def squares_of(jpeg: bytes) -> NDArray[np.uint8]:
    """The first, middle and last square along the longer side, (3, 224, 224, 3)."""
    with av.open(io.BytesIO(jpeg)) as container:
        picture = Picture(0.0, next(container.decode(video=0)))
    scale = CROP_PX / min(picture.display_size)
    width, height = (round(side * scale) for side in picture.display_size)
    scaled = picture.image((width, height))
    starts = [(at * (height - CROP_PX) // 2, at * (width - CROP_PX) // 2) for at in range(3)]
    return np.stack([scaled[top : top + CROP_PX, left : left + CROP_PX] for top, left in starts])


def timed(spent, name, encode, frames):  # noqa: ANN001, ANN201
    """What ``encode`` makes of the frames; its CPU seconds are added to those of ``name``."""
    start = time.process_time()
    features = encode(frames)
    spent[name] += time.process_time() - start
    return features


def ranks_of(bundle: Bundle, dev: Gallery, features: Sequence[NDArray[np.float32]]) -> NDArray[np.int64]:
    """Rank of each video for its caption in each language, from 1, (languages, videos)."""
    vectors = bundle.encode_video(list(features))
    own = np.arange(len(vectors))
    ranks = []
    for tag in STUDY_LANGUAGES:
        scores = text_vectors(dev.captions[tag], bundle)[: len(vectors)] @ vectors.T
        ranks.append(1 + (scores > scores[own, own][:, None]).sum(axis=1))
    return np.stack(ranks)


def show(report: Report, ranks: dict[str, NDArray[np.int64]], cost_ms: dict[str, float]) -> None:
    """One row a choice of views."""
    found = {name: (100.0 * (r <= 10).mean(axis=0), np.log2(r).mean(axis=0)) for name, r in ranks.items()}
    (_, first), *_ = found.items()
    rows = []
    for name, values in found.items():
        cells = [name, f"{cost_ms[name]:.1f}", cell(values[0], report.arguments.seed)]
        for value, base in zip(values, first, strict=True) if name != "as it ships" else ():
            low, high = interval(value - base, report.arguments.seed)
            cells.append(f"{(value - base).mean():+.2f} [{low:+.2f}, {high:+.2f}]")
        rows.append(cells + [""] * (5 - len(cells)))
    report.table(
        f"MSR-VTT dev, {len(first[0])} videos, nine languages",
        [
            "views of each picture",
            "CPU ms a picture",
            "R@10",
            "R@10 from the first",
            "log2 rank from the first",
        ],
        rows,
    )


if __name__ == "__main__":
    sys.exit(main())
