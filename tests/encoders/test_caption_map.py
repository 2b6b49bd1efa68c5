"""The map of features to what captions say: its fit, its file, and its place in the graph of clips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from polyreel.encoders.build.bundle_spec import shipped, training_free
from polyreel.encoders.build.caption_map import fit_caption_map, read_caption_map, write_caption_map
from polyreel.encoders.build.semantic_pooling import SemanticPooling
from polyreel.encoders.build.small import identity, made_of
from polyreel.encoders.build.trained_heads import TrainedHeads
from polyreel.encoders.build.video_graph import build_video_graph
from polyreel.errors import BundleError

FEATURES, CLASSES, DIM, RANK = 12, 7, 5, 3


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def known():
    """Clips whose captions lie where a map of rank 3 puts them, but for a common offset."""
    rng = np.random.default_rng(0)
    features = rng.random((200, FEATURES)).astype(np.float32)
    inputs = unit(np.sqrt(features))
    whole = rng.normal(size=(FEATURES, RANK)) @ rng.normal(size=(RANK, DIM))
    return features, (inputs @ whole + rng.normal(size=DIM)).astype(np.float32)


@pytest.fixture(scope="module")
def captions(known):
    return fit_caption_map(*known, ridge=1e-6, rank=RANK, power=0.5, weight=0.8)


def test_a_map_of_low_rank_is_found_again_whatever_offset_the_sentences_have(known, captions):
    features, sentences = known
    found = (unit(np.sqrt(features)) @ captions.down + captions.bias) @ captions.up
    np.testing.assert_allclose(found, sentences - sentences.mean(axis=0), atol=1e-3)


def test_the_file_keeps_the_map_within_what_eight_bits_hold(captions, tmp_path):
    write_caption_map(tmp_path / "map.npz", captions)
    again = read_caption_map(tmp_path / "map.npz")
    assert (again.power, again.weight) == (0.5, 0.8)
    np.testing.assert_array_equal(again.bias, captions.bias)
    for kept, whole in ((again.down, captions.down), (again.up, captions.up)):
        assert np.all(np.abs(kept - whole) <= np.abs(whole).max(axis=0) / 253)
    assert again.digest == read_caption_map(tmp_path / "map.npz").digest
    assert again.digest != replace(again, weight=0.7).digest


@pytest.mark.parametrize("damage", ["cut", "missing", "shapes"])
def test_a_damaged_file_is_named(captions, tmp_path, damage):
    path = tmp_path / "map.npz"
    if damage != "missing":
        write_caption_map(path, replace(captions, bias=captions.bias[1:]) if damage == "shapes" else captions)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BundleError, match=r"caption map.*map\.npz"):
        read_caption_map(path)


@pytest.mark.parametrize("trained", [False, True])
def test_the_graph_adds_it_to_the_class_names_and_leaves_what_was_trained(captions, onnx_session, trained):
    rng = np.random.default_rng(1)
    semantic = SemanticPooling(
        *(
            rng.normal(size=shape).astype(np.float32)
            for shape in ((FEATURES, CLASSES), CLASSES, (CLASSES, DIM))
        )
    )
    head = {
        "head.weight": rng.normal(size=(4, FEATURES)).astype(np.float32),
        "head.bias": rng.normal(size=4).astype(np.float32),
    }
    heads = TrainedHeads({}, head, 0.7, power=0.5) if trained else None
    features = rng.random((6, 3, FEATURES)).astype(np.float32)
    mask = np.array([[1, 1, 1]] * 3 + [[1, 1, 0]] * 2 + [[0, 0, 0]], np.float32)

    def embed(given):
        graph = build_video_graph(semantic, heads=heads, captions=given).SerializeToString()
        return onnx_session(graph).run(None, {"features": features, "mask": mask})[0]

    plain, added = embed(None), embed(captions)
    part = np.sqrt(0.3) if trained else 1.0
    mean = [frames[seen > 0].mean(axis=0) for frames, seen in zip(features[:5], mask[:5], strict=True)]
    said = (unit(np.sqrt(mean)) @ captions.down + captions.bias) @ captions.up
    expected = part * unit(plain[:5, :DIM] / part + 0.8 * unit(said))
    np.testing.assert_allclose(added[:5, :DIM], expected, atol=1e-5)
    np.testing.assert_array_equal(added[:, DIM:], plain[:, DIM:])
    np.testing.assert_array_equal(added[5], 0)


def test_a_bundle_with_it_is_another_bundle_and_others_stay_what_they_were(captions):
    without = replace(shipped(), captions=None)
    assert made_of(replace(without, captions=captions)) != made_of(without)
    assert identity(without.learnt, image="0", captions=captions) != identity(without.learnt, image="0")
    assert training_free().captions is None
