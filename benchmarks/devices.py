"""``python benchmarks/devices.py``: the default bundle by OpenVINO and by ONNX Runtime's CPU kernels.

Both encode the frames of the demo clips and their captions in nine languages. Compared are the ranks of every
caption's clip and what encoding takes, in turn, with one thread each. Needs ``onnxruntime-openvino`` in the
place of ``onnxruntime``; without it the benchmark is left out.
"""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime as ort

from common import SKIPPED, Report, alternate, median_cpu_s, options, paired_ratio, unit_rows
from demo_recall import fetched_clips
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.languages import STUDY_LANGUAGES
from polyreel.media.limited import DecodeOptions, DecodeWorker

DEVICES = ("cpu", "openvino")
TOP = 10


def main() -> int:
    """Encode with both, compare ranks, then time them in turn."""
    arguments = options(__doc__).parse_args()
    if "OpenVINOExecutionProvider" not in ort.get_available_providers():
        print("onnxruntime-openvino is not installed", file=sys.stderr)
        return SKIPPED
    report = Report("devices", arguments, ("onnxruntime-openvino",))
    clips, files = fetched_clips(pypi_only=arguments.quick)
    bundles = {device: Bundle(locate_bundle(), threads=1, device=device) for device in DEVICES}
    pictures = decoded(bundles["cpu"], files)
    texts = [clip.captions[tag] for tag in STUDY_LANGUAGES for clip in clips]
    scores = {
        device: bundle.encode_text(texts) @ videos(bundle, pictures).T for device, bundle in bundles.items()
    }
    assert bundles["openvino"].device == "openvino"
    orders = {device: np.argsort(-each, axis=1, kind="stable") for device, each in scores.items()}
    truth = np.tile(np.arange(len(clips)), len(STUDY_LANGUAGES))[:, None]
    ranks = {device: np.argmax(each == truth, axis=1) for device, each in orders.items()}
    same = float((ranks["cpu"] == ranks["openvino"]).mean())
    hits = {device: 100 * float((each < TOP).mean()) for device, each in ranks.items()}
    report.table(
        f"{len(texts)} captions in {len(STUDY_LANGUAGES)} languages, {len(clips)} clips",
        ("", "R@10", "largest difference of a cosine"),
        [
            ("cpu", hits["cpu"], 0.0),
            ("openvino", hits["openvino"], f"{np.abs(scores['cpu'] - scores['openvino']).max():.4f}"),
        ],
    )
    report.target("share of captions whose clip has the same rank", same, ">=", 0.95)
    for what, work in (
        ("text", lambda bundle: bundle.encode_text(texts[:64])),
        ("frames", lambda bundle: bundle.encode_frames(pictures[0][:16])),
    ):
        costs = alternate(
            {d: (lambda b=bundles[d], w=work: w(b)) for d in DEVICES}, 3 if arguments.quick else 9
        )
        rows = [(device, 1000 * median_cpu_s(each)) for device, each in costs.items()]
        report.table(f"Encoding {what}, one thread", ("device", "CPU ms, median"), rows)
        report.note(f"OpenVINO by CPU, {what}: {paired_ratio(costs['openvino'], costs['cpu']):.2f}.")
    return report.close()


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
