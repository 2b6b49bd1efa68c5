"""Ready text towers of sentence-transformers, whose pooling and dense layers stand in ``modules.json``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.encoders.importing.importer import import_model
from polyreel.encoders.importing.pooled_states import pool_states
from polyreel.encoders.importing.proof import PROBE_LANGUAGES, PROBE_TEXTS, probe_pictures
from polyreel.encoders.importing.sentence_modules import DenseLayer, SentenceModules, read_modules
from polyreel.encoders.runtime import Bundle
from polyreel.errors import BundleError
from polyreel.media.pictures import read_for_encoder

torch = pytest.importorskip("torch", reason="the exports of these tests are made with PyTorch")


class States(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids, mask):
        return self.model(input_ids=ids, attention_mask=mask).last_hidden_state


class Pictures(States):
    def forward(self, pixels):
        return self.model.get_image_features(pixel_values=pixels).pooler_output


def export(module, path: Path, output: str, **inputs: torch.Tensor) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "input_ids" in inputs
    axes = {name: {0: "batch", 1: "tokens"} if text else {0: "batch"} for name in (*inputs, output)}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=[output],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )


@pytest.fixture(scope="module")
def folders(hub_model, tmp_path_factory) -> tuple[Path, Path]:
    """A text tower as sentence-transformers/clip-ViT-B-32-multilingual-v1, and the image tower beside it."""
    from transformers import CLIPModel, DistilBertModel

    home = tmp_path_factory.mktemp("ready")
    texts, images = hub_model("sentence-transformers"), hub_model("clip")
    text, image = home / "text", home / "images"
    shutil.copytree(texts.path, text)
    (text / "model.safetensors").unlink()
    ids = torch.ones((2, 8), dtype=torch.int64)
    model = DistilBertModel.from_pretrained(texts.path)
    export(
        States(model),
        text / "onnx/model.onnx",
        "last_hidden_state",
        input_ids=ids,
        attention_mask=ids.clone(),
    )
    shutil.copytree(images.path, image, ignore=shutil.ignore_patterns("*.safetensors"))
    pixels = torch.rand(2, 3, 64, 64)
    model = CLIPModel.from_pretrained(images.path)
    export(Pictures(model), image / "onnx/vision_model.onnx", "image_embeds", pixel_values=pixels)
    return text, image


def test_the_layers_behind_a_ready_graph_are_part_of_the_bundle(folders, imported, tmp_path):
    """In a process that has neither PyTorch nor what reads weights for it."""
    text, images = folders
    code = """
import sys
sys.modules.update(dict.fromkeys(("torch", "transformers", "safetensors", "sentencepiece")))
from pathlib import Path
from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.encoders.importing.importer import import_model
from polyreel.media.pictures import read_for_encoder
text, images = (HubFolder(Path(path), "makers/ready") for path in sys.argv[1:3])
out = Path(sys.argv[3])
import_model(text, out, name="ready", as_decoded=read_for_encoder, images=images)
"""
    out = tmp_path / "out"
    subprocess.run([sys.executable, "-c", code, str(text), str(images), str(out)], check=True)
    ours, theirs = Bundle(out), imported("sentence-transformers")
    assert ours.card.origin.family == "sentence-transformers"
    assert ours.card.origin.proof is None
    pictures = np.stack([np.asarray(picture.resize((64, 64))) for picture in probe_pictures()])
    texts = [*PROBE_TEXTS, "a", " ".join(PROBE_TEXTS * 4)]
    languages = [*PROBE_LANGUAGES, "en", "en"]
    for mine, other in (
        (ours.encode_text(texts, languages=languages), theirs.encode_text(texts, languages=languages)),
        (ours.encode_frames(pictures), theirs.encode_frames(pictures)),
    ):
        cosines = (mine * other).sum(1) / np.linalg.norm(mine, axis=1) / np.linalg.norm(other, axis=1)
        assert cosines.min() > 0.999


def test_an_image_tower_that_is_no_ready_export_is_named(folders, hub_model, tmp_path):
    images = hub_model("clip")
    with pytest.raises(BundleError, match="the image tower is not"):
        import_model(
            HubFolder(folders[0], "text"),
            tmp_path / "out",
            name="a",
            as_decoded=read_for_encoder,
            images=images,
        )


def states_graph(opset: int) -> onnx.ModelProto:
    """A graph whose state of a token is its id and twice its id."""
    takes = [helper.make_tensor_value_info("ids", TensorProto.INT64, ["rows", "tokens"])]
    takes.append(helper.make_tensor_value_info("mask", TensorProto.INT64, ["rows", "tokens"]))
    gives = [helper.make_tensor_value_info("token_embeddings", TensorProto.FLOAT, ["rows", "tokens", 2])]
    shape = helper.make_tensor("shape", TensorProto.INT64, [3], [0, -1, 1])
    twice = helper.make_tensor("twice", TensorProto.FLOAT, [2], [1.0, 2.0])
    nodes = [
        helper.make_node("Cast", ["ids"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["floats", "shape"], ["columns"]),
        helper.make_node("Mul", ["columns", "twice"], ["token_embeddings"]),
    ]
    made = helper.make_graph(nodes, "g", takes, gives, [shape, twice])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize(
    ("first", "dense", "expected"),
    [
        (False, (), [[2.0, 4.0], [7.0, 14.0]]),
        (True, (), [[1.0, 2.0], [7.0, 14.0]]),
        (
            False,
            (DenseLayer(np.array([[1, 1]], np.float32), np.array([-6], np.float32), "Tanh"),),
            [[0.0], [np.tanh(15.0)]],
        ),
    ],
)
def test_states_are_pooled_without_what_fills_a_row(opset, first, dense, expected, onnx_session):
    model = states_graph(opset)
    pool_states(model, "g", SentenceModules(HubFolder(Path(), "g"), first, dense))
    onnx.checker.check_model(model)
    ids, mask = np.array([[1, 3, 9], [7, 0, 0]]), np.array([[1, 1, 0], [1, 0, 0]])
    (found,) = onnx_session(model.SerializeToString()).run(None, {"ids": ids, "mask": mask})
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_graph_without_states_is_one_message():
    model = states_graph(17)
    model.graph.output[0].name = "pooled"
    with pytest.raises(BundleError, match=r"does not give the states of tokens: g \(pooled\)"):
        pool_states(model, "g", SentenceModules(HubFolder(Path(), "g"), first_token=True, dense=()))


def pooling(**facts: object):
    return lambda folder: (folder / "1_Pooling/config.json").write_text(json.dumps(facts))


def modules(text: str):
    return lambda folder: (folder / "modules.json").write_text(text)


def dense(**facts: object):
    def change(folder: Path) -> None:
        stated = json.loads((folder / "2_Dense/config.json").read_text())
        (folder / "2_Dense/config.json").write_text(json.dumps(stated | facts))

    return change


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (pooling(pooling_mode_max_tokens=True), "pooling tokens is not known: text/1_Pooling .max_tokens"),
        (pooling(pooling_mode_mean_tokens=True, pooling_mode_cls_token=True), "pooling tokens is not known"),
        (pooling(), "pooling tokens is not known"),
        (modules("{"), "list of modules cannot be read"),
        (modules("{}"), "list of modules is not one"),
        (modules("[]"), "has no transformer"),
        (modules('[{"path": "../x", "type": "m.Dense"}]'), "lies outside its folder"),
        (modules('[{"path": "", "type": "m.LSTM"}]'), "a module of the model is not known"),
        (dense(out_features=31), "config and weights of the model disagree"),
        (dense(bias=True), "config and weights of the model disagree"),
        (dense(activation_function="torch.nn.ReLU"), "an activation of the model is not known"),
        (lambda folder: (folder / "2_Dense/model.safetensors").unlink(), "the weights are missing"),
    ],
)
def test_modules_that_are_not_known_are_one_message(folders, tmp_path, harm, said):
    folder = Path(shutil.copytree(folders[0], tmp_path / "text"))
    harm(folder)
    with pytest.raises(BundleError, match=said):
        read_modules(HubFolder(folder, "text"))


def test_newer_files_name_the_pooling_in_a_word(folders, tmp_path):
    folder = Path(shutil.copytree(folders[0], tmp_path / "text"))
    pooling(pooling_mode="cls", embedding_dimension=64)(folder)
    assert read_modules(HubFolder(folder, "text")).first_token
