"""Every family against the class of its makers: texts of nine languages, pictures that are not square.

What is recorded here is printed as one table at the end (see ``conftest.py``).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import hub_models
from polyreel.encoders.importing.families import FAMILIES, family_of
from polyreel.encoders.importing.proof import PROBE_LANGUAGES, PROBE_TEXTS, probe_pictures
from polyreel.encoders.importing.weights.loading import load_towers, reference_of

torch = pytest.importorskip("torch", reason="weights are imported with PyTorch")

families = pytest.mark.parametrize("family", hub_models.MODELS)


def cosines(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)


@pytest.fixture
def makers(hub_model):
    """The towers of a small model, and the model as its makers run it."""

    def get(family):
        hub, contract = hub_model(family), FAMILIES[family].contract(hub_model(family))
        images = None
        if beside := hub_models.IMAGES.get(family):
            images = (hub_model(beside), beside)
            contract = replace(contract, frames=FAMILIES[beside].contract(images[0]).frames)
        towers = load_towers(hub, family, contract, images=images)
        return towers, reference_of(hub, family, towers, contract, images=images)

    return get


@families
def test_a_bundle_agrees_with_its_model(imported, hub_model, family, record_property):
    card = imported(family).card
    assert card.origin.family == family
    proof = card.origin.proof
    assert min(proof.texts, proof.pictures) >= 0.999
    assert proof.decoder >= 0.98
    assert proof.count[0] >= (1 if family == "pe-core" else 5)  # it reads 32 tokens, each a letter here
    assert proof.count[1] == 4
    record_property("family", family)
    record_property("fixture's class", hub_models.made_by(hub_model(family).path))
    record_property("texts", f"{proof.texts:.6f} of {proof.count[0]}")
    record_property("reference's pixels", f"{proof.pictures:.6f}")
    record_property("our decoder's", f"{proof.decoder:.6f}")


@families
def test_batches_of_mixed_length_are_their_texts_alone(imported, family, record_property):
    bundle = imported(family)
    mixed = ["a", *PROBE_TEXTS, "b c", PROBE_TEXTS[0] + " " + PROBE_TEXTS[1]]
    languages = ["en", *PROBE_LANGUAGES, "en", "en"]
    together = bundle.encode_text(mixed, languages=languages)
    alone = [
        bundle.encode_text([text], languages=[language])
        for text, language in zip(mixed, languages, strict=True)
    ]
    least = cosines(together, np.concatenate(alone)).min()
    assert least > 0.9999
    record_property("family", family)
    record_property("mixed batch", f"{least:.6f}")


@families
def test_a_long_text_is_the_mean_of_its_windows_in_the_model_itself(
    makers, imported, family, record_property
):
    bundle, (towers, _) = imported(family), makers(family)
    long = " ".join(PROBE_TEXTS * 12)
    (windows,) = bundle.token_rows([long], languages=["en"])
    assert len(windows) > 1
    assert max(map(len, windows)) <= bundle.card.text.max_tokens
    expected = 0
    for row in windows:
        spec = bundle.card.text
        filled = row + [spec.pad_id] * ((spec.pad_to or 0) - len(row))
        ids = torch.tensor([filled])
        with torch.inference_mode():
            vector = towers.text(ids, torch.ones_like(ids)) if towers.masked else towers.text(ids)
        expected = expected + len(row) * (vector / vector.norm()).numpy()
    least = cosines(bundle.encode_text([long], languages=["en"]), expected).min()
    assert least > 0.999
    record_property("family", family)
    record_property("long text", f"{least:.6f}")


@families
def test_frames_in_batches_of_any_size_make_a_clip_of_their_mean(makers, imported, family, record_property):
    bundle, (_, reference) = imported(family), makers(family)
    pictures = probe_pictures()[:3]
    frames = bundle.encode_frames(np.stack([reference.pixels(picture) for picture in pictures]))
    theirs = reference.pictures(pictures)
    assert cosines(frames, theirs).min() > 0.999
    clips = bundle.encode_video([frames, frames[:1]])
    least = cosines(clips, np.stack([theirs.mean(0), theirs[0]])).min()
    assert least > 0.999
    record_property("family", family)
    record_property("clip", f"{least:.6f}")


@families
def test_a_model_is_recognised_and_its_graphs_are_all_it_needs(hub_model, imported, family):
    assert family_of(hub_model(family)) == family
    bundle = imported(family)
    bundle.verify()
    assert set(bundle.card.files) == {"frames.onnx", "text.onnx", "tokenizer.json", "video.onnx"}
