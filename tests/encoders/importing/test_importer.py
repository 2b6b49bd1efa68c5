"""Imports that cannot be: one message each, and nothing is installed."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import pytest

import hub_models
from polyreel.encoders.importing import importer
from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.encoders.importing.importer import import_model
from polyreel.errors import BundleError, PolyreelError, UsageError
from polyreel.extras import install_extra
from polyreel.media.pictures import read_for_encoder

pytest.importorskip("torch", reason="weights are imported with PyTorch")


@pytest.fixture
def copied(hub_model, tmp_path):
    def copy(family: str) -> Path:
        return Path(shutil.copytree(hub_model(family).path, tmp_path / family))

    return copy


def refused(folder: Path, kind: type[PolyreelError] = BundleError, **options: object) -> str:
    """The message of an import that fails, and leaves nothing behind."""
    out = folder.parent / "bundles" / "made"
    with pytest.raises(kind) as caught:
        import_model(HubFolder(folder, folder.name), out, name="made", as_decoded=read_for_encoder, **options)
    assert not out.exists()
    left = out.parent.iterdir() if out.parent.exists() else ()
    assert [path.name for path in left] == []
    return str(caught.value)


def cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def without(name: str):
    return lambda folder: (folder / name).unlink()


def written(name: str, text: str):
    return lambda folder: (folder / name).write_text(text)


def rewritten(change):
    def rewrite(folder: Path) -> None:
        facts = json.loads((folder / "config.json").read_text())
        change(facts)
        (folder / "config.json").write_text(json.dumps(facts))

    return rewrite


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (cut, "damaged or cut short: siglip2/model.safetensors"),
        (written("model.safetensors", "{}"), "damaged or cut short"),
        (pickled, "pickled, and a pickle can run any code when it is read: siglip2 (pytorch_model.bin)"),
        (without("model.safetensors"), "the weights are missing"),
        (without("tokenizer.json"), "the model has no tokenizer"),
        (written("tokenizer.json", "{}"), "the tokenizer cannot be read"),
        (without("config.json"), "a file of the model is missing: siglip2/config.json"),
        (written("config.json", "{"), "cannot be understood: siglip2/config.json"),
        (written("config.json", "[]"), "a list, not an object"),
        (without("preprocessor_config.json"), "a file of the model is missing"),
        (rewritten(lambda facts: facts.update(model_type="llama")), "not known: siglip2 (llama)"),
        (rewritten(lambda facts: facts.update(model_type="siglip2")), "NaFlex"),
        (
            rewritten(lambda facts: facts.update(model_type="own", auto_map={"AutoModel": "m.M"})),
            "code of its own, which is never run",
        ),
        (
            rewritten(lambda facts: facts["vision_config"].update(hidden_size=32)),
            "config and weights of the model disagree",
        ),
        (
            rewritten(lambda facts: facts["text_config"].update(num_hidden_layers=3)),
            "config and weights of the model disagree",
        ),
    ],
)
def test_a_model_that_is_not_whole_is_one_message(copied, harm, said):
    folder = copied("siglip2")
    harm(folder)
    message = refused(folder)
    assert said in message
    assert "Traceback" not in message


def test_an_unknown_family_is_answered_with_those_that_are_known(copied):
    folder = copied("siglip2")
    rewritten(lambda facts: facts.update(model_type="llama"))(folder)
    message = refused(folder)
    for known in ("SigLIP 2", "CLIP", "MetaCLIP 2", "Chinese-CLIP"):
        assert known in message


def test_code_in_the_folder_is_never_run(copied, tmp_path):
    folder = copied("siglip2")
    (folder / "modeling_own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass M: pass\n")
    rewritten(lambda facts: facts.update(auto_map={"AutoModel": "modeling_own.M"}))(folder)
    out = tmp_path / "made"
    import_model(HubFolder(folder, "siglip2"), out, name="made", as_decoded=read_for_encoder)
    assert out.is_dir()
    assert not (tmp_path / "ran").exists()


def test_a_list_of_weights_that_leads_out_of_the_folder_is_refused(copied):
    folder = copied("siglip2")
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "../other/model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "names another folder" in refused(folder)


def test_weights_in_several_files_are_read(copied, tmp_path, hub_model, imported):
    from transformers import SiglipModel

    folder = copied("siglip2")
    model = SiglipModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="200KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    card = import_model(
        HubFolder(folder, "siglip2"), tmp_path / "made", name="made", as_decoded=read_for_encoder
    )
    assert card.origin.proof == imported("siglip2").card.origin.proof
    next(folder.glob("model-*.safetensors")).unlink()
    assert "the weights are missing" in refused(folder)


def test_a_text_tower_alone_needs_an_image_tower_and_the_others_do_not(hub_model, tmp_path):
    text, both = hub_model("sentence-transformers"), hub_model("clip")
    for hub, images, said in (
        (text, None, "--images"),
        (both, both, "not a text tower"),
        (text, text, "not a"),
    ):
        with pytest.raises(UsageError, match=said):
            import_model(hub, tmp_path / "out", name="a", as_decoded=read_for_encoder, images=images)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("licence", ["cc-by-nc-4.0", "cc-by-nc-sa-4.0", "apple-amlr"])
def test_terms_that_forbid_commercial_use_must_be_accepted(copied, licence):
    folder = copied("siglip2")
    (folder / "README.md").write_text(hub_models.README.format(licence=licence))
    message = refused(folder, UsageError)
    assert licence in message
    assert "--accept-licence" in message


def test_the_card_says_whose_terms_they_are(imported):
    assert imported("metaclip2").card.non_commercial
    assert imported("metaclip2").card.licences[0].licence == "cc-by-nc-4.0"
    assert not imported("siglip2").card.non_commercial
    assert imported("siglip2").card.licences[0].licence == "apache-2.0"


def test_without_pytorch_the_extra_is_named(copied, monkeypatch):
    monkeypatch.setattr(importer, "find_spec", lambda package: None if package == "torch" else True)
    message = refused(copied("siglip2"), UsageError)
    assert f"Install it with: {install_extra('import')}; or import a ready ONNX export" in message
    assert "missing: torch" in message


def test_a_full_disk_is_one_message(copied, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(importer, "_finish", full)
    assert "the disk is full" in refused(copied("siglip2"))
