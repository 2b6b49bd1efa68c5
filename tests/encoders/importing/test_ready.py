"""Ready ONNX exports: of whatever names, types and batches, and without PyTorch once they are there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.encoders.importing.importer import import_model
from polyreel.encoders.importing.proof import PROBE_TEXTS, probe_pictures
from polyreel.encoders.runtime import Bundle
from polyreel.errors import BundleError, UsageError
from polyreel.media.pictures import read_for_encoder

torch = pytest.importorskip("torch", reason="the exports of these tests are made with PyTorch")


def exported(
    hub: HubFolder, family: str, folder: Path, *, rows: int | None = None, ids: torch.dtype = torch.int64
) -> Path:
    """The model as onnx-community publishes it: two graphs with the names of transformers."""
    from polyreel.encoders.importing.weights import transformers_models

    shutil.copytree(hub.path, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "onnx").mkdir()
    model = transformers_models.load_transformers_model(hub, transformers_models.TRANSFORMERS_CLASSES[family])
    free, size = rows is None, rows or 2
    pixels = torch.rand(size, 3, 64, 64)
    save(Method(model, "get_image_features"), pixels, "pixel_values", folder / "onnx/vision_model.onnx", free)
    length = model.config.text_config.max_position_embeddings
    text = torch.ones((size, length), dtype=ids)
    save(Method(model, "get_text_features"), text, "input_ids", folder / "onnx/text_model.onnx", free)
    return folder


class Method(torch.nn.Module):
    def __init__(self, model, name):
        super().__init__()
        self.model, self.name = model, name

    def forward(self, given):
        given = given if given.is_floating_point() else given.long()
        return getattr(self.model, self.name)(given).pooler_output


def save(module, given, name: str, path: Path, free: bool) -> None:
    axes = {name: {0: "batch"}, "pooler_output": {0: "batch"}} if free else None
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (given,),
            str(path),
            input_names=[name],
            output_names=["pooler_output"],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )


@pytest.fixture(scope="module")
def export(hub_model, tmp_path_factory) -> Callable[..., Path]:
    """The folder of a model's ready export, each made once and copied for the test that asks."""
    made: dict[object, Path] = {}

    def copy(family: str, folder: Path, **how: Any) -> Path:
        what = family, *sorted(how.items())
        if what not in made:
            made[what] = exported(hub_model(family), family, tmp_path_factory.mktemp("ready") / family, **how)
        return shutil.copytree(made[what], folder)

    return copy


def imported_from(folder: Path, out: Path) -> Bundle:
    import_model(HubFolder(folder, "makers/ready"), out, name="ready", as_decoded=read_for_encoder)
    return Bundle(out)


def agree(ours: Bundle, theirs: Bundle) -> None:
    pictures = np.stack([np.asarray(picture.resize((64, 64))) for picture in probe_pictures()])
    for mine, other in (
        (ours.encode_text(PROBE_TEXTS), theirs.encode_text(PROBE_TEXTS)),
        (ours.encode_frames(pictures), theirs.encode_frames(pictures)),
    ):
        cosines = (mine * other).sum(1) / np.linalg.norm(mine, axis=1) / np.linalg.norm(other, axis=1)
        assert cosines.min() > 0.999


@pytest.mark.parametrize("family", ["siglip2", "clip"])
@pytest.mark.parametrize("rows", [None, 1])
def test_a_ready_export_is_the_same_bundle(export, imported, tmp_path, family, rows):
    folder = export(family, tmp_path / "hub", rows=rows, ids=torch.int32)
    bundle = imported_from(folder, tmp_path / "ready")
    agree(bundle, imported(family))
    assert bundle.card.origin.proof is None
    assert "no weights here to hold it against" in bundle.card.origin.remarks[0]


def test_an_export_in_the_layout_of_immich_is_the_same_bundle(export, imported, tmp_path):
    folder = export("clip", tmp_path / "hub", rows=1, ids=torch.int32)
    for tower, graph_file in (("visual", "vision_model.onnx"), ("textual", "text_model.onnx")):
        (folder / tower).mkdir()
        (folder / "onnx" / graph_file).rename(folder / tower / "model.onnx")
    (folder / "tokenizer.json").rename(folder / "textual" / "tokenizer.json")
    pictures = json.loads((folder / "preprocessor_config.json").read_text())
    prepared = {"size": [64, 64], "resize_mode": "shortest", "interpolation": "bicubic"}
    prepared |= {"mean": pictures["image_mean"], "std": pictures["image_std"]}
    (folder / "visual" / "preprocess_cfg.json").write_text(json.dumps(prepared))
    config = {"embed_dim": 32, "vision_cfg": {"image_size": 64}, "text_cfg": {"context_length": 77}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").unlink()
    bundle = imported_from(folder, tmp_path / "ready")
    assert bundle.card.origin.family == "open-clip"
    agree(bundle, imported("clip"))


def test_a_ready_export_keeps_its_precision(export, tmp_path):
    folder = export("siglip2", tmp_path / "hub")
    hub = HubFolder(folder, "makers/ready")
    with pytest.raises(UsageError, match="keeps its own precision"):
        import_model(hub, tmp_path / "out", name="a", as_decoded=read_for_encoder, precision="int8")


def test_a_ready_export_needs_no_pytorch(export, tmp_path):
    folder = export("siglip2", tmp_path / "hub")
    code = f"""
import sys
sys.modules.update(dict.fromkeys(("torch", "transformers", "sentencepiece")))
from pathlib import Path
from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.encoders.importing.importer import import_model
from polyreel.media.pictures import read_for_encoder
hub = HubFolder(Path({str(folder)!r}), "makers/ready")
import_model(hub, Path({str(tmp_path / "out")!r}), name="ready", as_decoded=read_for_encoder)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "out" / "bundle.json").is_file()


def graph(inputs: dict[str, list], output: list) -> onnx.ModelProto:
    """A graph that sums its first input."""
    takes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()]
    gives = [helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, output)]
    node = helper.make_node("Identity", [next(iter(inputs))], ["image_embeds"])
    made = helper.make_graph([node], "g", takes, gives)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"pixel_values": ["n", 3, 32, 32]}, "another size than its files say"),
        ({"pixel_values": [4, 3, 64, 64]}, "a fixed number of rows"),
        ({"pixels": ["n", 3, 64, 64]}, "inputs of a ready graph are not known"),
        (
            {"pixel_values": ["n", 3, 64, 64], "input_ids": ["n", 8]},
            "the inputs of a ready graph are not known",
        ),
    ],
)
def test_a_graph_that_does_not_fit_is_one_message(export, tmp_path, inputs, said):
    folder = export("siglip2", tmp_path / "hub")
    onnx.save(graph(inputs, next(iter(inputs.values()))), folder / "onnx/vision_model.onnx")
    with pytest.raises(BundleError, match=said):
        imported_from(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_graphs_that_are_damaged_or_of_both_towers_are_refused(export, tmp_path):
    folder = export("siglip2", tmp_path / "hub")
    whole = (folder / "onnx/text_model.onnx").read_bytes()
    (folder / "onnx/text_model.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BundleError, match="a ready graph cannot be read"):
        imported_from(folder, tmp_path / "out")
    (folder / "onnx/text_model.onnx").rename(folder / "onnx/model.onnx")
    with pytest.raises(BundleError, match="both towers in one graph"):
        imported_from(folder, tmp_path / "out")


def test_weights_beside_a_graph_are_part_of_the_bundle(export, tmp_path, monkeypatch):
    from polyreel.encoders.importing import ready

    beside = ready._beside
    monkeypatch.setattr(ready, "_beside", lambda part: beside(part) | {"size_threshold": 1024})
    folder = export("siglip2", tmp_path / "hub")
    bundle = imported_from(folder, tmp_path / "out")
    files = set(json.loads((tmp_path / "out" / "bundle.json").read_text())["files"])
    assert {"text.onnx.data", "frames.onnx.data"} <= files
    data = tmp_path / "out" / "text.onnx.data"
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(BundleError, match=r"damaged: .*text\.onnx\.data"):
        Bundle(bundle.folder).encode_text(["a"])
