"""The packaged text weights and the default bundle's towers, as PyTorch and as ONNX Runtime run them."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
import torch

from polyreel.encoders.build.parts import load_e5
from polyreel.encoders.build.text_graph import build_text_graph
from polyreel.encoders.registry import locate_bundle
from polyreel.models.inputs import TextInputs
from polyreel.models.specs import ModelSpec, TextTowerSpec, VideoTowerSpec
from polyreel.models.towers import build_model

SENTENCES = [
    "A dog runs along the beach.",
    "Ein Hund rennt am Strand entlang.",
    "Un chien court sur la plage.",
    "Po pláži běží pes.",
    "一只狗在海滩上奔跑。",
    "По пляжу бежит собака.",
    "Một con chó chạy dọc bãi biển.",
    "Mbwa anakimbia ufukweni.",
    "Un perro corre por la playa.",
    "x",
    "😀",
]


@pytest.fixture(scope="module")
def model(e5_weights_are_here, training_free_bundle):
    spec = ModelSpec(
        text=TextTowerSpec(language_free=True, head="residual-mlp"),
        video=VideoTowerSpec(pooling="semantic", head="linear"),
        prior_weight=0.25,
    )
    return build_model(spec).eval()


@pytest.fixture(scope="module")
def inputs(model):
    return model.text.prepare(SENTENCES)


def cosines(ours: torch.Tensor | np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return (np.asarray(ours.detach() if isinstance(ours, torch.Tensor) else ours) * theirs).sum(axis=1)


def test_the_encoder_is_the_text_graph(model, inputs, e5_weights_are_here):
    """The graph with float activations; the shipped one rounds them to int8."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        build_text_graph(load_e5(), accuracy_level=0).SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
    )
    (expected,) = session.run(None, {"ids": inputs.ids.numpy(), "mask": inputs.mask.long().numpy()})
    with torch.no_grad():
        assert cosines(model.text.pooled(inputs), expected).min() > 0.99999


def test_training_starts_from_the_default_bundle(model, inputs, training_free_bundle):
    generator = np.random.default_rng(0)
    clips = [np.abs(generator.normal(size=(count, 1280))).astype(np.float32) for count in (1, 4, 3)]
    frames, mask = torch.zeros(3, 4, 1280), torch.zeros(3, 4, dtype=torch.bool)
    for row, clip in enumerate(clips):
        frames[row, : len(clip)], mask[row, : len(clip)] = torch.from_numpy(clip), True
    with torch.no_grad():
        text, video = model.embed_text(inputs), model.embed_video(frames, mask)
        # Prior and learnt part agree at the start, so a cosine is that of the bundle.
        scores = (text @ video.T).numpy()
    expected_text, expected_video = (
        training_free_bundle.encode_text(SENTENCES),
        training_free_bundle.encode_video(clips),
    )
    assert cosines(model.text.prior(inputs), expected_text).min() > 0.998
    assert cosines(model.video.prior(frames, mask), expected_video).min() > 0.99999
    np.testing.assert_allclose(scores, expected_text @ expected_video.T, atol=0.02)


def test_kept_features_are_what_the_encoder_gives(model, inputs):
    kept = torch.from_numpy(model.text.encode_frozen(SENTENCES))
    assert model.text.cacheable
    with torch.no_grad():
        torch.testing.assert_close(
            model.embed_text(TextInputs(features=kept)), model.embed_text(inputs), rtol=0, atol=1e-4
        )


def test_only_what_is_learnt_is_saved(model):
    state = model.own_state()
    assert sum(tensor.numel() for tensor in state.values()) < 2_000_000
    assert {name.split(".")[0] for name in state} == {"text", "video", "log_temperature"}
    assert sorted(model.text.trained_arrays()) == [
        "head.hidden.bias",
        "head.hidden.weight",
        "head.out.bias",
        "head.out.weight",
    ]


def test_the_space_is_the_bundles(model):
    from polyreel.encoders.build.parts import read_language_neutral_projection

    space = read_language_neutral_projection(locate_bundle())
    np.testing.assert_array_equal(model.text.free.space().mean, space.mean)
