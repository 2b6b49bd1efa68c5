"""Ready ONNX exports as bundles, without PyTorch: onnx-community, Immich, sentence-transformers and the like.

Their graphs take floats and the names of ``transformers``; each is wrapped, so that a bundle's graphs take
bytes of pictures, ``ids`` and ``mask`` whatever they were made by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyreel.encoders.card import FrameInput, TextInput
from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.encoders.importing.pooled_states import pool_states
from polyreel.encoders.importing.sentence_modules import SentenceModules, read_modules
from polyreel.errors import BundleError

if TYPE_CHECKING:
    import onnx

__all__ = ["ReadyGraphs", "find_ready", "wrap_ready"]

_PLACES = (
    ("visual/model.onnx", "textual/model.onnx"),
    ("onnx/vision_model.onnx", "onnx/text_model.onnx"),
    ("vision_model.onnx", "text_model.onnx"),
    ("image.onnx", "text.onnx"),
)
_JOINT = ("onnx/model.onnx", "model.onnx")
_PICTURES = ("pixel_values", "image", "images", "input")
_IDS = ("input_ids", "text", "ids", "tokens")
_MASKS = ("attention_mask", "mask")
# Projected vectors first: some graphs also give what was before the projection, or the state of each token.
_VECTORS = ("image_embeds", "text_embeds", "embedding", "embeddings", "sentence_embedding", "pooler_output")


@dataclass(frozen=True, slots=True)
class ReadyGraphs:
    """The two towers of a ready export.

    Attributes:
        image, text: their graphs.
        behind: what makes vectors of the states that the text graph gives; None where it gives vectors.
    """

    image: Path
    text: Path
    behind: SentenceModules | None = None


def find_ready(hub: HubFolder, images: HubFolder | None = None) -> ReadyGraphs | None:
    """The graphs of a folder, None if there are none, or weights that can be held against the model.

    Args:
        hub: the model.
        images: folder of the image tower of a text tower that has none.

    Raises:
        BundleError: there is one graph for both towers, which neither search nor indexing can use alone; or a
            text tower is a ready export and the image tower is not.
    """
    if images is not None:
        return _beside_images(hub, images)
    for image, text in _PLACES:
        if hub.has(image) and hub.has(text):
            return ReadyGraphs(hub.path / image, hub.path / text)
    joint = next((name for name in _JOINT if hub.has(name)), None)
    if joint is None or hub.has("model.safetensors"):
        return None
    raise BundleError(
        "this export has both towers in one graph, so that a text could not be encoded without a picture",
        item=f"{hub.label}/{joint}",
        remedy=(
            "Look for one with a graph for each tower (vision_model.onnx and text_model.onnx), or import the "
            "weights"
        ),
    )


def _beside_images(hub: HubFolder, images: HubFolder) -> ReadyGraphs | None:
    """A text tower of sentence-transformers, and the image graph of another folder."""
    text = next((name for name in _JOINT if hub.has(name)), None)
    if text is None or not hub.has("modules.json"):
        return None
    if hub.has("model.safetensors") and find_spec("torch") is not None:
        return None
    image = next((image for image, _ in _PLACES if images.has(image)), None)
    if image is None:
        raise BundleError(
            "the text tower is a ready export, and the image tower is not",
            item=images.label,
            remedy=f"Name one with a graph such as {_PLACES[1][0]}, or import the weights of both",
        )
    return ReadyGraphs(images.path / image, hub.path / text, read_modules(hub))


def wrap_ready(graphs: ReadyGraphs, folder: Path, text: TextInput, frames: FrameInput) -> TextInput:
    """Write ``frames.onnx`` and ``text.onnx`` around ready graphs; tell how texts are prepared for these.

    Args:
        graphs: what was found.
        folder: where to.
        text, frames: how texts and pictures are prepared.

    Raises:
        BundleError: a graph is damaged, or takes or gives something that is not known.
    """
    import onnx

    image = _load(graphs.image)
    onnx.save(_around_pictures(image, graphs.image.name, frames), folder / "frames.onnx", **_beside("frames"))
    words = _load(graphs.text)
    spec, wrapped = _around_texts(words, graphs.text.name, text, graphs.behind)
    onnx.save(wrapped, folder / "text.onnx", **_beside("text"))
    return spec


def _load(path: Path) -> onnx.ModelProto:
    import onnx

    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    # A missing file, protobuf's own classes and the checker's share no other base.
    except Exception as error:
        raise BundleError(
            "a ready graph cannot be read",
            item=path,
            value=(str(error).strip().splitlines() or [type(error).__name__])[0][:200],
            remedy="Copy or download it again, with the weights that lie beside it",
        ) from error
    return model


def _beside(part: str) -> Mapping[str, Any]:
    """Weights of over a tenth of a gigabyte lie beside the graph: a graph with them must stay under two."""
    return {
        "save_as_external_data": True,
        "all_tensors_to_one_file": True,
        "location": f"{part}.onnx.data",
        "size_threshold": 100 << 20,
    }


def _around_pictures(model: onnx.ModelProto, name: str, frames: FrameInput) -> onnx.ModelProto:
    from onnx import TensorProto, helper, numpy_helper

    (given,) = _inputs(model, name, _PICTURES)
    output = _vectors(model, name)
    sides = [axis.dim_value for axis in given.type.tensor_type.shape.dim[2:]]
    wanted = (frames.height_px, frames.width_px)
    if any(stated not in (0, side) for stated, side in zip(sides, wanted, strict=True)):
        raise BundleError(
            "a ready graph takes pictures of another size than its files say",
            item=name,
            value=f"{sides}, not {frames.height_px} x {frames.width_px}",
        )
    half = given.type.tensor_type.elem_type
    mean, std = _channels(frames)
    consts = [numpy_helper.from_array(mean, "polyreel.mean"), numpy_helper.from_array(std, "polyreel.std")]
    nodes = [
        helper.make_node("Cast", ["frames"], ["polyreel.floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["polyreel.floats"], ["polyreel.planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Sub", ["polyreel.planes", "polyreel.mean"], ["polyreel.centred"]),
        helper.make_node("Div", ["polyreel.centred", "polyreel.std"], ["polyreel.scaled"]),
        helper.make_node("Cast", ["polyreel.scaled"], [given.name], to=half),
    ]
    rows = _rows(given)
    size = [rows, frames.height_px, frames.width_px, 3]
    takes = helper.make_tensor_value_info("frames", TensorProto.UINT8, size)
    return _rebuilt(model, [takes], nodes, consts, output, rows)


def _channels(frames: FrameInput) -> Any:
    import numpy as np

    mean, std = np.array(frames.mean or (0.0,) * 3), np.array(frames.std or (1.0,) * 3)
    return [(255 * part).astype(np.float32).reshape(1, 3, 1, 1) for part in (mean, std)]


def _around_texts(
    model: onnx.ModelProto, name: str, text: TextInput, behind: SentenceModules | None
) -> tuple[TextInput, onnx.ModelProto]:
    from onnx import TensorProto, helper

    inputs = _inputs(model, name, _IDS, _MASKS)
    output = "" if behind is not None else _vectors(model, name)
    rows = _rows(inputs[0])
    length = inputs[0].type.tensor_type.shape.dim[1].dim_value
    if length and text.pad_to not in (None, length):
        raise BundleError(
            "a ready graph takes texts of one length, and its family fills them to another",
            item=name,
            value=f"{length} tokens, not {text.pad_to}",
            remedy="Look for an export with a free length, or import the weights",
        )
    takes, nodes = [], []
    shape = [rows, length or "tokens"]
    for given, ours in zip(inputs, ("ids", "mask"), strict=False):
        takes.append(helper.make_tensor_value_info(ours, TensorProto.INT64, shape))
        theirs = f"polyreel.{given.name}"
        _rename(model, given.name, theirs)
        nodes.append(helper.make_node("Cast", [ours], [theirs], to=given.type.tensor_type.elem_type))
    if behind is not None:
        if len(inputs) == 1:  # what it gives is pooled without what fills
            takes.append(helper.make_tensor_value_info("mask", TensorProto.INT64, shape))
        output = pool_states(model, name, behind)
    if length and text.pad_to is None:  # what fills a row is masked, or comes after what is read
        text = text.model_copy(update={"pad_to": length, "max_tokens": min(length, text.max_tokens)})
    return text, _rebuilt(model, takes, nodes, [], output, rows)


def _rename(model: onnx.ModelProto, old: str, new: str) -> None:
    """Of an input, wherever it is read: some exports call theirs as ours are called."""
    for node in model.graph.node:
        for place, given in enumerate(node.input):
            if given == old:
                node.input[place] = new


def _inputs(model: onnx.ModelProto, name: str, *kinds: tuple[str, ...]) -> list[onnx.ValueInfoProto]:
    """The graph's inputs in the order of the kinds; those after the first may be absent."""
    constants = {constant.name for constant in model.graph.initializer}
    given = {value.name: value for value in model.graph.input if value.name not in constants}
    found = [next((given.pop(known) for known in kind if known in given), None) for kind in kinds]
    if found[0] is None or given:
        raise BundleError(
            "the inputs of a ready graph are not known",
            item=name,
            value=", ".join(value.name for value in model.graph.input),
            remedy=f"Known: {', '.join(known for kind in kinds for known in kind)}",
        )
    return [value for value in found if value is not None]


def _vectors(model: onnx.ModelProto, name: str) -> str:
    outputs = {value.name: len(value.type.tensor_type.shape.dim) for value in model.graph.output}
    named = next((known for known in _VECTORS if known in outputs), None)
    flat = [output for output, axes in outputs.items() if axes == 2]
    if named is None and len(flat) != 1:
        raise BundleError(
            "the outputs of a ready graph are not known",
            item=name,
            value=", ".join(outputs),
            remedy=f"One vector for each row is wanted, such as {_VECTORS[0]}",
        )
    return named or flat[0]


def _rows(given: onnx.ValueInfoProto) -> int | str:
    """A fixed batch of one row is run row by row; no other is possible."""
    stated = int(given.type.tensor_type.shape.dim[0].dim_value)
    if stated > 1:
        raise BundleError(
            "a ready graph takes a fixed number of rows",
            item=given.name,
            value=stated,
            remedy="Look for an export with a free batch, or of one row, or import the weights",
        )
    return stated or "rows"


def _rebuilt(
    model: onnx.ModelProto,
    takes: list[onnx.ValueInfoProto],
    nodes: list[onnx.NodeProto],
    constants: list[onnx.TensorProto],
    output: str,
    rows: int | str,
) -> onnx.ModelProto:
    """The model, changed: other inputs, one output in float32, the same weights."""
    from onnx import TensorProto, helper

    own = model.graph
    stated = {value.name: value for value in own.output}[output].type.tensor_type.shape.dim
    width = stated[-1].dim_value or "dim"
    last = helper.make_node("Cast", [output], ["polyreel.vectors"], to=TensorProto.FLOAT)
    del own.input[:], own.output[:]
    own.input.extend(takes)
    own.output.append(helper.make_tensor_value_info("polyreel.vectors", TensorProto.FLOAT, [rows, width]))
    kept = [*nodes, *own.node, last]
    del own.node[:]
    own.node.extend(kept)
    own.initializer.extend(constants)
    return model
