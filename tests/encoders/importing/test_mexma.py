"""MEXMA-SigLIP, whose towers are ours: against the classes of transformers put together by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import hub_models
from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.encoders.importing.importer import import_model
from polyreel.encoders.importing.proof import PROBE_TEXTS
from polyreel.errors import BundleError
from polyreel.media.pictures import read_for_encoder

torch = pytest.importorskip("torch", reason="weights are imported with PyTorch")


def cosines(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)


def test_the_towers_are_those_of_their_classes(imported):
    bundle = imported("mexma-siglip")
    text, vision, join = hub_models.mexma_parts()
    tokenizer = hub_models.xlm_roberta_tokenizer()
    rows = tokenizer(list(PROBE_TEXTS), padding=True, return_tensors="pt")
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    with torch.inference_mode():
        texts = join(text(rows["input_ids"], attention_mask=rows["attention_mask"]).last_hidden_state[:, 0])
        pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
        frames = vision(pixel_values=pixels).pooler_output
    assert cosines(bundle.encode_text(PROBE_TEXTS), texts.numpy()).min() > 0.999
    assert cosines(bundle.encode_frames(pictures), frames.numpy()).min() > 0.999


def test_the_card_has_the_scores_meaning_and_whose_terms_hold(imported):
    card = imported("mexma-siglip").card
    assert card.scoring.kind == "sigmoid"
    assert card.scoring.scale == pytest.approx(np.exp(2.0), rel=1e-6)
    assert card.scoring.bias == -8.0
    assert card.dim == 128
    assert "facebook/MEXMA" in card.origin.remarks[0]


@pytest.fixture
def rewritten(hub_model, tmp_path):
    """A copy of the model with other weights."""
    from safetensors.torch import load_file, save_file

    def rewrite(change) -> HubFolder:
        folder = Path(shutil.copytree(hub_model("mexma-siglip").path, tmp_path / "mexma"))
        state = load_file(folder / "model.safetensors")
        save_file(change(state), folder / "model.safetensors")
        return HubFolder(folder, "makers/mexma")

    return rewrite


def renamed(state):
    """Names that its makers might have chosen instead."""
    for old, new in (
        ("text_model.", "net.text."),
        ("vision_model.", "vision.tower."),
        ("text_projector", "join"),
    ):
        state = {
            new + key.removeprefix(old) if key.startswith(old) else key: part for key, part in state.items()
        }
    return state


def test_what_the_parts_are_called_does_not_matter(rewritten, imported, tmp_path):
    card = import_model(rewritten(renamed), tmp_path / "out", name="a", as_decoded=read_for_encoder)
    assert card.origin.proof == imported("mexma-siglip").card.origin.proof


def without(name):
    return lambda state: {key: part for key, part in state.items() if not key.endswith(name)}


def with_more(name, *shape):
    return lambda state: state | {name: torch.zeros(shape)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_more("image_projector.weight", 5, 7), "1 weights have no place, image_projector.weight"),
        (with_more("second.weight", 128, 64), "2 matrices lead from 64 to 128"),
        (without("text_projector.weight"), "0 matrices lead from 64 to 128"),
        (without("word_embeddings.weight"), "0 weights are called embeddings.word_embeddings.weight"),
        (without("position_embedding.weight"), "no embeddings.position_embedding.weight"),
        (without("layers.1.mlp.fc2.bias"), "config and weights of the model disagree"),
    ],
)
def test_weights_of_another_form_are_refused(rewritten, tmp_path, change, said):
    with pytest.raises(BundleError, match=said):
        import_model(rewritten(change), tmp_path / "out", name="a", as_decoded=read_for_encoder)
    assert not (tmp_path / "out").exists()


def test_weights_in_several_files_are_one_model(hub_model, imported, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(hub_model("mexma-siglip").path, tmp_path / "mexma"))
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {}
    for number, keys in enumerate((sorted(state)[::2], sorted(state)[1::2]), start=1):
        name = f"model-0000{number}-of-00002.safetensors"
        save_file({key: state[key] for key in keys}, folder / name)
        places |= dict.fromkeys(keys, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    out = tmp_path / "out"
    card = import_model(HubFolder(folder, "makers/mexma"), out, name="a", as_decoded=read_for_encoder)
    assert card.origin.proof == imported("mexma-siglip").card.origin.proof
