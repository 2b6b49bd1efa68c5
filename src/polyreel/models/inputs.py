"""What the text tower reads."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Bool, Float, Int
from tokenizers import Encoding, Tokenizer
from torch import Tensor

from polyreel.errors import UsageError
from polyreel.languages import Parts

__all__ = ["Reader", "TextInputs", "TextReader", "require_languages"]


@dataclass(frozen=True, slots=True)
class TextInputs:
    """Texts ready for the text tower: as tokens, or as what a frozen encoder made of them.

    Attributes:
        ids, mask: (texts, tokens) int64 and bool, False for padding; None where ``features`` are given.
        features: (texts, width) pooled output of the frozen encoder, None where tokens are given.
        cut: (texts,) bool, which texts were longer than the tower reads.
    """

    ids: Int[Tensor, "texts tokens"] | None = None
    mask: Bool[Tensor, "texts tokens"] | None = None
    features: Float[Tensor, "texts width"] | None = None
    cut: Bool[Tensor, " texts"] | None = None

    def __len__(self) -> int:
        rows = self.ids if self.features is None else self.features
        return 0 if rows is None else len(rows)

    def some(self, rows: Int[Tensor, " rows"]) -> TextInputs:
        """The texts of ``rows``, padded no further than to the longest of them."""
        if self.mask is None:
            return self._each(lambda tensor: tensor[rows])
        longest = int(self.mask[rows].any(dim=0).nonzero().max()) + 1
        return self._each(lambda tensor: tensor[rows] if tensor.ndim == 1 else tensor[rows, :longest])

    def to(self, device: torch.device | str) -> TextInputs:
        """The same on ``device``."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def _each(self, change: Callable[[Tensor], Tensor]) -> TextInputs:
        parts = (self.ids, self.mask, self.features, self.cut)
        return TextInputs(*(None if part is None else change(part) for part in parts))


class Reader(Protocol):
    """What makes inputs of texts."""

    @property
    def identity(self) -> str:
        """Hex digest of everything that decides the inputs of a text."""
        ...

    def read(self, texts: Sequence[str], parts: Sequence[Parts] | None = None) -> TextInputs:
        """``texts``, already normalised (``languages.clean``), as inputs.

        Args:
            texts: To read.
            parts: The same by language, one for each; for readers to whom the language matters.
        """
        ...


def require_languages(
    texts: Sequence[str], parts: Sequence[Parts] | None, *, why: str, item: str
) -> Sequence[Parts]:
    """``parts``, one for each of ``texts``, for readers that cannot do without.

    Args:
        texts: to read.
        parts: the same by language, as far as given.
        why: what the text encoder does with the languages, for the message.
        item: the encoder, for the message.

    Raises:
        UsageError: they are not given, or not of these texts.
    """
    if parts is None or len(parts) != len(texts):
        raise UsageError(
            f"the text encoder {why} and was not told the languages",
            item=item,
            value=f"{len(texts):,} texts, languages of {0 if parts is None else len(parts):,}",
            remedy="Give 'parts', such as languages.parts_in(texts, 'de')",
        )
    return parts


class TextReader:
    """Texts -> padded token ids.

    Args:
        tokenizer: adds its own ``<s>`` and ``</s>``; its truncation is set here.
        pad_id: id that fills shorter rows.
        prefix: put before every text.
        max_tokens: longest row.
    """

    def __init__(self, tokenizer: Tokenizer, *, pad_id: int, prefix: str, max_tokens: int) -> None:
        self.tokenizer, self.pad_id, self.prefix, self.max_tokens = tokenizer, pad_id, prefix, max_tokens
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_tokens)

    @functools.cached_property
    def identity(self) -> str:
        """Hex digest of everything that decides the ids of a text."""
        return hashlib.sha256(f"{self.prefix}\0{self.tokenizer.to_str()}".encode()).hexdigest()

    def read(self, texts: Sequence[str], parts: Sequence[Parts] | None = None) -> TextInputs:
        """``texts``, already normalised (``languages.clean``), as tokens, whatever language ``parts`` are in.

        Args:
            texts: To read.
            parts: Not looked at.
        """
        del parts
        return self.padded(self.encodings(texts))

    def encodings(self, texts: Sequence[str]) -> list[Encoding]:
        """``texts`` in pieces, the prefix before each."""
        found: list[Encoding] = self.tokenizer.encode_batch([self.prefix + text for text in texts])
        return found

    def padded(self, rows: Sequence[Encoding]) -> TextInputs:
        """Texts in pieces as ids in rows of one length."""
        longest = max((len(row.ids) for row in rows), default=0)
        ids = torch.full((len(rows), longest), self.pad_id, dtype=torch.int64)
        mask = torch.zeros((len(rows), longest), dtype=torch.bool)
        for at, row in enumerate(rows):
            ids[at, : len(row.ids)] = torch.tensor(row.ids, dtype=torch.int64)
            mask[at, : len(row.ids)] = True
        cut = torch.tensor([bool(row.overflowing) for row in rows], dtype=torch.bool)
        return TextInputs(ids=ids, mask=mask, cut=cut)
