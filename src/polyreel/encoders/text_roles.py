"""Texts by their role, queries and lines: with the language that each is known to be in, and its own prefix.

An encoder of a user's own takes texts alone. A bundle whose card has language tokens, or a prefix for lines,
or that has English words for queries of some languages, is told both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.card import BundleCard, EncoderCard, TextInput
from polyreel.encoders.glosses import GLOSSES_FILE
from polyreel.encoders.protocol import Encoder
from polyreel.encoders.runtime import Bundle
from polyreel.encoders.text_rows import language_token

__all__ = ["against_lines", "encode_lines", "encode_queries"]


def encode_queries(
    encoder: Encoder, texts: Sequence[str], languages: Sequence[str | None]
) -> NDArray[np.float32]:
    """Vectors of what is asked, (texts, dim).

    Args:
        encoder: a bundle, or an encoder of a user's own.
        texts: normalised.
        languages: BCP-47 tag of each, None where nobody knows; what the encoder has no token for is detected.
    """
    return _encode(encoder, texts, languages, "query")


def encode_lines(
    encoder: Encoder, texts: Sequence[str], languages: Sequence[str | None]
) -> NDArray[np.float32]:
    """Vectors of lines that are searched, (texts, dim).

    Args:
        encoder: as in ``encode_queries``.
        texts: as ``languages.clean`` leaves them.
        languages: as in ``encode_queries``; of a subtitle, what its file says.
    """
    return _encode(encoder, texts, languages, "line")


def against_lines(card: EncoderCard, queries: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors of queries as they are compared with those of lines: each part weighed as the card says.

    Args:
        card: of the encoder that made them.
        queries: (queries, dim) or (dim,).
    """
    parts = card.lines
    if parts is None:
        return queries
    weights = np.full(card.dim, parts.other, np.float32)
    weights[: parts.width] = parts.first
    return np.asarray(queries * weights, np.float32)


def _encode(
    encoder: Encoder, texts: Sequence[str], languages: Sequence[str | None], role: Literal["query", "line"]
) -> NDArray[np.float32]:
    if not isinstance(encoder, Bundle) or not _is_told(encoder.card):
        return encoder.encode_text(texts)
    known = [_known(encoder.card.text, tag) for tag in languages]
    return encoder.encode_text(texts, languages=known, role=role)


def _is_told(card: BundleCard) -> bool:
    spec = card.text
    return bool(spec.language_tokens) or spec.document_prefix is not None or GLOSSES_FILE in card.files


def _known(spec: TextInput, tag: str | None) -> str | None:
    needed = bool(spec.language_tokens) and tag is not None
    return None if needed and language_token(spec, tag or "") is None else tag
