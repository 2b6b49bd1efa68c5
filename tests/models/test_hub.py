"""Encoders in the format of Hugging Face: saved by their library, loaded by ours."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

import tiny_encoders
from polyreel.errors import UsageError
from polyreel.models.encoders import load_encoder
from polyreel.models.inputs import TextInputs
from polyreel.models.specs import AdapterSpec, ModelSpec, PoolingSpec, TextTowerSpec
from polyreel.models.text import TextTower
from polyreel.models.towers import build_model

TEXTS = ["a dog runs", "the cat sleeps on the beach", "ein hund läuft"]


def text_tower(encoder, *, dim: int = 8, **fields) -> TextTower:
    torch.manual_seed(0)
    spec = TextTowerSpec(encoder=str(encoder), **fields)
    return build_model(ModelSpec(text=spec, video=None, dim=dim)).text


@pytest.fixture(params=["bert", "xlmr"])
def folder(request, tiny_bert, tiny_xlmr):
    return {"bert": tiny_bert, "xlmr": tiny_xlmr}[request.param]


@pytest.mark.parametrize("layer", [1, 2, 3, None])
def test_the_chosen_layer_is_pooled(folder, layer):
    tower = text_tower(folder, layer=layer)
    inputs = tower.prepare(TEXTS)
    model = AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        states = model(
            input_ids=inputs.ids, attention_mask=inputs.mask.long(), output_hidden_states=True
        ).hidden_states[layer or tiny_encoders.LAYERS]
        expected = (states * inputs.mask[..., None]).sum(1) / inputs.mask.sum(1, keepdim=True)
        expected = expected / expected.norm(dim=1, keepdim=True)
        torch.testing.assert_close(tower.eval().pooled(inputs), expected)
    np.testing.assert_allclose(tower.encode_frozen(TEXTS), expected, atol=1e-6)


def test_a_layer_that_is_not_there_is_named(folder):
    with pytest.raises(UsageError, match=r"fewer layers: layer 12 \(3 layers\)"):
        text_tower(folder, layer=12)


@pytest.mark.parametrize(
    ("frozen_below", "trained"),
    [(None, set()), (0, {"embeddings", 1, 2, 3}), (1, {1, 2, 3}), (3, {3}), (4, set())],
)
def test_layers_below_are_frozen(folder, frozen_below, trained):
    tower = text_tower(folder, frozen_below=frozen_below, layer=3)
    tower.train()
    tower(tower.prepare(TEXTS)).sum().backward()
    with_gradient = {
        int(name.split("layer.")[1].split(".")[0]) + 1 if "layer." in name else "embeddings"
        for name, parameter in tower.encoder.named_parameters()
        if parameter.grad is not None
    }
    assert with_gradient == trained
    assert tower.cacheable == (frozen_below is None)


def test_frozen_layers_stay_as_in_use(folder):
    tower = text_tower(folder, frozen_below=3, dropout=0.5).train()
    assert [layer.training for layer in tower.encoder.layers] == [False, False, True]
    assert not text_tower(folder, dropout=0.5).train().encoder.training
    assert text_tower(folder, frozen_below=3).train().encoder.layers[2].training


def test_adapters_start_as_the_encoder_itself_and_learn(folder):
    every = ("query", "key", "value", "attention_output", "feed_in", "feed_out")
    adapted = text_tower(folder, adapters=AdapterSpec(rank=2, alpha=6, targets=every), head="none", dim=16)
    plain = text_tower(folder, head="none", dim=16)
    inputs = plain.prepare(TEXTS)
    torch.testing.assert_close(adapted(inputs), plain(inputs), rtol=0, atol=0)
    assert not adapted.cacheable
    optimiser = torch.optim.SGD([p for p in adapted.parameters() if p.requires_grad], lr=1.0)
    for _ in range(2):
        optimiser.zero_grad()
        adapted(inputs)[:, 0].sum().backward()
        optimiser.step()
    assert not torch.allclose(adapted(inputs), plain(inputs), atol=1e-3)
    torch.testing.assert_close(adapted.prior(inputs), plain(inputs), rtol=0, atol=0)
    np.testing.assert_allclose(adapted.encode_frozen(TEXTS), plain.encode_frozen(TEXTS), atol=1e-7)


def test_an_encoder_of_another_build_is_not_adapted(folder):
    encoder = load_encoder(TextTowerSpec(encoder=str(folder)))
    encoder.layers[1].intermediate.dense = torch.nn.Identity()
    with pytest.raises(
        UsageError, match=r"cannot be put into.*intermediate\.dense \(its layers hold .*output"
    ):
        encoder.adapt(AdapterSpec(targets=("query", "feed_in")))


def test_the_prior_has_no_noise_in_training(folder):
    adapted = text_tower(folder, adapters=AdapterSpec(), dropout=0.5).train()
    inputs = adapted.prepare(TEXTS)
    assert not torch.equal(adapted(inputs), adapted(inputs))
    prior = adapted.prior(inputs)
    assert not torch.equal(adapted(inputs), adapted(inputs))
    torch.testing.assert_close(prior, adapted.eval().pooled(inputs))
    fresh = text_tower(folder, dropout=0.5)
    torch.testing.assert_close(fresh.pooled(inputs), fresh.eval().pooled(inputs))


def test_what_adapters_learnt_rebuilds_them(folder):
    tower = text_tower(folder, adapters=AdapterSpec(rank=2, alpha=6, targets=("query", "feed_out")))
    for name, parameter in tower.named_parameters():
        if name.endswith(".up"):
            torch.nn.init.normal_(parameter)
    learnt = tower.trained_arrays()
    assert sorted(learnt) == sorted(
        [
            "head.bias",
            "head.weight",
            *(
                f"layers.{n}.{part}.{kind}"
                for n in range(3)
                for part in ("query", "feed_out")
                for kind in ("down", "up")
            ),
        ]
    )
    states = torch.randn(5, 32)
    adapter = tower.encoder.layers[1].output.dense
    base = states.numpy() @ adapter.base.weight.numpy().T + adapter.base.bias.numpy()
    added = states.numpy() @ learnt["layers.1.feed_out.down"].T @ learnt["layers.1.feed_out.up"].T
    np.testing.assert_allclose(adapter(states).detach().numpy(), base + added, rtol=1e-4, atol=1e-5)


def test_trained_layers_are_learnt_under_our_names(folder):
    learnt = text_tower(
        folder, frozen_below=3, pooling="transformer", pooler=PoolingSpec(layers=1, heads=2, width=8)
    ).trained_arrays()
    parts = ["query", "key", "value", "attention_output", "feed_in", "feed_out"]
    expected = {
        f"layers.2.{part}.{kind}"
        for part in [*parts, "attention_norm", "output_norm"]
        for kind in ("weight", "bias")
    }
    assert {name for name in learnt if not name.startswith(("head.", "pooling."))} == expected
    assert learnt["pooling.project.weight"].shape == (8, 16)
    assert all(array.dtype == np.float32 for array in learnt.values())


def test_a_text_that_is_too_long_is_cut_and_told_of(folder):
    tower = text_tower(folder)
    inputs = tower.prepare(["a dog", "a dog " * 20])
    assert inputs.cut.tolist() == [False, True]
    assert inputs.ids.shape[1] <= tiny_encoders.POSITIONS
    assert tower(inputs).isfinite().all()
    assert text_tower(folder, max_tokens=4).prepare(TEXTS).ids.shape[1] == 4


def test_kept_features_give_what_tokens_give(folder):
    tower = text_tower(folder, language_free=True)
    tower.estimate_language_neutral({"en": TEXTS[:2], "de": TEXTS[2:]})
    kept = TextInputs(features=torch.from_numpy(tower.encode_frozen(TEXTS)))
    torch.testing.assert_close(tower(kept), tower(tower.prepare(TEXTS)))
    with pytest.raises(UsageError, match="learns from tokens"):
        text_tower(folder, adapters=AdapterSpec())(kept)


def test_languages_coincide_in_the_language_free_space(folder):
    tower = text_tower(folder, language_free=True, head="none", dim=16)
    with pytest.raises(UsageError, match="was not estimated"):
        tower(tower.prepare(TEXTS))
    groups = {"en": ["a dog runs", "the cat sleeps"], "de": ["ein hund läuft", "ein hund"]}
    tower.estimate_language_neutral(groups)
    space = tower.free.space()
    means = [space.free(tower.encode_frozen(texts)).mean(axis=0) for texts in groups.values()]
    np.testing.assert_allclose(means[0], means[1], atol=1e-6)
    with pytest.raises(UsageError, match=r"at least two languages: de"):
        tower.estimate_language_neutral({"en": TEXTS, "de": []})


def test_the_identity_of_a_frozen_encoder_changes_with_what_it_gives(folder, tmp_path):
    base = text_tower(folder).frozen_identity
    assert text_tower(folder, head="residual-mlp").frozen_identity == base
    changed = shutil.copytree(folder, tmp_path / "changed")
    weights = load_file(changed / "model.safetensors")
    name = next(key for key in weights if key.endswith("layer.0.output.dense.bias"))
    weights[name] = weights[name] + 1e-3
    save_file(weights, changed / "model.safetensors", metadata={"format": "pt"})
    others = [text_tower(folder, layer=2), text_tower(folder, prefix="query: "), text_tower(changed)]
    others.append(text_tower(folder, max_tokens=5))
    assert len({base, *(tower.frozen_identity for tower in others)}) == 5


def test_half_precision_weights_are_trained_in_full(folder, tmp_path):
    AutoModel.from_pretrained(folder, dtype=torch.float16).save_pretrained(tmp_path)
    shutil.copy(folder / "tokenizer.json", tmp_path)
    shutil.copy(folder / "tokenizer_config.json", tmp_path)
    assert next(text_tower(tmp_path).encoder.parameters()).dtype == torch.float32


def without_weights(folder):
    (folder / "model.safetensors").unlink()


def unsafe_weights(folder):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def without_tokenizer(folder):
    (folder / "tokenizer.json").unlink()


def half_the_weights(folder):
    weights = load_file(folder / "model.safetensors")
    save_file(dict(sorted(weights.items())[:20]), folder / "model.safetensors", metadata={"format": "pt"})


def code_of_its_own(folder):
    (folder / "code.py").write_text("from pathlib import Path\nPath(__file__).with_name('ran').touch()\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "its-own", "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}}
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without_weights, "model.safetensors"),
        (unsafe_weights, "model.safetensors"),
        (half_the_weights, r"\d+ weights are missing"),
        (without_tokenizer, "5 pieces in its tokenizer, 20 in its weights"),
        (code_of_its_own, "contains custom code"),
    ],
)
def test_a_folder_that_cannot_be_trusted_or_is_incomplete_is_one_error(folder, tmp_path, damage, message):
    damaged = shutil.copytree(folder, tmp_path / "damaged")
    damage(damaged)
    with pytest.raises(UsageError, match=message) as caught:
        text_tower(damaged)
    assert caught.value.item == str(damaged)
    assert not (damaged / "ran").exists()


def test_a_folder_that_is_not_there_is_one_error(tmp_path):
    with pytest.raises(UsageError, match=r"cannot be loaded: .*nowhere.*'e5-small' or 'hashed-bag'"):
        text_tower(tmp_path / "nowhere")


def test_loading_prints_nothing(folder, capfd):
    text_tower(folder)
    assert capfd.readouterr() == ("", "")
