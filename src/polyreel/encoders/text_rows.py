"""Texts as the rows of token ids that a card asks for."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.card import TextInput
from polyreel.errors import QueryError
from polyreel.languages import detect

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from polyreel.encoders.compact_tokenizer import CompactTokenizer

__all__ = ["cleaned", "filled", "language_token", "rows_of"]

_PUNCTUATION = str.maketrans("", "", string.punctuation)


def rows_of(
    tokenizer: Tokenizer | CompactTokenizer,
    spec: TextInput,
    texts: Sequence[str],
    languages: Sequence[str | None] | None = None,
    *,
    prefix: str | None = None,
) -> Iterator[list[list[int]]]:
    """The windows of each text, each a row of ids with its own marks.

    Args:
        tokenizer: puts the marks of the card's template around a text, and neither cuts nor fills.
        spec: what the card says.
        texts: in any language, of any length.
        languages: BCP-47 tag of each, for encoders that have to be told; None there, or instead of all of
            them, has it detected, and one that is not clear is taken for the card's default.
        prefix: put before every text; None takes the card's.

    Raises:
        QueryError: the encoder has to be told the language, and does not know the one that was named.
    """
    before = spec.prefix if prefix is None else prefix
    asked = [cleaned(before + text, spec.cleaning) for text in texts]
    encodings: Sequence[Any] = tokenizer.encode_batch(asked)
    for place, encoding in enumerate(encodings):
        ids = list(encoding.ids)
        if spec.language_tokens:
            ids[0] = _told(spec, texts[place], languages[place] if languages else None, ids[0])
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


def language_token(spec: TextInput, tag: str) -> int | None:
    """The token of a language, or of the language that its variant belongs to; None if it has none."""
    return spec.language_tokens.get(tag, spec.language_tokens.get(tag.partition("-")[0]))


def _told(spec: TextInput, text: str, language: str | None, of_template: int) -> int:
    """The token that says a text's language. Only a language that somebody named is refused."""
    token = language_token(spec, language or detect(text).language)
    if token is not None:
        return token
    if language is None:  # "42", "OK", a language of few books: indexing and search must go on
        default = spec.default_language
        return of_template if default is None else spec.language_tokens[default]
    raise QueryError(
        "this encoder has to be told the language of a text",
        item=f"{text[:30]!r}",
        value=f"it does not know {language!r}",
        remedy=f"Name one of its {len(spec.language_tokens)}, such as en, or None to have it detected",
    )
