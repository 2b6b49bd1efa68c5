"""``python benchmarks/devices.py``: the default bundle by OpenVINO and by ONNX Runtime's CPU kernels.

Both encode the frames of the demo clips and their captions in nine languages. Compared are the ranks of every
caption's clip and what encoding takes, in turn, with one thread each. The bundle's text graph allows kernels
to round what is multiplied with 4-bit weights to 8 bits, which ONNX Runtime does and OpenVINO does not. So
what OpenVINO is held against is the CPU without that; what the rounding does is shown beside it. Needs
``onnxruntime-openvino`` in the place of ``onnxruntime``; without it the benchmark is left out.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from common import SKIPPED, Report, alternate, interval, median_cpu_s, options, paired_ratio, unit_rows
from demo_recall import fetched_clips
from polyreel.encoders.card import CARD_FILE, read_card
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.languages import STUDY_LANGUAGES
from polyreel.media.limited import DecodeOptions, DecodeWorker
from polyreel.packages.members import sha256_of

CPU, FLOAT, OPENVINO = "cpu", "cpu, float32 activations", "openvino"
TOP = 10


def main() -> int:
    """Encode with each, compare ranks, then time them in turn."""
    arguments = options(__doc__).parse_args()
    if "OpenVINOExecutionProvider" not in ort.get_available_providers():
        print("onnxruntime-openvino is not installed", file=sys.stderr)
        return SKIPPED
    report = Report("devices", arguments, ("onnxruntime-openvino",))
    with tempfile.TemporaryDirectory() as folder:
        bundles = {
            CPU: Bundle(locate_bundle(), threads=1, device="cpu"),
            FLOAT: Bundle(with_float_activations(Path(folder) / "float"), threads=1, device="cpu"),
            OPENVINO: Bundle(locate_bundle(), threads=1, device="openvino"),
        }
        compare(report, bundles)
    return report.close()


def with_float_activations(folder: Path) -> Path:
    """A copy of the default bundle whose text graph asks for products in float32."""
    shutil.copytree(locate_bundle(), folder, ignore=shutil.ignore_patterns(".*"))
    graph = onnx.load(folder / "text.onnx")
    for node in graph.graph.node:
        for attribute in node.attribute:
            if attribute.name == "accuracy_level":
                attribute.i = 0
    onnx.save(graph, folder / "text.onnx")
    card = read_card(folder)
    digests = {**card.files, "text.onnx": sha256_of(folder / "text.onnx")}
    changed = card.model_copy(update={"files": digests})
    (folder / CARD_FILE).write_text(changed.model_dump_json(), encoding="utf-8")
    return folder


def compare(report: Report, bundles: dict[str, Bundle]) -> None:
    """Ranks, then times."""
    quick = report.arguments.quick
    clips, files = fetched_clips(pypi_only=quick)
    pictures = decoded(bundles[CPU], files)
    texts = [clip.captions[tag] for tag in STUDY_LANGUAGES for clip in clips]
    scores = {name: each.encode_text(texts) @ videos(each, pictures).T for name, each in bundles.items()}
    assert bundles[OPENVINO].device == "openvino"
    truth = np.tile(np.arange(len(clips)), len(STUDY_LANGUAGES))
    ranks = {
        name: (each > each[np.arange(len(texts)), truth][:, None]).sum(1) for name, each in scores.items()
    }
    hits = {name: 100.0 * (each < TOP) for name, each in ranks.items()}
    rows = []
    for name in bundles:
        low, high = interval(hits[name] - hits[CPU], report.arguments.seed)
        rows.append(
            (
                name,
                float(hits[name].mean()),
                "-" if name == CPU else f"{low:+.1f} to {high:+.1f}",
                100 * float((ranks[name] == ranks[FLOAT]).mean()),
                f"{np.abs(scores[name] - scores[FLOAT]).max():.6f}",
            )
        )
    report.table(
        f"{len(texts)} captions in {len(STUDY_LANGUAGES)} languages, {len(clips)} clips; rank and cosine "
        f"held against {FLOAT}",
        ("", "R@10", "against cpu, 95%", "same rank, %", "largest difference of a cosine"),
        rows,
    )
    same = float((ranks[OPENVINO] == ranks[FLOAT]).mean())
    report.target("share of captions whose clip has the same rank in float32", same, ">=", 0.99)
    for what, work in (
        ("32 texts", lambda bundle: bundle.encode_text(texts[:32])),
        ("16 frames", lambda bundle: bundle.encode_frames(pictures[0][:16])),
    ):
        costs = alternate(
            {name: (lambda b=each, w=work: w(b)) for name, each in bundles.items()}, 3 if quick else 5
        )
        rows = [
            (name, 1000 * median_cpu_s(each), paired_ratio(each, costs[CPU])) for name, each in costs.items()
        ]
        report.table(f"Encoding {what}, one thread", ("", "CPU ms, median", "by cpu"), rows)


def decoded(bundle: Bundle, files: list) -> list[np.ndarray]:
    """Frames of each file as the bundle wants them, (frames, height, width, 3)."""
    wanted = DecodeOptions.of(bundle.card.frames)
    with DecodeWorker() as worker:
        return [np.concatenate([clip.images for clip in worker.clips(path, wanted)]) for path in files]


def videos(bundle: Bundle, pictures: list[np.ndarray]) -> np.ndarray:
    """A vector of each file, (files, dim)."""
    return unit_rows(bundle.encode_video([bundle.encode_frames(each) for each in pictures]))


if __name__ == "__main__":
    sys.exit(main())
