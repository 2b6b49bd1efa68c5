"""The packed text model: exact weights, or one clear error."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyreel.encoders.build.e5 import BLOCK, Q4Matrix, read_e5
from polyreel.errors import BundleError

WIDTH, LAYERS, HEADS, FEED_FORWARD, WORDS, POSITIONS = 32, 1, 2, 64, 5, 8
PIECES = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁狗", -1.5)]
NORMALISATION = {"\u00a0": " ", "ﬁ": "fi", "\u200b": ""}
SHAPES = {
    "emb.word": (WORDS, WIDTH),
    **{f"l0.{part}.w": (WIDTH, WIDTH) for part in ("q", "k", "v", "ao")},
    "l0.fi.w": (FEED_FORWARD, WIDTH),
    "l0.fo.w": (WIDTH, FEED_FORWARD),
}


def q4_bytes(rows: int, columns: int, seed: int) -> bytes:
    generator = np.random.default_rng(seed)
    blocks = np.zeros(rows * columns // BLOCK, [("scale", "<f2"), ("nibbles", "u1", (16,))])
    blocks["scale"] = generator.normal(size=len(blocks))
    blocks["nibbles"] = generator.integers(0, 256, (len(blocks), 16))
    return blocks.tobytes()


def packed_model(*, magic: bytes = b"E5S1", block: int = BLOCK, leave_out: str = "") -> bytes:
    """A whole file of the format that ``polyreel.encoders.build.e5`` describes."""
    blob = "".join(piece for piece, _ in PIECES).encode()
    ends = np.cumsum([0, *(len(piece.encode()) for piece, _ in PIECES)])
    characters = b"".join(
        struct.pack(f"<IB{len(text)}I", ord(character), len(text), *map(ord, text))
        for character, text in NORMALISATION.items()
    )
    head = magic + struct.pack(
        "<I7ifi", 1, WIDTH, LAYERS, HEADS, FEED_FORWARD, WORDS, POSITIONS, 1, 1e-12, block
    )
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(blob)) + ends.astype("<u4").tobytes()
    head += np.array([score for _, score in PIECES], "<f4").tobytes() + blob
    head += struct.pack("<iI", len(NORMALISATION), len(characters)) + characters
    tensors = {name: q4_bytes(*shape, seed) for seed, (name, shape) in enumerate(SHAPES.items())}
    tensors["l0.q.b"] = np.arange(WIDTH, dtype="<f4").tobytes()
    tensors.pop(leave_out, None)
    directory_size = 4 + sum(2 + len(name) + 5 + 16 for name in tensors)
    directory, body = struct.pack("<i", len(tensors)), b""
    for name, tensor in tensors.items():
        at = len(head) + directory_size + len(body)
        directory += struct.pack(f"<H{len(name)}s5xQQ", len(name), name.encode(), at, len(tensor))
        body += tensor
    return head + directory + body


def write(folder: Path, content: bytes) -> Path:
    path = folder / "model.bin"
    path.write_bytes(content)
    return path


def test_sizes_and_vocabulary_are_read(tmp_path):
    weights = read_e5(write(tmp_path, packed_model()))
    assert (weights.width, weights.layers, weights.heads, weights.positions) == (32, 1, 2, 8)
    assert weights.epsilon == pytest.approx(1e-12)
    vocabulary = weights.vocabulary
    assert vocabulary.pieces == PIECES
    assert (vocabulary.bos_id, vocabulary.eos_id, vocabulary.pad_id, vocabulary.unk_id) == (0, 2, 1, 3)
    assert vocabulary.normalisation == NORMALISATION
    np.testing.assert_array_equal(weights.floats["l0.q.b"], np.arange(32))


def test_every_matrix_is_read_block_by_block(tmp_path):
    weights = read_e5(write(tmp_path, packed_model()))
    assert weights.quantised.keys() == SHAPES.keys()
    for seed, (name, (rows, columns)) in enumerate(SHAPES.items()):
        expected = unpack_slowly(q4_bytes(rows, columns, seed)).reshape(rows, columns)
        np.testing.assert_array_equal(weights.quantised[name].to_float(), expected)


def unpack_slowly(data: bytes) -> np.ndarray:
    weights = []
    for at in range(0, len(data), 18):
        (scale,) = struct.unpack_from("<e", data, at)
        nibbles = data[at + 2 : at + 18]
        levels = [byte & 15 for byte in nibbles] + [byte >> 4 for byte in nibbles]
        weights += [np.float32(level - 8) * np.float32(scale) for level in levels]
    return np.array(weights, np.float32)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 99))
def test_floats_are_level_minus_eight_times_scale(rows, blocks, seed):
    generator = np.random.default_rng(seed)
    scales = generator.normal(size=(rows, blocks)).astype(np.float32)
    levels = generator.integers(0, 16, (rows, blocks * BLOCK)).astype(np.uint8)
    weights = Q4Matrix(scales, levels).to_float()
    assert weights.dtype == np.float32
    for row, column in np.ndindex(weights.shape):
        step = scales[row, column // BLOCK]
        assert weights[row, column] == (np.float32(levels[row, column]) - np.float32(8)) * step


def test_a_file_cut_short_anywhere_is_a_bundle_error(tmp_path):
    whole = packed_model()
    for size in [*range(0, 900, 7), *range(900, len(whole), 101), len(whole) - 1]:
        path = write(tmp_path, whole[:size])
        with pytest.raises(BundleError, match=r"model\.bin") as caught:
            read_e5(path)
        assert caught.value.remedy


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (packed_model(magic=b"GGUF"), "not a packed E5 model"),
        (packed_model(block=64), r"block size.*\(64\)"),
        (packed_model(leave_out="l0.k.w"), r"lacks weights.*l0\.k\.w"),
        (packed_model().replace("▁狗".encode(), b"\xff" * 6), "damaged"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path, content, message):
    with pytest.raises(BundleError, match=message):
        read_e5(write(tmp_path, content))


def test_a_tensor_of_another_size_is_a_bundle_error(tmp_path):
    content = packed_model()
    name = content.index(b"l0.fo.w") + len("l0.fo.w") + 5
    shorter = content[: name + 8] + struct.pack("<Q", 17) + content[name + 16 :]
    with pytest.raises(BundleError, match="damaged"):
        read_e5(write(tmp_path, shorter))


def test_the_model_of_the_default_bundle_is_multilingual_e5_small(e5_weights):
    assert (e5_weights.width, e5_weights.layers, e5_weights.heads, e5_weights.positions) == (384, 12, 12, 512)
    assert len(e5_weights.vocabulary.pieces) == 250_002
    # XLM-R's table has a few rows that no piece uses.
    assert e5_weights.quantised["emb.word"].levels.shape == (250_037, 384)
