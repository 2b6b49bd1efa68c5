"""A genuine bundle that takes milliseconds: colours are what it sees, and colour words what it reads.

Words that mean the same share one vector, in nine languages; a frame's vector is that of the palette colour
that its mean is nearest to. So a film of red frames is what "rot" finds, and everything runs through ONNX
Runtime as a real bundle does. Words outside the vocabulary say nothing: their vector is zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from polyreel.encoders.build.graph import GraphWriter
from polyreel.encoders.card import (
    CARD_FILE,
    BundleCard,
    Confidence,
    FrameInput,
    Licence,
    TextInput,
    identity_of,
)
from polyreel.packages.members import sha256_of

PALETTE: Mapping[str, tuple[int, int, int]] = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "white": (255, 255, 255),
    "black": (0, 0, 0),
}
# en, de, fr, cs, zh, ru, vi, sw, es
MEANINGS: tuple[tuple[str, ...], ...] = (
    ("red", "rot", "rouge", "červená", "红色", "красный", "đỏ", "nyekundu", "rojo"),
    ("green", "grün", "vert", "zelená", "绿色", "зелёный", "lục", "kijani", "verde"),
    ("blue", "blau", "bleu", "modrá", "蓝色", "синий", "lam", "buluu", "azul"),
    ("yellow", "gelb", "jaune", "žlutá", "黄色", "жёлтый", "vàng", "manjano", "amarillo"),
    ("white", "weiß", "blanc", "bílá", "白色", "белый", "trắng", "nyeupe", "blanco"),
    ("black", "schwarz", "noir", "černá", "黑色", "чёрный", "đen", "nyeusi", "negro"),
    ("dog", "hund", "chien", "pes", "狗", "собака", "chó", "mbwa", "perro"),
    ("runs", "rennt", "court", "běží", "跑", "бежит", "chạy", "anakimbia", "corre"),
)
DIM = len(MEANINGS)
SIDE_PX = 16
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
# Logits fall with the squared distance of colours, 0 to 3; at this steepness a pure colour is certain.
_STEEPNESS = 40.0


def write_tiny_bundle(
    folder: Path,
    *,
    name: str = "tiny",
    revision: int = 1,
    spare: int = 0,
    side_px: int = SIDE_PX,
    fps: float = 1.0,
) -> Path:
    """Write the bundle and return its folder; another ``revision`` has another identity.

    ``spare`` adds dimensions in which everything is alike: with one of them the cosine of what does not match
    is 0.5, not 0, which tells the one bundle from the other.
    """
    folder.mkdir(parents=True)
    _tokenizer().save(str(folder / "tokenizer.json"), pretty=False)
    onnx.save(_text_graph(spare), folder / "text.onnx")
    onnx.save(_frames_graph(side_px), folder / "frames.onnx")
    onnx.save(_video_graph(spare), folder / "video.onnx")
    card = BundleCard(
        name=name,
        identity=identity_of({"tiny": revision} | ({"spare": spare, "fps": fps} if spare else {})),
        description="Colours and colour words, for tests.",
        dim=DIM + spare,
        text=TextInput(prefix="", max_tokens=32, pad_id=_SPECIAL.index("<pad>")),
        frames=FrameInput(width_px=side_px, height_px=side_px, fps=fps, dim=3),
        confidence=Confidence(clip=0.5, subtitle=0.5),
        licences=(Licence(part="everything", licence="Apache-2.0", source="this file"),),
        training="none",
        files={path.name: sha256_of(path) for path in sorted(folder.iterdir())},
    )
    (folder / CARD_FILE).write_text(card.model_dump_json(indent=1), encoding="utf-8")
    return folder


def _vocabulary() -> dict[str, int]:
    words = [word for meaning in MEANINGS for word in meaning]
    return {word: place for place, word in enumerate([*_SPECIAL, *words])}


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(_vocabulary(), unk_token="<unk>"))
    # No Unicode form is folded here: texts have to arrive composed.
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def _text_graph(spare: int) -> ModelProto:
    graph = GraphWriter("text")
    ids = graph.input("ids", TensorProto.INT64, ["batch", "tokens"])
    mask = graph.input("mask", TensorProto.INT64, ["batch", "tokens"])
    words = graph.add("Gather", graph.constant("words", _word_vectors(spare)), ids, axis=0)
    weight = graph.add("Cast", graph.add("Unsqueeze", mask, graph.integers(2)), to=TensorProto.FLOAT)
    total = graph.add("ReduceSum", graph.add("Mul", words, weight), graph.integers(1), keepdims=0)
    return graph.close(graph.l2_normalise(total), "embeddings", ["batch", DIM + spare])


def _word_vectors(spare: int) -> NDArray[np.float32]:
    meanings = [np.eye(DIM, dtype=np.float32)[[place]] for place in range(DIM)]
    rows = [np.repeat(vector, len(words), axis=0) for vector, words in zip(meanings, MEANINGS, strict=True)]
    special = np.zeros((len(_SPECIAL), DIM + spare), np.float32)
    words = np.pad(np.concatenate(rows), ((0, 0), (0, spare)), constant_values=1)
    return np.concatenate([special, words])


def _frames_graph(side_px: int) -> ModelProto:
    graph = GraphWriter("frames")
    pixels = graph.input("frames", TensorProto.UINT8, ["frames", side_px, side_px, 3])
    light = graph.add("Div", graph.add("Cast", pixels, to=TensorProto.FLOAT), graph.scalar(255.0))
    mean = graph.add("ReduceMean", light, graph.integers(1, 2), keepdims=0)
    return graph.close(mean, "features", ["frames", 3])


def _video_graph(spare: int) -> ModelProto:
    # -|x - c|^2 = 2 x.c - |c|^2 - |x|^2, of which softmax needs the first two.
    palette = np.array(list(PALETTE.values()), np.float32) / 255
    graph = GraphWriter("video")
    features = graph.input("features", TensorProto.FLOAT, ["clips", "frames", 3])
    mask = graph.input("mask", TensorProto.FLOAT, ["clips", "frames"])
    nearness = graph.add(
        "Add",
        graph.add("MatMul", features, graph.constant("palette", 2 * _STEEPNESS * palette.T)),
        graph.constant("offset", -_STEEPNESS * (palette**2).sum(axis=1)),
    )
    seen = graph.add("Softmax", nearness, axis=-1)
    weighted = graph.add("Mul", seen, graph.add("Unsqueeze", mask, graph.integers(2)))
    pooled = graph.add("ReduceSum", weighted, graph.integers(1), keepdims=0)
    known = np.pad(np.eye(len(PALETTE), DIM, dtype=np.float32), ((0, 0), (0, spare)), constant_values=1)
    colours = graph.constant("colours", known)
    unit = graph.l2_normalise(graph.add("MatMul", pooled, colours))
    return graph.close(unit, "embeddings", ["clips", DIM + spare])
