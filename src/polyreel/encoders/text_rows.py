"""Texts as the rows of token ids that a card asks for."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.card import TextInput
from polyreel.errors import QueryError
from polyreel.languages import UNKNOWN, detect

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from polyreel.encoders.compact_tokenizer import CompactTokenizer

__all__ = ["cleaned", "filled", "rows_of"]

_PUNCTUATION = str.maketrans("", "", string.punctuation)


def rows_of(
    tokenizer: Tokenizer | CompactTokenizer,
    spec: TextInput,
    texts: Sequence[str],
    languages: Sequence[str | None] | None = None,
) -> Iterator[list[list[int]]]:
    """The windows of each text, each a row of ids with its own marks.

    Args:
        tokenizer: puts the marks of the card's template around a text, and neither cuts nor fills.
        spec: what the card says.
        texts: in any language, of any length.
        languages: BCP-47 tag of each, for encoders that have to be told; None there, or instead of all of
            them, has it detected.

    Raises:
        QueryError: the encoder has to be told the language, and this one it does not know.
    """
    asked = [cleaned(spec.prefix + text, spec.cleaning) for text in texts]
    encodings: Sequence[Any] = tokenizer.encode_batch(asked)
    for place, encoding in enumerate(encodings):
        ids = list(encoding.ids)
        if spec.language_tokens:
            ids[0] = _language_token(spec, texts[place], languages[place] if languages else None)
        yield _windows(ids, spec)


def cleaned(text: str, cleaning: str) -> str:
    """The text in the case and form that the encoder was trained on.

    Args:
        text: as ``languages.clean`` leaves it.
        cleaning: as the card names it. The canonical form is that of SigLIP (Zhai et al. 2023): lower case,
            ASCII punctuation removed, single spaces.
    """
    if cleaning == "none":
        return text
    lower = text.lower()
    return lower if cleaning == "lower" else " ".join(lower.translate(_PUNCTUATION).split())


def filled(rows: Sequence[Sequence[int]], spec: TextInput) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of one length, and 1 where they are text: (rows, tokens) each."""
    length = spec.pad_to or max(map(len, rows))
    ids = np.full((len(rows), length), spec.pad_id, np.int64)
    mask = np.zeros((len(rows), length), np.int64)
    for row, tokens in enumerate(rows):
        place = slice(length - len(tokens), None) if spec.pad_side == "left" else slice(len(tokens))
        ids[row, place] = tokens
        mask[row, place] = 1
    return ids, mask


def _windows(ids: list[int], spec: TextInput) -> list[list[int]]:
    """Pieces of at most the longest input, each with the marks of the whole."""
    if len(ids) <= spec.max_tokens:
        return [ids]
    before, after = spec.marks
    end = len(ids) - after
    step = spec.max_tokens - before - after
    return [[*ids[:before], *ids[at : min(at + step, end)], *ids[end:]] for at in range(before, end, step)]


def _language_token(spec: TextInput, text: str, language: str | None) -> int:
    tag = language or detect(text).language
    token = spec.language_tokens.get(tag, spec.language_tokens.get(tag.partition("-")[0]))
    if token is None:
        raise QueryError(
            "this encoder has to be told the language of a text",
            item=f"{text[:30]!r}",
            value="it is not clear" if tag == UNKNOWN else f"it does not know {tag!r}",
            remedy=f"Name one of its {len(spec.language_tokens)}, such as en, de or zh",
        )
    return token
